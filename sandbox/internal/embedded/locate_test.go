package embedded

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

func TestLineInRule(t *testing.T) {
	t.Parallel()
	rule := []byte("groups:\n  - alert: A\n    annotations:\n      summary: x\n      description: y {{\n  - alert: B\n    annotations:\n      description: z\n")
	assert.Equal(t, 5, lineInRule(rule, 2, `group "g", rule 1, "A": annotation "description": template: unclosed action`))
	assert.Equal(t, 8, lineInRule(rule, 6, `annotation "description": x`))
	assert.Equal(t, 2, lineInRule(rule, 2, `could not parse expression`))
	assert.Equal(t, 6, lineInRule(rule, 6, `label "severity": x`))
}

func TestOriginalLine(t *testing.T) {
	t.Parallel()
	original := "a\nb\nc\nd\ne\n"
	for running, want := range map[string][]int{
		"a\nb\nc\nd\ne\n":           {1, 2, 3, 4, 5},
		"a\nB\nc\nd\ne\n":           {1, 2, 3, 4, 5},
		"a\nb\nnew\nnew\nc\nd\ne\n": {1, 2, 2, 2, 3, 4, 5},
		"new\na\nb\nc\nd\ne\n":      {1, 1, 2, 3, 4, 5},
		"a\nd\ne\n":                 {1, 4, 5},
		"a\nX\nd\ne\n":              {1, 2, 4, 5},
	} {
		var got []int
		for i := range want {
			got = append(got, originalLine([]byte(original), []byte(running), i+1))
		}
		assert.Equal(t, want, got, "%q", running)
	}
}

// What the checkers print, word for word, and what is made of it.
func TestExplain(t *testing.T) {
	t.Parallel()
	original := "global:\n  scrape_interval: 15s\nscrape_configs:\n  - job_nme: kafka\n  - job_name: redis\n    x: y\n"
	running := strings.Replace(original, "  - job_name: redis\n", "  - job_name: redis\n    proxy_url: http://127.0.0.1:1\n", 1)
	rules := strings.Repeat("# a rule\n", 9)
	files := []stack.Rendered{
		{Name: "prometheus/prometheus.yml", Path: "/run/config/prometheus/prometheus.yml", Original: []byte(original), Running: []byte(running)},
		{Name: "prometheus/alerts/a.yml", Path: "/repo/stack/prometheus/alerts/a.yml", Original: []byte(rules), Running: []byte(rules)},
		{Name: "config/kubeconfig", Path: "/run/config/kubeconfig", Running: []byte("kind: Config\n")},
	}
	st := &starter{stack: &stack.Stack{Dir: "/repo/stack"}}
	for name, c := range map[string]struct {
		program, output string
		want            []string
	}{
		"unknown keys": {"prometheus", "Checking /run/config/prometheus/prometheus.yml\n\n  FAILED: parsing YAML file /run/config/prometheus/prometheus.yml: yaml: unmarshal errors:\n  line 4: field job_nme not found in type config.ScrapeConfig\n  line 7: field x not found in type config.ScrapeConfig\n",
			[]string{"/repo/stack/prometheus/prometheus.yml:4: unknown key \"job_nme\"", "/repo/stack/prometheus/prometheus.yml:6: unknown key \"x\""}},
		"no line": {"prometheus", "  FAILED: parsing YAML file /run/config/prometheus/prometheus.yml: found multiple scrape configs with job name \"redis\"\n",
			[]string{"/repo/stack/prometheus/prometheus.yml:5: found multiple scrape configs with job name \"redis\""}},
		"a rule": {"prometheus", "Checking /run/config/prometheus/prometheus.yml\n  SUCCESS: 3 rule files found\n SUCCESS: /run/config/prometheus/prometheus.yml is valid prometheus config file syntax\n\nChecking /repo/stack/prometheus/alerts/a.yml\n  FAILED:\n/repo/stack/prometheus/alerts/a.yml: 6:15: group \"g\", rule 1, \"A\": could not parse expression: 1:5: parse error: unclosed left parenthesis\n",
			[]string{"/repo/stack/prometheus/alerts/a.yml:6: group \"g\", rule 1, \"A\": could not parse expression: 1:5: parse error: unclosed left parenthesis"}},
		"what only embedded mode has": {"prometheus", "  FAILED: error checking kubeconfig file \"/run/config/kubeconfig\"\n",
			[]string{"/run/config/kubeconfig: error checking kubeconfig file \"/run/config/kubeconfig\""}},
		"jaeger": {"jaeger", "2026/11/25 03:20:31 application version: git-commit=\nError: failed to get config: cannot unmarshal the configuration: decoding failed due to the following error(s):\n\n'processors' error reading configuration for \"batch\": decoding failed due to the following error(s):\n\n'' has invalid keys: job_nme\n2026/11/25 03:20:31 failed to get config: cannot unmarshal\n",
			[]string{"/repo/stack/prometheus/prometheus.yml:4: 'processors' error reading configuration for \"batch\":: has invalid keys: job_nme"}},
		"rules that promtool finds odd besides": {"prometheus", "Checking /repo/stack/prometheus/alerts/a.yml\n  FAILED:\n/repo/stack/prometheus/alerts/a.yml: 6:15: no\n\nChecking /repo/stack/prometheus/alerts/b.yml\n  FAILED:\nlint error 6 duplicate rule(s) found.\nMetric: m\nLabel(s):\nMight cause inconsistency while recording expressions\n",
			[]string{"/repo/stack/prometheus/alerts/a.yml:6: no"}},
		"the checker by the name of its file": {"alertmanager", "Checking '/run/config/prometheus/prometheus.yml'  FAILED: no such thing\n\namtool-v0.31.1-e70d3c02ed93: error: failed to validate 1 file(s)\n",
			[]string{"/repo/stack/prometheus/prometheus.yml: no such thing"}},
		"nothing understood": {"alertmanager", "amtool: error: failed to validate 1 file(s)\n",
			[]string{"/repo/stack/prometheus/prometheus.yml: amtool: error: failed to validate 1 file(s)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := st.explain(stack.Component{Program: c.program}, files, c.output)
			assert.Equal(t, c.want, strings.Split(err.Error(), "\n"))
		})
	}
}

