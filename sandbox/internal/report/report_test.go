package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/golden"
)

func sample() *Report {
	r := &Report{}
	r.Add(
		Result{Suite: "smoke", Name: "scrape job kafka has its 3 targets up", Status: Pass, Duration: 12 * time.Millisecond},
		Result{Suite: "smoke", Name: "a log line reaches its index", Status: Fail, Duration: 61200 * time.Millisecond,
			Detail: "expected: one document <with> event_id & \"quotes\"\nseen: 0 documents\n\nlook at: 50 % of the pipeline's log\r",
			File:   "stack/logstash/pipeline/a:b,c.conf", Line: 42},
		Result{Suite: "rules", Name: "every alert has a runbook", Status: Fail, Detail: "no link", File: "stack/prometheus/alerts/storage-layer.yml"},
		Result{Suite: "smoke", Name: "Grafana answers", Status: Skip, Detail: "grafana does not run\nin this stack"},
		Result{Suite: "rules", Name: "promtool accepts the rules", Status: Fail},
		Result{Suite: "rules", Name: "figures", Status: Pass, Detail: "31 rules", Duration: 1500 * time.Millisecond},
	)
	return r
}

func TestWriters(t *testing.T) {
	t.Parallel()
	reports := map[string]*Report{
		"mixed": sample(),
		"empty": {},
		"green": {Results: sample().Results[:1]},
	}
	writers := map[string]func(r *Report, w io.Writer) error{
		"txt":        func(r *Report, w io.Writer) error { return r.Human(w, false) },
		"colour.txt": func(r *Report, w io.Writer) error { return r.Human(w, true) },
		"json":       (*Report).JSON,
		"xml":        (*Report).JUnit,
		"github":     (*Report).GitHub,
	}
	for name, r := range reports {
		for ext, write := range writers {
			t.Run(name+"."+ext, func(t *testing.T) {
				t.Parallel()
				var b bytes.Buffer
				require.NoError(t, write(r, &b))
				golden.Check(t, name+"."+ext, b.Bytes())
				if ext == "xml" {
					require.NoError(t, xml.Unmarshal(b.Bytes(), new(junitSuites)))
				}
			})
			t.Run(name+"."+ext+" reports a full disk", func(t *testing.T) {
				t.Parallel()
				require.ErrorContains(t, write(r, brokenWriter{}), "no space left")
			})
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestJSONDecodesBack(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, sample().JSON(&b))
	var back Report
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	require.Equal(t, sample(), &back)
}

// People are shown the line, and a mark where the column is known.
func TestFailuresShowTheirLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "groups:\n\t- expr: sum(x) / su(y)\n" + strings.Repeat("long ", 50) + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(text), 0o600))
	r := &Report{Root: dir}
	for _, at := range []struct{ line, column int }{{2, 19}, {1, 0}, {3, 2}, {9, 1}, {0, 0}} {
		r.Add(Result{Suite: "s", Name: "n", Status: Fail, File: "rules.yml", Line: at.line, Column: at.column, Detail: "d"})
	}
	r.Add(Result{Suite: "s", Name: "n", Status: Fail, File: "gone.yml", Line: 1})
	var b bytes.Buffer
	require.NoError(t, r.HumanEnd(&b, false))
	golden.Check(t, "lines.txt", b.Bytes())
	b.Reset()
	require.NoError(t, r.GitHub(&b))
	require.Contains(t, b.String(), "::error file=rules.yml,line=2,col=19,title=s%3A n::d")
}

func TestFilter(t *testing.T) {
	t.Parallel()
	require.Len(t, sample().Filter(nil).Results, 6)
	require.Len(t, sample().Filter(regexp.MustCompile(`^rules: `)).Results, 3)
	require.Len(t, sample().Filter(regexp.MustCompile(`kafka`)).Results, 1)
	require.Empty(t, sample().Filter(regexp.MustCompile(`no such check`)).Results)
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	require.False(t, (&Report{}).OK(), "nothing checked is not green")
	require.False(t, sample().OK())
	require.True(t, (&Report{Results: sample().Results[:1]}).OK())
	require.False(t, (&Report{Results: []Result{{Status: Skip}}}).OK(), "only skipped checks are not green")
}
