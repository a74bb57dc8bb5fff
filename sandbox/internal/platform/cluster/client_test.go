package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"obsandbox/sandbox/internal/platform/cluster"
)

const namespace = "data-ingestion"

var started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func pod(app string, n int, change ...func(*cluster.Pod)) cluster.Pod {
	p := cluster.Pod{
		Namespace: namespace, Name: fmt.Sprintf("%s-%d", app, n), App: app, Image: "sandbox/" + app, IP: fmt.Sprintf("10.244.0.%d", n),
		Node: fmt.Sprintf("worker-%d", n%2), HostIP: "10.0.0.1", Port: 8080, Labels: map[string]string{"app": app},
		Annotations: map[string]string{"prometheus.io/scrape": "true"}, Started: started, Ready: true,
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

func unready(p *cluster.Pod) { p.Ready = false }

// server is a cluster with what its clients asked for.
type server struct {
	*cluster.Server
	url    string
	client kubernetes.Interface
	mu     sync.Mutex
	asked  []string
}

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func serve(t *testing.T, cfg cluster.Config, pods ...cluster.Pod) *server {
	t.Helper()
	s := &server{Server: cluster.New(cfg, slog.New(slog.DiscardHandler))}
	s.SetPods(pods)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.RequestURI())
		s.mu.Unlock()
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	s.url = h.URL
	var err error
	s.client, err = kubernetes.NewForConfig(&rest.Config{Host: h.URL, QPS: -1})
	require.NoError(t, err)
	return s
}

// follow runs a real informer, as Prometheus' discovery does, and returns what it was told.
func follow(t *testing.T, s *server) func() []string {
	t.Helper()
	var mu sync.Mutex
	var told []string
	tell := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprintf(format, args...))
	}
	factory := informers.NewSharedInformerFactoryWithOptions(s.client, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { tell("added %s", o.(*corev1.Pod).Name) },
		UpdateFunc: func(_, o any) {
			tell("modified %s ready=%s", o.(*corev1.Pod).Name, o.(*corev1.Pod).Status.Conditions[1].Status)
		},
		DeleteFunc: func(o any) { tell("deleted %s", o.(*corev1.Pod).Name) },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	factory.StartWithContext(ctx)
	t.Cleanup(func() { cancel(); factory.Shutdown() })
	require.True(t, cache.WaitForCacheSync(ctx.Done(), informer.HasSynced), "the first list never ended")
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}
}

func TestInformer(t *testing.T) {
	t.Parallel()
	s := serve(t, cluster.Config{}, pod("query-api", 1), pod("query-api", 2))
	told := follow(t, s)
	// A first list has no order: client-go keeps it in a map until it is complete.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.ElementsMatch(c, []string{"added query-api-1", "added query-api-2"}, told())
	}, time.Minute, 5*time.Millisecond)
	first := told()
	eventually := func(want ...string) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) { require.Equal(c, want, told()[len(first):]) }, time.Minute, 5*time.Millisecond)
	}
	// One request: the list is streamed, and nothing fell back to a list of the old kind.
	require.Len(t, s.requests(), 1)
	require.Contains(t, s.requests()[0], "sendInitialEvents=true")
	require.Contains(t, s.requests()[0], "watch=true")

	s.SetPods([]cluster.Pod{pod("query-api", 1, unready), pod("query-api", 2), pod("query-api", 3)})
	eventually("modified query-api-1 ready=False", "added query-api-3")
	s.SetPods([]cluster.Pod{pod("query-api", 1, unready), pod("query-api", 2), pod("query-api", 3)})
	s.SetPods([]cluster.Pod{pod("query-api", 1, unready), pod("query-api", 3)})
	eventually("modified query-api-1 ready=False", "added query-api-3", "deleted query-api-2")
	// The same name, another pod.
	s.SetPods([]cluster.Pod{pod("query-api", 1, func(p *cluster.Pod) { p.Started = started.Add(time.Hour) }), pod("query-api", 3)})
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		got := told()
		require.Equal(c, []string{"deleted query-api-1", "added query-api-1"}, got[len(got)-2:])
	}, time.Minute, 5*time.Millisecond)
	require.Len(t, s.requests(), 1, "the one watch is still going")
}

