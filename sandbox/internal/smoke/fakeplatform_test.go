package smoke

import (
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fakePlatform is the cluster with its pods.
type fakePlatform struct {
	pods []corev1.Pod
}

func (w *world) startPlatform() {
	for i, app := range []string{"shipping-collector", "inventory-collector", "supplier-collector", "storage-router", "query-api"} {
		for j := range 2 {
			w.pods = append(w.pods, fakePod(app, i, j))
		}
	}
	w.serve("platform", "kubernetes", map[string]handler{
		"GET /api/v1/namespaces/data-ingestion/pods": func(*http.Request) (any, error) {
			return corev1.PodList{Items: w.pods}, nil
		},
	})
	w.serve("platform", "api", map[string]handler{
		"GET /api/notifications": func(*http.Request) (any, error) {
			if w.recorded == nil {
				return []any{}, nil
			}
			return w.recorded, nil
		},
	})
}

func fakePod(app string, i, j int) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%d", app, j), Namespace: "data-ingestion", Labels: map[string]string{"app": app},
			Annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics"},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.244.%d.%d", i, j)},
	}
}
