package routes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// What amtool takes and Alertmanager stumbles over when it is to tell somebody.
func TestCheckTemplates(t *testing.T) {
	t.Parallel()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	config, texts := filepath.Join(dir, "alertmanager", "alertmanager.yml"), filepath.Join(dir, "alertmanager", "templates", "notifications.tmpl")
	require.NoError(t, CheckTemplates(config, []string{texts}))
	for _, c := range []struct{ file, old, with, want string }{
		{config, `template "slack.title"`, `template "slack.titel"`, `alertmanager.yml:31: <{{template "slack.titel" .}}>: template "slack.titel" not defined`},
		{config, `{{ template "slack.color" . }}`, `{{ template "slack.color" . }`, "alertmanager.yml:30: "},
		{config, ".GroupLabels.layer", ".GrpLabels.layer", "alertmanager.yml:43: "},
		{texts, "{{ define", "{{ defne", `notifications.tmpl:3: function "defne" not defined`},
		{texts, ".CommonLabels.severity", ".CommonLabel.severity", "notifications.tmpl:8: "},
		{texts, `template "line" $alert`, `template "lin" $alert`, "notifications.tmpl:27: "},
	} {
		here := map[string]string{}
		for _, file := range []string{config, texts} {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			text := string(data)
			if file == c.file {
				require.Contains(t, text, c.old)
				text = strings.Replace(text, c.old, c.with, 1)
			}
			here[file] = filepath.Join(t.TempDir(), filepath.Base(file))
			require.NoError(t, os.WriteFile(here[file], []byte(text), 0o644))
		}
		assert.ErrorContains(t, CheckTemplates(here[config], []string{here[texts]}), c.want, c.with)
	}
}
