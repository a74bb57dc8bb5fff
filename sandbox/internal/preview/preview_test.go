package preview

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

const stackDir = "../../../stack"

// recorded are the scenes that all tests look at: they change nothing.
var recorded = sync.OnceValues(func() ([]*Scene, error) {
	s, err := stack.Load(stackDir)
	if err != nil {
		return nil, err
	}
	return Record(context.Background(), s)
})

func record(t *testing.T) []*Scene {
	t.Helper()
	all, err := recorded()
	require.NoError(t, err)
	return all
}

func TestMain(m *testing.M) {
	code := m.Run()
	if all, err := recorded(); err == nil {
		for _, sc := range all {
			_ = sc.Close()
		}
	}
	os.Exit(code)
}

// copied is a stack directory of its own, with the dashboards committed to git; edit changes files by regular replacement.
func copied(t *testing.T) *stack.Stack {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "stack")
	require.NoError(t, os.CopyFS(dir, os.DirFS(stackDir)))
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "."}, {"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "base"}, {"tag", "base"},
	} {
		out, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	s, err := stack.Load(dir)
	require.NoError(t, err)
	return s
}

func edit(t *testing.T, s *stack.Stack, board, old, with string) {
	t.Helper()
	file := filepath.Join(s.Path(Dir), board+".json")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(data), old, "the edit does nothing")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), old, with, 1)), 0o644))
}

func TestEveryPanelShowsSomething(t *testing.T) {
	t.Parallel()
	s, err := stack.Load(stackDir)
	require.NoError(t, err)
	head, err := Head(s)
	require.NoError(t, err)
	require.Len(t, head.Boards, 6)
	quiet := 0
	for _, sc := range record(t) {
		for _, b := range head.Boards {
			for _, p := range b.Panels {
				found := 0
				for _, q := range p.Queries {
					a := &answers{Range: map[string][]series{}, Instant: map[string][]series{}, Logs: map[string][]map[string]any{}, Errors: map[string]string{}}
					require.NoError(t, sc.answer(t.Context(), a, b.Dashboard, q))
					assert.Empty(t, a.Errors, "%s: %s", b.UID, p.Title)
					text := b.ExpandedAs(q, own)
					found += len(a.Range[text]) + len(a.Instant[text]) + len(a.Logs[text])
				}
				if found == 0 {
					quiet++
					assert.Equal(t, "realistic", sc.Name, "%s: %s shows nothing", b.UID, p.Title)
					assert.Contains(t, string(b.Data), "noValue", b.UID)
				}
			}
		}
	}
	assert.LessOrEqual(t, quiet, 4, "only alerts and warnings may be none in a usual hour")
}

func TestIncidentFiresAlerts(t *testing.T) {
	t.Parallel()
	want := map[string][]string{"realistic": nil, "incident": {
		"HighCollectorErrorRate", "HighValidationFailureRate", "HighStorageWriteLatency", "QueryAPIHighErrorRate",
	}}
	for _, sc := range record(t) {
		got, err := sc.ask(t.Context(), `ALERTS{alertstate="firing"}`, true)
		require.NoError(t, err)
		names := map[string]bool{}
		for _, s := range got {
			names[s.Labels["alertname"]] = true
		}
		if sc.Name == "realistic" {
			assert.Empty(t, names, "a usual hour fires nothing")
		}
		for _, name := range want[sc.Name] {
			assert.True(t, names[name], name)
		}
	}
}

func TestSameInputSameBytes(t *testing.T) {
	t.Parallel()
	s, err := stack.Load(stackDir)
	require.NoError(t, err)
	head, err := Head(s)
	require.NoError(t, err)
	again, err := Record(t.Context(), s)
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, sc := range again {
			assert.NoError(t, sc.Close())
		}
	})
	one, err := Page(t.Context(), record(t), []Version{head}, "")
	require.NoError(t, err)
	other, err := Page(t.Context(), again, []Version{head}, "")
	require.NoError(t, err)
	assert.True(t, bytes.Equal(one, other), "two runs differ")
	assert.Greater(t, len(one), 1<<20)
}

