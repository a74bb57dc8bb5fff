package export_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/export"
	"obsandbox/sandbox/internal/stack"
)

func TestTooLargeForAConfigMap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "stack"))))
	board := filepath.Join(dir, "grafana", "dashboards", "overview.json")
	require.NoError(t, os.WriteFile(board, []byte(`{"title":"`+strings.Repeat("x", 1<<20)+`"}`), 0o600))
	s, err := stack.Load(dir)
	require.NoError(t, err)
	_, err = export.Kubernetes(s, export.Options{})
	require.ErrorContains(t, err, board+": the ConfigMap grafana-dashboard-overview would be larger")
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "out")
	files := exported(t, example(t))
	require.NoError(t, files.Write(dir))
	gone := filepath.Join(dir, "probes", "former-service.yaml")
	require.NoError(t, os.WriteFile(gone, files["probes/query-api.yaml"], 0o600))
	require.NoError(t, files.Write(dir))
	require.NoFileExists(t, gone, "what an earlier export left is taken away")

	mine := filepath.Join(dir, "mine.yaml")
	require.NoError(t, os.WriteFile(mine, []byte("a: b\n"), 0o600))
	require.ErrorContains(t, files.Write(dir), mine+" is not of an export")
	require.FileExists(t, mine)
}

// TestNamespace: the monitoring programs' namespace is everywhere but where the pods are.
func TestNamespace(t *testing.T) {
	t.Parallel()
	files, err := export.Kubernetes(example(t), export.Options{Namespace: "watch"})
	require.NoError(t, err)
	var namespaces []string
	for name, data := range files {
		require.NotContains(t, string(data), "namespace: monitoring", name)
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "namespace: "); ok && !slices.Contains(namespaces, rest) {
				namespaces = append(namespaces, rest)
			}
		}
	}
	require.ElementsMatch(t, []string{"watch", "data-ingestion"}, namespaces)

	same, err := export.Kubernetes(example(t), export.Options{Namespace: "data-ingestion"})
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(same["operator/kustomization.yaml"]), "- role-data-ingestion.yaml\n"))
	require.Contains(t, string(same["operator/role-data-ingestion.yaml"]), "endpointslices")
}
