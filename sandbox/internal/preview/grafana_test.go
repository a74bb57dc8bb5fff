package preview

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// backend answers as Grafana, as Prometheus' receiver of remote write and as Elasticsearch do, and keeps what it is given.
type backend struct {
	mu        sync.Mutex
	renderer  bool
	broken    string // a path that fails
	uploaded  map[string]map[string]any
	pictures  []string
	newest    map[string]int64 // of every series
	backwards bool
	docs      []map[string]any
	indices   map[string]bool
	late      map[string]bool
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	switch path := r.URL.Path; {
	case b.broken != "" && strings.HasPrefix(path, b.broken):
		http.Error(w, `{"message":"Rendering failed."}`, http.StatusInternalServerError)
	case path == "/api/frontend/settings":
		fmt.Fprintf(w, `{"rendererAvailable":%t}`, b.renderer)
	case path == dashboardsPath && r.Method == http.MethodPost:
		var in struct {
			Metadata struct{ Name string }
			Spec     map[string]any
		}
		if err := json.Unmarshal(body, &in); err != nil || in.Metadata.Name == "" {
			http.Error(w, "no dashboard", http.StatusBadRequest)
			return
		}
		b.uploaded[in.Metadata.Name] = in.Spec
		w.WriteHeader(http.StatusCreated)
	case strings.HasPrefix(path, dashboardsPath+"/"):
		if b.late[path] = !b.late[path]; b.late[path] { // read a moment later
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, "{}")
	case strings.HasPrefix(path, "/render/"):
		q := r.URL.Query()
		b.pictures = append(b.pictures, path+"?"+q.Encode())
		width, _ := strconv.Atoi(q.Get("width"))
		height, _ := strconv.Atoi(q.Get("height"))
		if height == -1 {
			height = 900
		}
		img := image.NewRGBA(image.Rect(0, 0, width, height))
		if strings.Contains(path, "/head-") {
			img.Set(1, 1, color.White)
		}
		_ = png.Encode(w, img)
	case path == "/api/v1/write":
		raw, err := snappy.Decode(nil, body)
		var req prompb.WriteRequest
		if err != nil || req.Unmarshal(raw) != nil {
			http.Error(w, "no write request", http.StatusBadRequest)
			return
		}
		for _, s := range req.Timeseries {
			name := fmt.Sprint(s.Labels)
			for _, sample := range s.Samples {
				b.backwards = b.backwards || sample.Timestamp <= b.newest[name]
				b.newest[name] = sample.Timestamp
			}
		}
		w.WriteHeader(http.StatusNoContent)
	case path == "/_bulk":
		lines := bufio.NewScanner(bytes.NewReader(body))
		for lines.Scan() {
			var action struct {
				Index struct {
					Index string `json:"_index"`
				}
			}
			var doc map[string]any
			if json.Unmarshal(lines.Bytes(), &action) != nil || !lines.Scan() || json.Unmarshal(lines.Bytes(), &doc) != nil {
				http.Error(w, "no bulk", http.StatusBadRequest)
				return
			}
			b.indices[action.Index.Index] = true
			b.docs = append(b.docs, doc)
		}
		fmt.Fprint(w, `{"errors":false}`)
	default:
		http.NotFound(w, r)
	}
}

func serveBackend(t *testing.T) (*backend, *Grafana) {
	t.Helper()
	b := &backend{renderer: true, uploaded: map[string]map[string]any{}, newest: map[string]int64{}, indices: map[string]bool{}, late: map[string]bool{}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	return b, &Grafana{URL: server.URL, Prometheus: server.URL, Elasticsearch: server.URL}
}

func TestGrafanaTakesThePictures(t *testing.T) {
	t.Parallel()
	s := copied(t)
	before := t.TempDir()
	require.NoError(t, os.CopyFS(before, os.DirFS(s.Path(Dir))))
	edit(t, s, "storage", `"unit": "wps"`, `"unit": "ops"`)
	b, g := serveBackend(t)
	out := t.TempDir()
	res, err := Run(t.Context(), s, record(t), Options{Out: out, Base: "main", BaseDir: before, Grafana: g})
	require.NoError(t, err)
	require.Len(t, res.Changes, 1)
	change := res.Changes[0]

	// Each dashboard in each scene, as it is provisioned; of the changed panel, both versions.
	head, err := Head(s)
	require.NoError(t, err)
	incident := fmt.Sprintf("from=%d", now().Add(-shown).UnixMilli())
	for _, board := range head.Boards {
		here := slices.DeleteFunc(slices.Clone(b.pictures), func(p string) bool { return !strings.HasPrefix(p, "/render/d/"+board.UID+"?") })
		require.Len(t, here, 2, board.UID)
		assert.NotEqual(t, strings.Contains(here[0], incident), strings.Contains(here[1], incident), "one of each hour")
		for _, p := range here {
			assert.Contains(t, p, "height=-1")
		}
		assert.FileExists(t, filepath.Join(out, board.UID+"-incident.png"))
	}
	solo := slices.DeleteFunc(slices.Clone(b.pictures), func(p string) bool { return strings.HasPrefix(p, "/render/d/") })
	assert.Len(t, solo, 4)
	for _, p := range solo {
		assert.Contains(t, p, "-storage?")
		assert.Contains(t, p, fmt.Sprintf("panelId=%d", change.After+1))
	}
	for _, version := range []string{"head", "base"} {
		spec := b.uploaded[version+"-storage"]
		require.NotNil(t, spec)
		assert.Equal(t, version+"-storage", spec["uid"])
		assert.EqualValues(t, change.After+1, panelsOf(spec["panels"])[change.After]["id"])
	}
	assert.Len(t, b.uploaded, 2)

	summary, err := os.ReadFile(filepath.Join(out, "summary.md"))
	require.NoError(t, err)
	assert.Contains(t, string(summary), "Panels against main: 1 changed.")
	assert.Contains(t, string(summary), "1 pixels")
	assert.FileExists(t, filepath.Join(out, "preview.html"))

	// Prometheus and the log store have both hours, each at its own time.
	assert.False(t, b.backwards, "Prometheus takes no sample that is older than what it has")
	assert.Greater(t, len(b.newest), 1000)
	alerts := slices.Collect(maps.Keys(b.newest))
	assert.True(t, slices.ContainsFunc(alerts, func(s string) bool { return strings.Contains(s, "ALERTS") }), "alerts that fired, for the annotations")
	assert.NotEmpty(t, b.docs)
	hours := map[bool]int{}
	for _, doc := range b.docs {
		at, err := time.Parse(time.RFC3339, doc["@timestamp"].(string))
		require.NoError(t, err)
		hours[at.After(now().Add(-apart))]++
	}
	assert.Len(t, hours, 2)
	assert.Contains(t, b.indices, "logs-collection-2026.01.14")
}

func TestGrafanaFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks func(b *backend)
		want   string
	}{
		"no renderer":     {func(b *backend) { b.renderer = false }, "it has no image renderer"},
		"a picture":       {func(b *backend) { b.broken = "/render/" }, `500 Internal Server Error: {"message":"Rendering failed."}`},
		"the dashboards":  {func(b *backend) { b.broken = "/apis/" }, "dashboards/"},
		"the metrics":     {func(b *backend) { b.broken = "/api/v1/write" }, "write series: POST "},
		"the log entries": {func(b *backend) { b.broken = "/_bulk" }, "write log lines: POST "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, g := serveBackend(t)
			c.breaks(b)
			_, err := Run(t.Context(), copied(t), record(t), Options{Out: t.TempDir(), Grafana: g})
			assert.ErrorContains(t, err, c.want)
		})
	}
}