// The page needs nothing else: no address of its own server is loaded by an element.
func TestPageIsSelfContained(t *testing.T) {
	t.Parallel()
	s, err := stack.Load(stackDir)
	require.NoError(t, err)
	head, err := Head(s)
	require.NoError(t, err)
	page, err := Page(t.Context(), record(t), []Version{head}, "")
	require.NoError(t, err)
	text := string(page)
	assert.Empty(t, regexp.MustCompile(`<(script|link|img)[^>]+(src|href)="/`).FindAllString(text, -1))
	modules := strings.Count(text, `<script type="text/plain" data-chunk=`)
	assert.Greater(t, modules, 3)
	assert.Equal(t, modules+2, strings.Count(text, "</script>"), "what would end a script is escaped")
	assert.Empty(t, regexp.MustCompile("[\"'`]\\./[^\"'`]+\\.js[\"'`]").FindAllString(text, -1), "modules are found in the page, not beside it")
	data := text[strings.Index(text, "obsandboxPreview=")+len("obsandboxPreview="):]
	var p payload
	require.NoError(t, json.NewDecoder(strings.NewReader(data)).Decode(&p))
	require.Len(t, p.Scenes, 2)
	require.Len(t, p.Versions, 1)
	assert.Len(t, p.Versions[0].Dashboards, 6)
	assert.NotEmpty(t, p.Icons["unicons/info-circle"])
}

func TestWithoutChromium(t *testing.T) {
	t.Parallel()
	s := copied(t)
	edit(t, s, "storage", `"unit": "wps"`, `"unit": "ops"`)
	out := t.TempDir()
	res, err := Run(t.Context(), s, record(t), Options{Out: out, Base: "base"})
	require.NoError(t, err)
	assert.Equal(t, []string{"preview.html", "summary.md"}, res.Files)
	assert.Contains(t, res.Missing, "Chromium was not found")
	summary, err := os.ReadFile(filepath.Join(out, "summary.md"))
	require.NoError(t, err)
	assert.Contains(t, string(summary), res.Missing)
	assert.Contains(t, string(summary), "Panels against base: 1 changed.\n")
	assert.Contains(t, string(summary), "### Write throughput by backend: changed\n\n```diff\n- unit: wps\n+ unit: ops\n```\n")
	assert.NotContains(t, string(summary), "![")
}

// With a browser, the pictures of a changed panel show its change, and no other panel's picture changes.
func TestPicturesOfAChangedPanel(t *testing.T) {
	t.Parallel()
	chromium := FindChromium()
	if chromium == "" {
		t.Skip("needs Chromium")
	}
	s := copied(t)
	edit(t, s, "storage", `sum by (backend) (rate(storage_writes_total[$__rate_interval]))`, `2 * sum by (backend) (rate(storage_writes_total[$__rate_interval]))`)
	edit(t, s, "storage", `"value": 0.9`, `"value": 0.5`)
	out := t.TempDir()
	res, err := Run(t.Context(), s, record(t), Options{Out: out, Base: "base", Chromium: chromium})
	require.NoError(t, err)
	assert.Empty(t, res.Missing)
	assert.Empty(t, res.Broken)
	require.Len(t, res.Changes, 2)
	assert.Equal(t, "Write throughput by backend", res.Changes[0].Panel)
	assert.Equal(t, "Database connection pool usage", res.Changes[1].Panel)
	pictures, err := filepath.Glob(filepath.Join(out, "changes", "*.png"))
	require.NoError(t, err)
	assert.Len(t, pictures, 2*2*3, "two changes, two scenes; before, after, difference")
	summary, err := os.ReadFile(filepath.Join(out, "summary.md"))
	require.NoError(t, err)
	assert.Contains(t, string(summary), "- query A: sum by (backend) (rate(storage_writes_total[$__rate_interval]))\n+ query A: 2 * sum by")
	assert.Contains(t, string(summary), "- thresholds: green, red from 0.9\n+ thresholds: green, red from 0.5\n")
	for _, m := range regexp.MustCompile(`(\d+) pixels`).FindAllStringSubmatch(string(summary), -1) {
		assert.NotEqual(t, "0", m[1])
	}

	// A second picture is the same to the pixel, and so are all panels that have not changed.
	page, err := filepath.Abs(filepath.Join(out, "preview.html"))
	require.NoError(t, err)
	c := newCamera(t.Context(), chromium, page)
	defer c.close()
	before, err := c.shoot("base", "incident", "storage")
	require.NoError(t, err)
	after, err := c.shoot("head", "incident", "storage")
	require.NoError(t, err)
	require.Len(t, after.Panels, 10)
	var differ []int
	for i := range after.Panels {
		if _, n := Difference(cut(before.Image, before.Panels[i]), cut(after.Image, after.Panels[i])); n > 0 {
			differ = append(differ, i)
		}
	}
	assert.Equal(t, []int{res.Changes[0].After, res.Changes[1].After}, differ)
}

