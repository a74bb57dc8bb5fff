package preview

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Grafana takes the pictures in the place of Chromium and the viewer's pages: a real one with its image renderer, and the
// checked-in dashboards and data sources. The Prometheus and the Elasticsearch behind it are given the scenes' data; they
// have to be empty.
type Grafana struct {
	// URL, Prometheus and Elasticsearch are "http://host:port".
	URL, Prometheus, Elasticsearch string
}

// Grafana's grid: 24 columns, rows of 30 pixels, 8 between panels.
const (
	columns = 24
	row     = 38
	gap     = 8
)

// apart is the time between the ends of two scenes, as one Prometheus has them all: longer than a scene.
const apart = 2 * time.Hour

// dashboardsPath is Grafana's dashboard API, for the organisation that there is.
const dashboardsPath = "/apis/dashboard.grafana.app/v1/namespaces/default/dashboards"

// patient is how long Grafana may take for one answer; its renderer gives up after a minute.
const patient = 2 * time.Minute

// studio is a Grafana that has all that pictures are taken of.
type studio struct {
	ctx      context.Context
	url      string
	versions []Version
	// ends are the last moments of the scenes.
	ends map[string]time.Time
}

// newStudio gives Grafana the scenes' data and all versions of the dashboards.
func newStudio(ctx context.Context, g Grafana, scenes []*Scene, versions []Version, changes []Change) (*studio, error) {
	s := &studio{ctx: ctx, url: g.URL, versions: versions, ends: map[string]time.Time{}}
	var settings struct{ RendererAvailable bool }
	if err := s.api(http.MethodGet, "/api/frontend/settings", nil, &settings); err != nil {
		return nil, err
	}
	if !settings.RendererAvailable {
		return nil, fmt.Errorf("take pictures with Grafana at %s: it has no image renderer", g.URL)
	}
	for i, sc := range scenes { // in the order of their time
		shift := -time.Duration(len(scenes)-1-i) * apart
		s.ends[sc.Name] = now().Add(shift)
		if err := sc.feed(ctx, g, shift); err != nil {
			return nil, fmt.Errorf("give Grafana's data sources the data of %q: %w", sc.Name, err)
		}
	}
	for _, v := range versions {
		for _, b := range v.Boards {
			if v.Name == "head" {
				if err := s.provisioned(b); err != nil {
					return nil, err
				}
			}
			if slices.ContainsFunc(changes, func(c Change) bool { return c.UID == b.UID && c.Panel != "" }) {
				if err := s.upload(v, b); err != nil {
					return nil, err
				}
			}
		}
	}
	return s, nil
}

// provisioned waits until Grafana has a dashboard of its provisioning, which it reads while it answers already.
func (s *studio) provisioned(b Board) error {
	for deadline := time.Now().Add(patience); ; {
		err := s.api(http.MethodGet, dashboardsPath+"/"+url.PathEscape(b.UID), nil, nil)
		if answer := (*answerError)(nil); !errors.As(err, &answer) || answer.code != http.StatusNotFound || time.Now().After(deadline) {
			return err
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// copyOf is the uid of the copy of a dashboard whose panels have ids, by which single panels are asked for.
func copyOf(version, uid string) string { return version + "-" + uid }

func (s *studio) upload(v Version, b Board) error {
	var spec map[string]any
	if err := json.Unmarshal(inner(b.Data), &spec); err != nil {
		return fmt.Errorf("give Grafana the dashboard %s: %w", b.File, err)
	}
	for i, panel := range panelsOf(spec["panels"]) {
		panel["id"] = i + 1
	}
	delete(spec, "id")
	name := copyOf(v.Name, b.UID)
	spec["uid"], spec["title"] = name, fmt.Sprintf("%s (%s)", b.Title, v.Title)
	return s.api(http.MethodPost, dashboardsPath, map[string]any{"metadata": map[string]any{"name": name}, "spec": spec}, nil)
}

// panelsOf are the panels of a list and of the rows in it, in the order in which they are compared.
func panelsOf(list any) []map[string]any {
	var all []map[string]any
	items, _ := list.([]any)
	for _, item := range items {
		node, _ := item.(map[string]any)
		if node["type"] == "row" {
			all = append(all, panelsOf(node["panels"])...)
		} else if node != nil {
			all = append(all, node)
		}
	}
	return all
}

func (s *studio) close() {}

// shoot takes a picture of a dashboard of the provisioning. Of others, only the panels are to be had.
func (s *studio) shoot(version, scene, uid string) (*Shot, error) {
	shot := &Shot{Version: version, Scene: scene, UID: uid}
	shot.panel = func(i int) (*image.RGBA, error) {
		p := s.place(version, uid, i)
		return s.render("/render/d-solo/"+copyOf(version, uid), scene, p.W*width/columns-gap, p.H*row-gap, url.Values{"panelId": {strconv.Itoa(i + 1)}})
	}
	if version != "head" {
		return shot, nil
	}
	var err error
	shot.Image, err = s.render("/render/d/"+uid, scene, width, -1, url.Values{"kiosk": {"true"}})
	return shot, err
}

// place is the place of a panel of a dashboard; the usual one where it cannot be read.
func (s *studio) place(version, uid string, i int) position {
	for _, v := range s.versions {
		for _, b := range v.Boards {
			if v.Name != version || b.UID != uid {
				continue
			}
			if _, panels, err := read(b); err == nil && i < len(panels) && panels[i].pos.W > 0 && panels[i].pos.H > 0 {
				return panels[i].pos
			}
		}
	}
	return position{W: columns / 2, H: 8}
}

// render asks Grafana for a picture; a height of -1 is that of the page.
func (s *studio) render(path, scene string, w, h int, more url.Values) (*image.RGBA, error) {
	end := s.ends[scene]
	query := url.Values{
		"from": {strconv.FormatInt(end.Add(-shown).UnixMilli(), 10)}, "to": {strconv.FormatInt(end.UnixMilli(), 10)},
		"width": {strconv.Itoa(w)}, "height": {strconv.Itoa(h)}, "tz": {"UTC"}, "theme": {"dark"}, "timeout": {"60"},
	}
	for key, values := range more {
		query[key] = values
	}
	body, err := s.do(http.MethodGet, path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	img, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("what Grafana answers to %s is no picture: %w", path, err)
	}
	out := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(out, out.Bounds(), img, img.Bounds().Min, draw.Src)
	return out, nil
}

// api asks Grafana for JSON.
func (s *studio) api(method, path string, body, answer any) error {
	var data []byte
	var err error
	if body != nil {
		if data, err = json.Marshal(body); err != nil {
			return fmt.Errorf("ask Grafana: %w", err)
		}
	}
	if data, err = s.do(method, path, data); err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("what Grafana answers to %s is no JSON: %w", path, err)
	}
	return nil
}

func (s *studio) do(method, path string, body []byte) ([]byte, error) {
	return ask(s.ctx, method, s.url+path, body, http.Header{"Content-Type": {"application/json"}})
}

// ask makes a request; an error has what was answered.
func ask(ctx context.Context, method, address string, body []byte, header http.Header) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header = header
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, address, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, &answerError{resp.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, address, resp.Status, strings.TrimSpace(string(data[:min(len(data), 500)])))}
	}
	return data, nil
}

// answerError is an answer that says no.
type answerError struct {
	code int
	text string
}

func (e *answerError) Error() string { return e.text }