// What Jaeger says at its end where a storage has another name than it is asked for, and where a port is taken.
func TestExplainStart(t *testing.T) {
	t.Parallel()
	config := []byte("extensions:\n  jaeger_query:\n    storage:\n      traces: span\n  jaeger_storage:\n    backends:\n      spans: {}\n")
	st := &starter{stack: &stack.Stack{Dir: "/repo/stack"}, files: map[string][]stack.Rendered{
		"jaeger": {{Name: "jaeger/config.yaml", Path: "/run/config/jaeger/config.yaml", Original: config, Running: config}},
	}}
	c := stack.Component{Name: "jaeger", Program: "jaeger"}
	assert.EqualError(t, st.explainStart(c, []string{
		"2026-11-26T10:08:39.285Z	info	Starting shutdown...",
		"Error: failed to start extensions: cannot find factory for trace storage span: cannot find definition of storage 'span' in the configuration for extension 'jaeger_storage'",
		"2026/11/26 10:08:39 failed to start extensions",
	}), "/repo/stack/jaeger/config.yaml:4: failed to start extensions: cannot find factory for trace storage span: "+
		"cannot find definition of storage 'span' in the configuration for extension 'jaeger_storage'")
	assert.NoError(t, st.explainStart(c, []string{"Error: cannot start pipelines: listen tcp 127.0.0.1:4318: bind: address already in use"}))
	assert.NoError(t, st.explainStart(stack.Component{Name: "kafka"}, []string{"Error: 'span'"}))
}

func TestSetup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "template.json"), []byte("{\n\"mappings\": {\n\"ts\": {\"type\": \"dat\"}}}\n"), 0o644))
	var got []string
	refuse := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body any
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type"))
		if refuse {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":{"type":"x","reason":"template [t] invalid","caused_by":{"type":"y","reason":"No handler for type [dat] declared on field [ts]"}},"status":400}`))
		}
	}))
	defer server.Close()
	c := stack.Component{Name: "store", Ready: stack.Ready{Port: "http"}, Setup: []stack.Setup{{Put: "/_t/a", File: "template.json"}, {Put: "/_t/b", File: "template.json"}}}
	a := stack.Addresses{Components: map[string]map[string]string{"store": {"http": strings.TrimPrefix(server.URL, "http://")}}}
	setup := setupOf(newClient(), &stack.Stack{Dir: dir}, c, a)
	require.NoError(t, setup(t.Context()))
	assert.Equal(t, []string{"PUT /_t/a application/json", "PUT /_t/b application/json"}, got)
	refuse = true
	assert.EqualError(t, setup(t.Context()), filepath.Join(dir, "template.json")+
		":3: store refuses it (PUT /_t/a): template [t] invalid: No handler for type [dat] declared on field [ts]")
	server.Close()
	assert.ErrorContains(t, setup(t.Context()), "set up store with "+filepath.Join(dir, "template.json"))
	assert.Nil(t, setupOf(newClient(), &stack.Stack{Dir: dir}, stack.Component{}, a))
}
