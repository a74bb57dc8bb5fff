package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const goodRunbook = "# Runbook\n\n## Issue\n\n- text\n\n### Down\n\nIt is down.\n\n```promql\nup\n```\n\nStart it.\n"

func TestCheckRunbook(t *testing.T) {
	t.Parallel()
	const rules = "groups:\n  - name: g\n    rules:\n      - alert: Down\n        expr: up == 0\n        annotations:\n          runbook_url: https://runbooks.example.com/x#down\n"
	for name, c := range map[string]struct{ rules, runbook, want string }{
		"good":                  {rules, goodRunbook, ""},
		"no link":               {"groups:\n  - name: g\n    rules:\n      - alert: Down\n        expr: up == 0\n", goodRunbook, "rules.yml:4: alert Down: no runbook_url among its annotations"},
		"another page":          {"groups:\n  - name: g\n    rules:\n      - alert: Down\n        expr: up == 0\n        annotations:\n          runbook_url: https://elsewhere#down\n", goodRunbook, "rules.yml:7: alert Down: runbook_url must start with https://runbooks.example.com/x# (runbook.url in stack.yaml)"},
		"no heading":            {rules, "# Runbook\n\n### Up\n", "rules.yml:7: alert Down: runbook_url leads to #down, and runbook.md has no such heading"},
		"a heading of no alert": {rules, goodRunbook + "\n### Lost\n\nText.\n", "runbook.md:17: Lost: no alert's runbook_url leads to this heading: take it out, or give the alert its name"},
		"no meaning":            {rules, "### Down\n\n```promql\nup\n```\n\nStart it.\n", "runbook.md:1: Down: say what the alert means before how to look"},
		"no query":              {rules, "### Down\n\nIt is down. Start it.\n", "runbook.md:1: Down: say how to look, with queries in blocks of ```promql"},
		"nothing to do":         {rules, "### Down\n\nIt is down.\n\n```promql\nup\n```\n", "runbook.md:1: Down: say what to do, after how to look"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := &Stack{
				Dir: dir, Runbook: Runbook{URL: "https://runbooks.example.com/x", File: "runbook.md"},
				Components: []Component{{Name: "prometheus", Config: []string{"prometheus.yml"}}},
			}
			for file, text := range map[string]string{"rules.yml": c.rules, "runbook.md": c.runbook, "prometheus.yml": "rule_files: [rules.yml]\n"} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			err := s.CheckRunbook()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestOwnRunbook(t *testing.T) {
	t.Parallel()
	dir, err := Find(".")
	require.NoError(t, err)
	s, err := Load(dir)
	require.NoError(t, err)
	require.NoError(t, s.CheckRunbook())
	sections, err := Sections(s.Path(s.Runbook.File))
	require.NoError(t, err)
	var titles []string
	for _, section := range sections {
		if section.Level == 2 {
			titles = append(titles, section.Title)
		}
	}
	// The source document's four entries.
	require.Subset(t, titles, []string{"High Error Rate in Collector", "Processing Pipeline Slow", "Storage Write Failures", "Query API Slow Response"})
}
