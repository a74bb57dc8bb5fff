package viewer

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// boards are the dashboards of the stack directory, read at every request: a saved file shows when the page is loaded
// again.
type boards struct{ dir string }

type board struct {
	UID   string   `json:"uid"`
	Title string   `json:"title"`
	URL   string   `json:"url"`
	Type  string   `json:"type"`
	Tags  []string `json:"tags"`
	raw   json.RawMessage
}

func (b boards) read() ([]board, error) {
	files, err := filepath.Glob(filepath.Join(b.dir, "grafana", "dashboards", "*.json"))
	if err != nil {
		return nil, err
	}
	all := []board{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		one := board{Type: "dash-db", Tags: []string{}, raw: data}
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, err
		}
		one.URL, one.Type = "/d/"+one.UID, "dash-db"
		all = append(all, one)
	}
	// The overview first; the others as the event goes through the layers.
	order := []string{"overview", "collection", "processing", "storage", "infrastructure", "slo"}
	place := func(uid string) int {
		if i := slices.Index(order, uid); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(all, func(a, b board) int {
		if d := place(a.UID) - place(b.UID); d != 0 {
			return d
		}
		return strings.Compare(a.Title, b.Title)
	})
	return all, nil
}

func (b boards) search(w http.ResponseWriter, _ *http.Request) {
	all, err := b.read()
	if err != nil {
		fail(w, http.StatusInternalServerError, "read the dashboards: %v", err)
		return
	}
	writeJSON(w, http.StatusOK, all)
}

func (b boards) get(w http.ResponseWriter, r *http.Request) {
	all, err := b.read()
	if err != nil {
		fail(w, http.StatusInternalServerError, "read the dashboards: %v", err)
		return
	}
	i := slices.IndexFunc(all, func(o board) bool { return o.UID == r.PathValue("uid") })
	if i < 0 {
		fail(w, http.StatusNotFound, "Dashboard not found: no file in grafana/dashboards has the uid %q", r.PathValue("uid"))
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"dashboard": all[i].raw, "meta": map[string]any{"url": all[i].URL, "provisioned": true}})
}
