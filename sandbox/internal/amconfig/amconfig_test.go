package amconfig_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/amconfig"
)

func TestLoadAsTheProgram(t *testing.T) {
	t.Parallel()
	file := write(t, `
route:
  receiver: a
  group_by: [größe]
  routes:
    - matchers: ['"service.name"="x"', '{team=~"a|b", severity!=warning}']
inhibit_rules:
  - {source_matchers: ['"node.name"=a'], target_matchers: [x=y], equal: [größe]}
receivers: [{name: a}]
`)
	conf, err := amconfig.Load(file)
	require.NoError(t, err)
	var matchers []string
	for _, m := range conf.Route.Routes[0].Matchers {
		matchers = append(matchers, m.Name+m.Type.String()+m.Value)
	}
	assert.ElementsMatch(t, []string{"service.name=x", "team=~a|b", "severity!=warning"}, matchers)
	ms, err := amconfig.Matchers(`{"a b"="c", d!~e}`)
	require.NoError(t, err)
	assert.Len(t, ms, 2)
}

func TestLoadSaysWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"route: {receiver: a}\nreceivers:\n  - nam: a\n    slack: 1\n": {`:3: unknown key "nam"`, `:4: unknown key "slack"`},
		"route:\n  receiver: pager\nreceivers: [{name: a}]\n":          {`:2: undefined receiver "pager" used in route`},
		"route: [\n": {`:1: did not find expected`},
		"route:\n  receiver: a\n  group_wait: soon\nreceivers: [{name: a}]\n":                             {`:3: not a valid duration string: "soon"`},
		"route:\n  receiver: a\n  routes:\n    - mute_time_intervals: [nights]\nreceivers: [{name: a}]\n": {`:4: undefined time interval "nights" used in route`},
	} {
		file := write(t, text)
		_, err := amconfig.Load(file)
		require.Error(t, err, text)
		for _, w := range want {
			assert.Contains(t, err.Error(), file+w)
		}
	}
	_, err := amconfig.Load("nowhere.yml")
	require.EqualError(t, err, "read nowhere.yml: no such file or directory")
}

func write(t *testing.T, text string) string {
	file := filepath.Join(t.TempDir(), "alertmanager.yml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