// A client that was away for longer than the server remembers is told so, and begins anew by itself.
func TestInformerAfterHistoryIsForgotten(t *testing.T) {
	t.Parallel()
	s := serve(t, cluster.Config{History: 2}, pod("query-api", 1))
	version := s.pods(t, metav1.ListOptions{}).ResourceVersion
	for i := range 5 {
		s.SetPods([]cluster.Pod{pod("query-api", 2+i)})
	}
	w, err := s.client.CoreV1().Pods(namespace).Watch(t.Context(), metav1.ListOptions{ResourceVersion: version})
	require.NoError(t, err)
	defer w.Stop()
	e := <-w.ResultChan()
	require.Equal(t, watch.Error, e.Type)
	require.True(t, apierrors.IsResourceExpired(apierrors.FromObject(e.Object)), "%v", e.Object)
	require.EqualValues(t, http.StatusGone, e.Object.(*metav1.Status).Code)
	_, open := <-w.ResultChan()
	require.False(t, open)

	told := follow(t, s)
	require.Equal(t, []string{"added query-api-6"}, told())
}

func (s *server) pods(t *testing.T, opts metav1.ListOptions) *corev1.PodList {
	t.Helper()
	list, err := s.client.CoreV1().Pods(namespace).List(t.Context(), opts)
	require.NoError(t, err)
	return list
}

func names(list *corev1.PodList) []string {
	out := []string{}
	for _, p := range list.Items {
		out = append(out, p.Name)
	}
	return out
}

func TestSelectors(t *testing.T) {
	t.Parallel()
	s := serve(t, cluster.Config{}, pod("query-api", 1), pod("query-api", 2, unready), pod("storage-router", 3),
		pod("other", 4, func(p *cluster.Pod) { p.Namespace = "elsewhere" }))
	for name, test := range map[string]struct {
		opts metav1.ListOptions
		want []string
	}{
		"all of the namespace":    {metav1.ListOptions{}, []string{"query-api-1", "query-api-2", "storage-router-3"}},
		"a label":                 {metav1.ListOptions{LabelSelector: "app=query-api"}, []string{"query-api-1", "query-api-2"}},
		"a set of labels":         {metav1.ListOptions{LabelSelector: "app in (storage-router, other)"}, []string{"storage-router-3"}},
		"a label that is missing": {metav1.ListOptions{LabelSelector: "!app"}, []string{}},
		"a node":                  {metav1.ListOptions{FieldSelector: "spec.nodeName=worker-1"}, []string{"query-api-1", "storage-router-3"}},
		"a name and a phase":      {metav1.ListOptions{FieldSelector: "metadata.name!=query-api-1,status.phase=Running"}, []string{"query-api-2", "storage-router-3"}},
		"both":                    {metav1.ListOptions{LabelSelector: "app=query-api", FieldSelector: "status.podIP=10.244.0.2"}, []string{"query-api-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, names(s.pods(t, test.opts)))
		})
	}
	all, err := s.client.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"query-api-1", "query-api-2", "storage-router-3", "other-4"}, names(all), "by namespace, then name")

	for name, opts := range map[string]metav1.ListOptions{
		"an unknown field":    {FieldSelector: "spec.containers=x"},
		"a selector's syntax": {LabelSelector: "app in"},
	} {
		_, err := s.client.CoreV1().Pods(namespace).List(t.Context(), opts)
		require.True(t, apierrors.IsBadRequest(err), "%s: %v", name, err)
	}
}

// A watch with a selector sees pods join and leave what it selects.
func TestWatchWithSelector(t *testing.T) {
	t.Parallel()
	label := func(value string) func(*cluster.Pod) {
		return func(p *cluster.Pod) { p.Labels = map[string]string{"app": "a", "track": value} }
	}
	s := serve(t, cluster.Config{}, pod("a", 1, label("stable")), pod("a", 2, label("canary")))
	list := s.pods(t, metav1.ListOptions{LabelSelector: "track=canary"})
	require.Equal(t, []string{"a-2"}, names(list))
	w, err := s.client.CoreV1().Pods(namespace).Watch(t.Context(), metav1.ListOptions{LabelSelector: "track=canary", ResourceVersion: list.ResourceVersion})
	require.NoError(t, err)
	defer w.Stop()
	s.SetPods([]cluster.Pod{pod("a", 1, label("canary")), pod("a", 2, label("stable"))})
	s.SetPods([]cluster.Pod{pod("a", 1, label("canary"), unready), pod("a", 2, label("stable"), unready)})
	s.SetPods(nil)
	last := list.ResourceVersion
	for _, want := range []string{"ADDED a-1", "DELETED a-2", "MODIFIED a-1", "DELETED a-1"} {
		e := <-w.ResultChan()
		p := e.Object.(*corev1.Pod)
		require.Equal(t, want, string(e.Type)+" "+p.Name)
		require.Greater(t, p.ResourceVersion, last, "versions rise")
		last = p.ResourceVersion
	}
}

