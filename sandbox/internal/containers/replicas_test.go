package containers

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// A template has the settings of what it is composed of, except those that it has itself.
func TestReplicasOfParts(t *testing.T) {
	t.Parallel()
	const fixed, expands = `{"template": {"settings": {"number_of_replicas": 4}}}`, `{"template": {"settings": {"index.auto_expand_replicas": "0-all"}}}`
	for name, test := range map[string]struct{ part, own, want string }{
		"too many in a part":      {fixed, `"codec": "default"`, "part.json:1: number_of_replicas is 4, and production has 3 nodes"},
		"fewer in the template":   {fixed, `"number_of_replicas": 1`, ""},
		"more in the template":    {`{}`, `"number_of_replicas": 4`, "index-template.json:13: number_of_replicas is 4"},
		"a part that expands":     {expands, `"number_of_replicas": 4`, ""},
		"expansion that is ended": {expands, `"auto_expand_replicas": "false", "number_of_replicas": 4`, "index-template.json:13: number_of_replicas is 4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/stack"
			require.NoError(t, os.CopyFS(dir, os.DirFS(stackDir)))
			require.NoError(t, os.WriteFile(dir+"/elasticsearch/part.json", []byte(test.part), 0o644))
			for _, e := range [][3]string{
				{"elasticsearch/index-template.json", `"auto_expand_replicas": "0-1"`, test.own},
				{"elasticsearch/index-template.json", `  "priority": 500,`, `  "priority": 500,` + "\n" + `  "composed_of": ["part"],`},
				{stack.FileName, "      - elasticsearch/index-template.json\n", "      - elasticsearch/index-template.json\n      - elasticsearch/part.json\n"},
				{stack.FileName, "      - {put: /_index_template/", "      - {put: /_component_template/part, file: elasticsearch/part.json}\n      - {put: /_index_template/"},
			} {
				data, err := os.ReadFile(dir + "/" + e[0])
				require.NoError(t, err)
				require.Contains(t, string(data), e[1])
				require.NoError(t, os.WriteFile(dir+"/"+e[0], []byte(strings.Replace(string(data), e[1], e[2], 1)), 0o644))
			}
			s, err := stack.Load(dir)
			require.NoError(t, err)
			err = Judge(s)
			if test.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.want)
		})
	}
}
