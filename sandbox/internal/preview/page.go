package preview

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/dashboards"
	"obsandbox/sandbox/internal/viewer"
)

// Board is a dashboard as its file has it.
type Board struct {
	// File is its path in the repository.
	File string
	Data []byte
	*dashboards.Dashboard
}

// Version is a state of all dashboards.
type Version struct {
	// Name is "head" or "base", Title what people read.
	Name, Title string
	Boards      []Board
}

// ReadBoard parses a dashboard.
func ReadBoard(file string, data []byte) (Board, error) {
	d, err := dashboards.Parse(file, data)
	return Board{File: file, Data: data, Dashboard: d}, err
}

// order puts the overview first, the others as an event goes through the layers.
func order(boards []Board) {
	usual := []string{"overview", "collection", "processing", "storage", "infrastructure", "slo"}
	place := func(b Board) int {
		if i := slices.Index(usual, b.UID); i >= 0 {
			return i
		}
		return len(usual)
	}
	slices.SortStableFunc(boards, func(a, b Board) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a.UID, b.UID)
	})
}

// payload is what the pages read: the type Preview of web/src/preview.ts.
type payload struct {
	Now      int64             `json:"now"`
	From     int64             `json:"from"`
	Step     int64             `json:"step"`
	Scenes   []sceneData       `json:"scenes"`
	Versions []versionData     `json:"versions"`
	Icons    map[string]string `json:"icons"`
}

type sceneData struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Answers *answers `json:"answers"`
}

type versionData struct {
	Name       string            `json:"name"`
	Title      string            `json:"title"`
	Dashboards []json.RawMessage `json:"dashboards"`
}

// Page is one HTML file that needs nothing else: the viewer's pages, the dashboards of all versions, and what their
// queries answer in all scenes. extra is put into its head; pages that are watched reload themselves so.
func Page(ctx context.Context, scenes []*Scene, versions []Version, extra string) ([]byte, error) {
	p := payload{Now: now().UnixMilli(), From: now().Add(-shown).UnixMilli(), Step: scrape.Milliseconds(), Icons: map[string]string{}}
	var all []*dashboards.Dashboard
	for _, v := range versions {
		data := versionData{Name: v.Name, Title: v.Title, Dashboards: []json.RawMessage{}}
		boards := slices.Clone(v.Boards)
		order(boards)
		for _, b := range boards {
			data.Dashboards = append(data.Dashboards, inner(b.Data))
			all = append(all, b.Dashboard)
		}
		p.Versions = append(p.Versions, data)
	}
	for _, sc := range scenes {
		a, err := sc.answers(ctx, all)
		if err != nil {
			return nil, err
		}
		p.Scenes = append(p.Scenes, sceneData{sc.Name, sc.Title, a})
	}
	return assemble(p, extra)
}

// inner is the dashboard in Grafana's export form.
func inner(data []byte) json.RawMessage {
	var export struct {
		Dashboard json.RawMessage
		Panels    json.RawMessage
	}
	if json.Unmarshal(data, &export) == nil && export.Dashboard != nil && export.Panels == nil {
		return export.Dashboard
	}
	return data
}

var (
	script = regexp.MustCompile(`<script type="module"[^>]* src="/([^"]+)"></script>`)
	style  = regexp.MustCompile(`<link rel="stylesheet"[^>]* href="/([^"]+)">`)
)

// assemble puts the built pages and the data into one file.
func assemble(p payload, extra string) ([]byte, error) {
	built, err := viewer.Built()
	if err != nil {
		return nil, err
	}
	read := func(name string) string {
		var data []byte
		if err == nil {
			data, err = fs.ReadFile(built, name)
		}
		return string(data)
	}
	index := read("index.html")
	js, css := script.FindStringSubmatch(index), style.FindStringSubmatch(index)
	if err != nil || js == nil || css == nil {
		return nil, fmt.Errorf("put the preview into one file: the viewer's index.html has no script or no style (go generate ./sandbox/internal/viewer): %w", err)
	}
	const icons = "public/build/img/icons"
	err = fs.WalkDir(built, icons, func(name string, d fs.DirEntry, walked error) error {
		if walked == nil && !d.IsDir() {
			p.Icons[strings.TrimSuffix(strings.TrimPrefix(name, icons+"/"), ".svg")] = read(name)
		}
		return walked
	})
	var fonts strings.Builder
	for _, font := range []struct {
		weight int
		name   string
	}{{400, "Regular"}, {500, "Medium"}} {
		data := read(path.Join("public/fonts/inter", "Inter-"+font.name+".woff2"))
		fmt.Fprintf(&fonts, "@font-face{font-family:Inter;font-weight:%d;src:url(data:font/woff2;base64,%s)}\n", font.weight, base64.StdEncoding.EncodeToString([]byte(data)))
	}
	data, marshalled := json.Marshal(p)
	sheet := read(css[1])
	code, chunked := chunks(built, js[1])
	if err = errors.Join(err, marshalled, chunked); err != nil {
		return nil, fmt.Errorf("put the preview into one file: %w", err)
	}
	var out bytes.Buffer
	at := 0
	for _, part := range []struct {
		old, with string
	}{
		{js[0], ""}, {css[0], extra + "<style>" + fonts.String() + sheet + "</style>"},
		{"</body>", "<script>window.obsandboxPreview=" + string(data) + "</script>\n" + code + "</body>"},
	} {
		i := strings.Index(index[at:], part.old)
		if i < 0 {
			return nil, fmt.Errorf("put the preview into one file: the viewer's index.html has no %s where it should", part.old)
		}
		out.WriteString(index[at:at+i] + part.with)
		at += i + len(part.old)
	}
	out.WriteString(index[at:])
	return out.Bytes(), nil
}

// A page in a file cannot fetch its modules from beside it. They lie in it as texts, from which the page makes them, under
// names that an import map leads to them.
const start = `<script>
const imports = {};
for (const text of document.querySelectorAll('script[data-chunk]')) {
  imports['chunk/' + text.dataset.chunk] = URL.createObjectURL(new Blob([text.textContent], { type: 'text/javascript' }));
}
const map = document.createElement('script');
map.type = 'importmap';
map.textContent = JSON.stringify({ imports });
document.head.append(map);
import('chunk/%s').catch((e) => { document.getElementById('root').textContent = 'This preview cannot be drawn: ' + e; });
</script>
`

var sibling = regexp.MustCompile("([\"'`])\\./([^\"'`]+\\.js)([\"'`])")

// chunks are the built modules as parts of a page, and what starts the first of them. Explore has nothing to ask in a
// preview, and stays behind.
func chunks(built fs.FS, first string) (string, error) {
	files, err := fs.Glob(built, path.Join(path.Dir(first), "*.js"))
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, file := range files {
		if strings.HasPrefix(path.Base(file), "Explore-") {
			continue
		}
		data, err := fs.ReadFile(built, file)
		if err != nil {
			return "", err
		}
		code := sibling.ReplaceAllString(string(data), "${1}chunk/$2$3")
		// What would end the element in a script's text.
		code = strings.NewReplacer("</script", `<\/script`, "<!--", `<\!--`).Replace(code)
		fmt.Fprintf(&out, "<script type=\"text/plain\" data-chunk=\"%s\">%s</script>\n", path.Base(file), code)
	}
	fmt.Fprintf(&out, start, path.Base(first))
	return out.String(), nil
}