func TestBookmarks(t *testing.T) {
	t.Parallel()
	s := serve(t, cluster.Config{BookmarkEvery: 20 * time.Millisecond}, pod("a", 1))
	yes := true
	w, err := s.client.CoreV1().Pods(namespace).Watch(t.Context(), metav1.ListOptions{
		SendInitialEvents: &yes, AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	require.NoError(t, err)
	defer w.Stop()
	require.Equal(t, watch.Added, (<-w.ResultChan()).Type)
	end := <-w.ResultChan()
	require.Equal(t, watch.Bookmark, end.Type)
	require.Equal(t, map[string]string{"k8s.io/initial-events-end": "true"}, end.Object.(*corev1.Pod).Annotations)
	later := <-w.ResultChan()
	require.Equal(t, watch.Bookmark, later.Type)
	require.Empty(t, later.Object.(*corev1.Pod).Annotations, "only one bookmark ends the list")
	require.Equal(t, s.pods(t, metav1.ListOptions{}).ResourceVersion, later.Object.(*corev1.Pod).ResourceVersion)

	// Who asks for no bookmarks gets none, and a watch ends when its time is over.
	second := int64(1)
	plain, err := s.client.CoreV1().Pods(namespace).Watch(t.Context(), metav1.ListOptions{TimeoutSeconds: &second})
	require.NoError(t, err)
	defer plain.Stop()
	var kinds []watch.EventType
	for e := range plain.ResultChan() {
		kinds = append(kinds, e.Type)
	}
	require.Equal(t, []watch.EventType{watch.Added}, kinds)
}

func TestChunks(t *testing.T) {
	t.Parallel()
	s := serve(t, cluster.Config{}, pod("a", 1), pod("a", 2), pod("a", 3))
	first := s.pods(t, metav1.ListOptions{Limit: 2})
	require.Equal(t, []string{"a-1", "a-2"}, names(first))
	require.EqualValues(t, 1, *first.RemainingItemCount)
	second := s.pods(t, metav1.ListOptions{Limit: 2, Continue: first.Continue})
	require.Equal(t, []string{"a-3"}, names(second))
	require.Empty(t, second.Continue)

	s.SetPods([]cluster.Pod{pod("a", 1)})
	_, err := s.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{Limit: 2, Continue: first.Continue})
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)
	_, err = s.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{Limit: 2, Continue: "x"})
	require.True(t, apierrors.IsBadRequest(err), "%v", err)
}