func TestBrokenPanelsAreSaid(t *testing.T) {
	t.Parallel()
	chromium := FindChromium()
	if chromium == "" {
		t.Skip("needs Chromium")
	}
	s := copied(t)
	edit(t, s, "overview", `sum(rate(collector_errors_total[`, `sum(rat(collector_errors_total[`)
	res, err := Run(t.Context(), s, record(t), Options{Out: t.TempDir(), Chromium: chromium})
	require.NoError(t, err)
	require.Len(t, res.Broken, 2)
	assert.Contains(t, res.Broken[0], `overview, panel 5, incident: 1:5: parse error: unknown function with name "rat"`)
}

func TestBase(t *testing.T) {
	t.Parallel()
	s := copied(t)
	base, err := Base(t.Context(), s, "base")
	require.NoError(t, err)
	assert.Len(t, base.Boards, 6)
	_, err = Base(t.Context(), s, "gone")
	require.ErrorContains(t, err, "git knows no such commit")
	_, err = Base(t.Context(), s, "--output=x")
	require.ErrorContains(t, err, "no revision begins with a dash")
	require.NoError(t, os.WriteFile(filepath.Join(s.Path(Dir), "bad.json"), []byte("{"), 0o644))
	_, err = Head(s)
	require.ErrorContains(t, err, "bad.json:1: not JSON")
}

func TestDifference(t *testing.T) {
	t.Parallel()
	one, two := image.NewRGBA(image.Rect(0, 0, 4, 4)), image.NewRGBA(image.Rect(0, 0, 4, 5))
	two.SetRGBA(1, 1, color.RGBA{9, 9, 9, 255})
	marked, n := Difference(one, two)
	assert.Equal(t, 1+4, n, "a pixel, and a row that was not there")
	assert.Equal(t, color.RGBA{255, 48, 48, 255}, marked.RGBAAt(1, 1))
	assert.Equal(t, color.RGBA{0, 0, 0, 255}, marked.RGBAAt(0, 0))
	_, n = Difference(one, one)
	assert.Zero(t, n)
}

func TestWatch(t *testing.T) {
	t.Parallel()
	s := copied(t)
	ctx, cancel := context.WithCancel(t.Context())
	lines := make(chan string, 20)
	done := make(chan error, 1)
	go func() {
		done <- Watch(ctx, s, record(t), WatchOptions{Listen: "127.0.0.1:0", Tell: func(line string) { lines <- line }})
	}()
	url := regexp.MustCompile(`http://\S+/`).FindString(<-lines)
	get := func(path string) string {
		res, err := http.Get(url + path)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return string(body)
	}
	assert.Contains(t, get(""), `"Write throughput by backend"`)
	next := make(chan time.Time, 1)
	go func() {
		if res, err := http.Get(url + "next?after=1"); err == nil {
			res.Body.Close()
			next <- time.Now()
		}
	}()
	saved := time.Now()
	edit(t, s, "storage", "Write throughput by backend", "Writes by backend")
	select {
	case at := <-next:
		t.Logf("drawn anew %s after it was saved", at.Sub(saved))
	case <-time.After(time.Minute):
		t.Fatal("the page is not told")
	}
	assert.Contains(t, get(""), `"Writes by backend"`)
	assert.Contains(t, <-lines, "drawn anew")

	edit(t, s, "storage", `"uid": "storage",`, `"uid": "storage"`)
	assert.Contains(t, <-lines, "not JSON")
	assert.Contains(t, get(""), `"Writes by backend"`, "the last good page stays")
	cancel()
	assert.NoError(t, <-done)
}
