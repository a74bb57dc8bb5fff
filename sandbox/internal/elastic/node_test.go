package elastic

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNodeConfiguration(t *testing.T) {
	t.Parallel()
	env := map[string]string{"NAME": "n1", "EMPTY": ""}
	read := func(text string) (node, error) {
		file := filepath.Join(t.TempDir(), "elasticsearch.yml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return readNode(file, func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	}
	n, err := read("cluster.name: c\nnode:\n  name: ${NAME}\ndiscovery.type: ${TYPE:single-node}\ndiscovery.seed_hosts: [a, b]\ncluster.initial_master_nodes: ${EMPTY:x}\n")
	require.NoError(t, err)
	require.Equal(t, "c", n.cluster)
	require.Equal(t, "n1", n.name)
	require.Equal(t, "single-node", n.settings["discovery.type"])
	for _, c := range []struct{ text, want string }{
		{"cluster.name: c\n# comment\nxpack.ilm.enabled: true\n", "elasticsearch.yml:3: unknown setting [xpack.ilm.enabled] please check that any required plugins are installed, or check the breaking changes documentation for removed settings"},
		{"node.name: ${MISSING}\n", "elasticsearch.yml:1: could not resolve placeholder 'MISSING'"},
		{"discovery.type: single-node\ncluster.initial_master_nodes: [a]\n", "elasticsearch.yml:2: setting [cluster.initial_master_nodes] is not allowed when [discovery.type] is set to [single-node]"},
		{"node.name: n\ndiscovery.type: many-nodes\n", "elasticsearch.yml:2: Unknown discovery type [many-nodes]"},
		{"index.number_of_shards: 3\n", "elasticsearch.yml:1: node setting [index.number_of_shards]: index level settings can not be set"},
		{"a: b: c\n", "elasticsearch.yml:1: "},
		{"cluster.name: a\ncluster:\n  name: b\n", "elasticsearch.yml:3: setting [cluster.name] is set twice"},
	} {
		_, err := read(c.text)
		require.ErrorContains(t, err, c.want)
	}
}