func TestGet(t *testing.T) {
	t.Parallel()
	probe := &corev1.Probe{PeriodSeconds: 5}
	s := serve(t, cluster.Config{}, pod("a", 1, unready, func(p *cluster.Pod) { p.Readiness = probe }))
	got, err := s.client.CoreV1().Pods(namespace).Get(t.Context(), "a-1", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "10.244.0.1", got.Status.PodIP)
	require.Equal(t, probe, got.Spec.Containers[0].ReadinessProbe)
	require.Equal(t, corev1.ContainerPort{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}, got.Spec.Containers[0].Ports[0])
	require.False(t, got.Status.ContainerStatuses[0].Ready)
	require.Len(t, got.UID, 36)
	_, err = s.client.CoreV1().Pods(namespace).Get(t.Context(), "none", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// A finished pod is a job's: not ready, though nothing is wrong with it.
func TestFinished(t *testing.T) {
	t.Parallel()
	s := serve(t, cluster.Config{}, pod("a", 1), pod("a", 2, func(p *cluster.Pod) { p.Finished, p.AdminPort = started.Add(time.Minute), 8081 }))
	require.Equal(t, []string{"a-2"}, names(s.pods(t, metav1.ListOptions{FieldSelector: "status.phase=Succeeded"})))
	got, err := s.client.CoreV1().Pods(namespace).Get(t.Context(), "a-2", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "Job", got.OwnerReferences[0].Kind)
	require.Equal(t, corev1.RestartPolicyNever, got.Spec.RestartPolicy)
	require.Equal(t, corev1.ContainerPort{Name: "admin", ContainerPort: 8081, Protocol: corev1.ProtocolTCP}, got.Spec.Containers[0].Ports[1])
	require.Equal(t, corev1.ConditionFalse, got.Status.Conditions[1].Status)
	require.Equal(t, "PodCompleted", got.Status.Conditions[1].Reason)
	status := got.Status.ContainerStatuses[0]
	require.False(t, status.Ready)
	require.Equal(t, time.Minute, status.State.Terminated.FinishedAt.Sub(status.State.Terminated.StartedAt.Time))
	require.Nil(t, status.State.Running)
}

// A condition keeps the time of its last change; the pod's Ready condition changes when Ready does.
func TestTransitions(t *testing.T) {
	t.Parallel()
	now := started
	s := serve(t, cluster.Config{Now: func() time.Time { return now }}, pod("a", 1))
	times := func() map[corev1.PodConditionType]time.Time {
		out := map[corev1.PodConditionType]time.Time{}
		for _, c := range s.pods(t, metav1.ListOptions{}).Items[0].Status.Conditions {
			out[c.Type] = c.LastTransitionTime.UTC()
		}
		return out
	}
	require.Equal(t, started, times()[corev1.PodReady])
	now = started.Add(time.Hour)
	s.SetPods([]cluster.Pod{pod("a", 1, unready)})
	require.Equal(t, now, times()[corev1.PodReady])
	require.Equal(t, now, times()[corev1.ContainersReady])
	require.Equal(t, started, times()[corev1.PodScheduled])
	s.SetPods([]cluster.Pod{pod("a", 1, unready, func(p *cluster.Pod) { p.Node = "other" })})
	require.Equal(t, now, times()[corev1.PodReady])
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := serve(t, cluster.Config{}, pod("a", 1))
	path := "/api/v1/namespaces/" + namespace + "/pods"
	for name, test := range map[string]struct {
		method, path, accept string
		code                 int
		want                 string
	}{
		"another resource":        {path: "/api/v1/services", code: 404, want: "this API server serves pods only"},
		"another method":          {method: http.MethodDelete, path: path + "/a-1", code: 405, want: "MethodNotAllowed"},
		"another form":            {path: path, accept: "application/vnd.kubernetes.protobuf", code: 406, want: "NotAcceptable"},
		"an unknown parameter":    {path: path + "?shard=1", code: 400, want: `query parameter \"shard\" is not supported`},
		"a version that is none":  {path: path + "?resourceVersion=x", code: 400, want: "invalid resource version"},
		"a version to come":       {path: path + "?resourceVersion=99999999999999999", code: 504, want: "Too large resource version"},
		"a stream without a rule": {path: path + "?watch=1&sendInitialEvents=true", code: 422, want: "resourceVersionMatch"},
		"chunks of a watch":       {path: path + "?watch=1&limit=5", code: 400, want: "limit and continue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.method == "" {
				test.method = http.MethodGet
			}
			req := httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil)
			req.Header.Set("Accept", test.accept)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, req)
			require.Equal(t, test.code, w.Code, w.Body.String())
			require.Contains(t, w.Body.String(), `"kind":"Status"`)
			require.Contains(t, w.Body.String(), test.want)
		})
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	s := serve(t, cluster.Config{})
	v, err := s.client.Discovery().ServerVersion()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(v.GitVersion, "v1."), v.GitVersion)
	resources, err := s.client.Discovery().ServerResourcesForGroupVersion("v1")
	require.NoError(t, err)
	require.Len(t, resources.APIResources, 1)
	require.Equal(t, "pods", resources.APIResources[0].Name)
	for _, path := range []string{"/healthz", "/readyz", "/livez"} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		require.Equal(t, "ok", w.Body.String())
	}
}
