package preview

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(stackDir + "/" + Dir + "/storage.json")
	require.NoError(t, err)
	base := string(data)
	panels := strings.Split(base, "    {\n      \"type\": ")
	require.Greater(t, len(panels), 5, "panels are told apart by their layout")
	for _, c := range []struct {
		name string
		edit func(string) string
		want []string
	}{
		{"nothing", func(s string) string { return s }, nil},
		{"ids are no change", func(s string) string { return strings.ReplaceAll(s, `"id": 3,`, `"id": 77,`) }, nil},
		{"a unit", replaced(`"unit": "wps"`, `"unit": "ops"`), []string{"changed Write throughput by backend", "- unit: wps", "+ unit: ops"}},
		{"a query", replaced(`sum by (backend) (rate(storage_write_errors_total`, `max by (backend) (rate(storage_write_errors_total`), []string{
			"changed Write errors",
			"- query A: sum by (backend) (rate(storage_write_errors_total[$__rate_interval]))",
			"+ query A: max by (backend) (rate(storage_write_errors_total[$__rate_interval]))",
		}},
		{"a legend", replaced(`"legendFormat": "{{cache}}"`, `"legendFormat": "of {{cache}}"`), []string{
			"changed Cache hit rates", "- query A legendFormat: {{cache}}", "+ query A legendFormat: of {{cache}}",
		}},
		{"a threshold", replaced(`"value": 0.9`, `"value": 0.8`), []string{
			"changed Database connection pool usage", "- thresholds: green, red from 0.9", "+ thresholds: green, red from 0.8",
		}},
		{"a title", replaced(`"title": "Query errors"`, `"title": "Errors of queries"`), []string{
			"changed Errors of queries was Query errors", "- title: Query errors", "+ title: Errors of queries",
		}},
		{"a place", replaced("\"h\": 8,\n        \"w\": 8,\n        \"x\": 8,\n        \"y\": 0", "\"h\": 8,\n        \"w\": 8,\n        \"x\": 8,\n        \"y\": 40"), []string{
			"moved Write latency by backend (p95)", "- place: column 8, row 0, 8 wide, 8 high", "+ place: column 8, row 40, 8 wide, 8 high",
		}},
		{"the dashboard's own", replaced(`"refresh": "30s"`, `"refresh": "1m"`), []string{"changed ", "- refresh: 30s", "+ refresh: 1m"}},
		{"a panel less", func(s string) string {
			return strings.Replace(s, "    {\n      \"type\": "+panels[3], "", 1)
		}, []string{"removed Write errors"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			head := c.edit(base)
			b, err := ReadBoard("base.json", []byte(base))
			require.NoError(t, err)
			h, err := ReadBoard("head.json", []byte(head))
			require.NoError(t, err)
			changes, err := Compare([]Board{b}, []Board{h})
			require.NoError(t, err)
			assert.Equal(t, c.want, told(changes))
			if len(c.want) > 0 && c.name == "a panel less" { // and the other way round
				changes, err = Compare([]Board{h}, []Board{b})
				require.NoError(t, err)
				require.Len(t, changes, 1)
				assert.Equal(t, Added, changes[0].Kind)
				assert.Contains(t, changes[0].Lines, "+ unit: wps")
			}
		})
	}
}

func replaced(old, with string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic("the edit does nothing: " + old)
		}
		return strings.Replace(s, old, with, 1)
	}
}

func told(changes []Change) []string {
	var all []string
	for _, c := range changes {
		line := fmt.Sprintf("%s %s", c.Kind, c.Panel)
		if c.Was != "" {
			line += " was " + c.Was
		}
		all = append(append(all, line), c.Lines...)
	}
	return all
}

func TestCompareDashboards(t *testing.T) {
	t.Parallel()
	one, err := ReadBoard("one.json", []byte(`{"uid":"one","title":"One","panels":[]}`))
	require.NoError(t, err)
	two, err := ReadBoard("two.json", []byte(`{"dashboard":{"uid":"two","title":"Two","panels":[]}}`))
	require.NoError(t, err)
	changes, err := Compare([]Board{one}, []Board{two})
	require.NoError(t, err)
	require.Len(t, changes, 2)
	assert.Equal(t, Added, changes[0].Kind)
	assert.Equal(t, "Two", changes[0].Board)
	assert.Equal(t, Removed, changes[1].Kind)
}

func TestSearch(t *testing.T) {
	t.Parallel()
	at := now().Add(-shown / 2)
	sc := &Scene{}
	for i, doc := range []map[string]any{
		{"level": "ERROR", "layer": "storage", "message": "write timed out", "processing_time_ms": 12.5},
		{"level": "INFO", "layer": "storage", "message": "written", "kubernetes": map[string]any{"pod": map[string]any{"name": "router-1"}}},
		{"level": "WARN", "layer": "collection", "message": "slow"},
	} {
		doc["@timestamp"] = fmt.Sprintf("2026-01-14T12:3%d:00.000Z", i)
		sc.lines = append(sc.lines, logLine{at, doc})
	}
	sc.lines = append(sc.lines, logLine{now().Add(-2 * shown), map[string]any{"level": "ERROR", "@timestamp": "old"}})
	for query, want := range map[string]int{
		"": 3, "*:*": 3, "level:ERROR": 1, "layer:storage AND level:(WARN OR ERROR)": 1, "layer:storage": 2, "NOT layer:storage": 1,
		"timed": 1, `"timed out"`: 1, "kubernetes.pod.name:router*": 1, "_exists_:processing_time_ms": 1,
		"processing_time_ms:[10 TO *]": 1, "processing_time_ms:>20": 0, "level:NONE": 0,
	} {
		found, err := sc.search(query)
		require.NoError(t, err, query)
		assert.Len(t, found, want, query)
	}
	_, err := sc.search("level:(")
	require.Error(t, err)
}

func TestPaletted(t *testing.T) {
	t.Parallel()
	img := image.NewRGBA(image.Rect(0, 0, 300, 2))
	for x := range 300 {
		img.SetRGBA(x, 0, color.RGBA{uint8(x), uint8(x / 256), 0, 255})
		img.SetRGBA(x, 1, color.RGBA{200, 100, 50, 255})
	}
	got := paletted(img)
	assert.Len(t, got.Palette, 256)
	assert.Equal(t, color.RGBA{200, 100, 50, 255}, got.At(7, 1), "what is frequent stays")
	assert.Equal(t, img.At(9, 0), got.At(9, 0))
	for x := range 300 {
		r, _, _, _ := got.At(x, 0).RGBA()
		assert.InDelta(t, int(uint8(x)), int(r>>8), 46, "what is rare is near")
	}
}
