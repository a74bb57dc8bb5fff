package smoke

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"obsandbox/sandbox/internal/stack"
)

// fakePlatform is the cluster with its pods, and the way to them.
type fakePlatform struct {
	pods []corev1.Pod
	// hosts are the targets' addresses, by name.
	hosts []any
	// pagesOf are metrics pages by "host:port".
	pagesOf map[string]string
	// dead answer no liveness probe, deaf miss Kafka whatever the faults are; both by the pod's name.
	dead, deaf map[string]bool
	// faults are those that are set; ignored are not looked at.
	faults        map[string]bool
	faultsIgnored bool
	faultsSlow    bool
	// faultsDeadly kill what they are set for.
	faultsDeadly bool
}

func (w *world) startPlatform() {
	health, err := stack.LoadHealth(w.stack.Path(stack.HealthFile))
	require.NoError(w.t, err)
	w.dead, w.deaf, w.faults = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, app := range health.Names() {
		for j := range 2 {
			w.pods = append(w.pods, fakePod(app, i, j, health.Services[app]))
		}
	}
	job := fakePod("storage-router", 90, 4, stack.Probes{})
	job.Name, job.Status.Phase = "storage-router-migration-4", corev1.PodSucceeded
	w.pods = append(w.pods, job)
	all := func(*http.Request) (any, error) { return corev1.PodList{Items: w.pods}, nil }
	w.serve("platform", "kubernetes", map[string]handler{
		"GET /version":     func(*http.Request) (any, error) { return jsonObject{"gitVersion": "v1.37.2"}, nil },
		"GET /api/v1/pods": all,
		"GET /api/v1/namespaces/data-ingestion/pods": all,
	})
	w.serve("platform", "api", map[string]handler{
		"GET /-/ready":   func(*http.Request) (any, error) { return "ready", nil },
		"GET /api/state": func(*http.Request) (any, error) { return jsonObject{"hosts": w.hosts}, nil },
		"GET /api/notifications": func(*http.Request) (any, error) {
			if w.recorded == nil {
				return []any{}, nil
			}
			return w.recorded, nil
		},
		"PUT /api/faults/{name}": func(r *http.Request) (any, error) {
			w.faults[r.PathValue("name")+" "+r.URL.Query().Get("service")] = true
			return jsonObject{}, nil
		},
		"DELETE /api/faults/{name}": func(r *http.Request) (any, error) {
			if !w.faultsSlow {
				delete(w.faults, r.PathValue("name")+" "+r.URL.Query().Get("service"))
			}
			return jsonObject{}, nil
		},
	})
	proxy := httptest.NewServer(http.HandlerFunc(w.toPod))
	w.t.Cleanup(proxy.Close)
	w.listens("platform", "proxy", strings.TrimPrefix(proxy.URL, "http://"))
}

// toPod answers what comes through the proxy.
func (w *world) toPod(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if text, ok := w.pagesOf[r.URL.Host]; ok && r.URL.Path == "/metrics" {
		fmt.Fprint(rw, text)
		return
	}
	for _, pod := range w.pods {
		if r.URL.Host != pod.Status.PodIP+":8080" || done(pod) {
			continue
		}
		broken := w.faults["kafka-unreachable "+pod.Labels["app"]]
		kafka := !(w.deaf[pod.Name] || broken && !w.faultsIgnored)
		switch {
		case w.dead[pod.Name] || w.faultsDeadly && broken:
			rw.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path == "/health/live":
			fmt.Fprint(rw, `{"status":"alive"}`)
		case r.URL.Path == "/health/ready":
			if !kafka {
				rw.WriteHeader(http.StatusServiceUnavailable)
			}
			fmt.Fprintf(rw, `{"checks":{"kafka":%t,"database":true,"cache":true}}`, kafka)
		default:
			rw.WriteHeader(http.StatusNotFound)
		}
		return
	}
	rw.WriteHeader(http.StatusBadGateway)
}

func fakePod(app string, i, j int, p stack.Probes) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%d", app, j), Namespace: "data-ingestion", Labels: map[string]string{"app": app},
			Annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics"},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: app, Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "admin", ContainerPort: 8081}},
			LivenessProbe: p.Liveness.DeepCopy(), ReadinessProbe: p.Readiness.DeepCopy(),
		}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.244.%d.%d", i, j)},
	}
}
