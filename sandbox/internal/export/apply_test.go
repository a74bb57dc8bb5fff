package export_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// emptyCluster answers what `kubectl apply --dry-run=client` asks a cluster: which kinds there are (Kubernetes' own and
// the operator's, by their Go types), and whether an object is there already; none is.
func emptyCluster(t *testing.T) string {
	t.Helper()
	known := runtime.NewScheme()
	require.NoError(t, scheme.AddToScheme(known))
	require.NoError(t, monitoringv1.AddToScheme(known))
	require.NoError(t, v1alpha1.AddToScheme(known))
	cluster := map[string]bool{"Namespace": true, "Node": true, "ClusterRole": true, "ClusterRoleBinding": true, "PersistentVolume": true}
	lists := map[schema.GroupVersion]*metav1.APIResourceList{}
	groups := map[string]*metav1.APIGroup{}
	for gvk := range known.AllKnownTypes() {
		gv := gvk.GroupVersion()
		if gv.Version == runtime.APIVersionInternal || strings.HasSuffix(gvk.Kind, "List") || strings.HasSuffix(gvk.Kind, "Options") || gvk.Kind == "WatchEvent" {
			continue
		}
		if lists[gv] == nil {
			lists[gv] = &metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String()}
			if groups[gv.Group] == nil {
				groups[gv.Group] = &metav1.APIGroup{Name: gv.Group}
			}
			g, v := groups[gv.Group], metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: gv.Version}
			g.Versions, g.PreferredVersion = append(g.Versions, v), v
		}
		plural, singular := meta.UnsafeGuessKindToResource(gvk)
		lists[gv].APIResources = append(lists[gv].APIResources, metav1.APIResource{
			Name: plural.Resource, SingularName: singular.Resource, Kind: gvk.Kind, Namespaced: !cluster[gvk.Kind], Verbs: metav1.Verbs{"get", "create", "patch"},
		})
	}
	answer := func(w http.ResponseWriter, code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.Trim(r.URL.Path, "/")
		if gv, ok := strings.CutPrefix(path, "apis/"); ok {
			path = gv
		}
		switch list, ok := lists[parsed(path)]; {
		case path == "api":
			answer(w, http.StatusOK, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
		case path == "apis":
			all := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
			for name, g := range groups {
				if name != "" {
					all.Groups = append(all.Groups, *g)
				}
			}
			answer(w, http.StatusOK, all)
		case ok:
			answer(w, http.StatusOK, list)
		default:
			answer(w, http.StatusNotFound, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound})
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func parsed(path string) schema.GroupVersion {
	gv, err := schema.ParseGroupVersion(strings.TrimPrefix(path, "api/"))
	if err != nil {
		return schema.GroupVersion{Group: "none"}
	}
	return gv
}

// TestKubectlAppliesIt needs kubectl, but no cluster: it takes every object for a cluster that knows Kubernetes' kinds
// and the operator's, and refuses one of another kind.
func TestKubectlAppliesIt(t *testing.T) {
	t.Parallel()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("no kubectl on PATH: `kubectl apply --dry-run=client` is NOT tried here")
	}
	dir := t.TempDir()
	require.NoError(t, exported(t, checkedIn(t)).Write(dir))
	apply := func(sub string) (string, error) {
		cmd := exec.CommandContext(t.Context(), kubectl, "apply", "--dry-run=client", "--validate=false", "-k", filepath.Join(dir, sub), "--server", emptyCluster(t))
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "KUBECONFIG=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for sub, want := range map[string]string{
		"operator": "prometheusrule.monitoring.coreos.com/alerts-collection-layer created (dry run)",
		"plain":    "configmap/prometheus-config created (dry run)",
		"common":   "configmap/grafana-dashboard-overview created (dry run)",
	} {
		out, err := apply(sub)
		require.NoError(t, err, out)
		require.Contains(t, out, want)
		require.NotContains(t, strings.ToLower(out), "warning")
	}
	file := filepath.Join(dir, "plain", "configmap-prometheus-config.yaml")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), "kind: ConfigMap", "kind: ConfigMop", 1)), 0o600))
	out, err := apply("plain")
	require.Error(t, err, out)
	require.Contains(t, out, `no matches for kind "ConfigMop"`)
}
