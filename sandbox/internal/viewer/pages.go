package viewer

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:generate npm --prefix web ci
//go:generate npm --prefix web run build

//go:embed all:dist
var built embed.FS

// Built are the built pages: index.html, assets/ and public/.
func Built() (fs.FS, error) {
	root, err := fs.Sub(built, "dist")
	if err != nil {
		return nil, fmt.Errorf("read the viewer's pages: %w", err)
	}
	return root, nil
}

// pages serves the built files; whatever is no file is a page of the one that draws them all.
type pages struct {
	files map[string]file
}

type file struct {
	plain, zipped []byte
	kind          string
}

// newPages reads the files once and compresses them, so that a page is there at once.
func newPages() (*pages, error) {
	p := &pages{files: map[string]file{}}
	root, err := Built()
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		var zipped bytes.Buffer
		zip := gzip.NewWriter(&zipped)
		if _, err := zip.Write(data); err != nil {
			return err
		}
		if err := zip.Close(); err != nil {
			return err
		}
		p.files[name] = file{plain: data, zipped: zipped.Bytes(), kind: kindOf(name)}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the viewer's pages: %w", err)
	}
	if _, ok := p.files["index.html"]; !ok {
		return nil, fmt.Errorf("the viewer's pages have no index.html: run go generate ./sandbox/internal/viewer")
	}
	return p, nil
}

// Sizes are the built files' lengths in bytes, compressed as browsers get them.
func Sizes() (map[string]int, error) {
	p, err := newPages()
	if err != nil {
		return nil, err
	}
	sizes := map[string]int{}
	for name, f := range p.files {
		sizes[name] = len(f.zipped)
	}
	return sizes, nil
}

// kindOf does not ask the system, whose tables differ.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	f, ok := p.files[name]
	switch {
	case ok && strings.HasPrefix(name, "assets/"):
		// Named by their content.
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	case !ok && path.Ext(name) != "":
		http.NotFound(w, r)
		return
	case !ok || name == "index.html":
		f = p.files["index.html"]
		w.Header().Set("Cache-Control", "no-store")
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Add("Vary", "Accept-Encoding")
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	_, _ = w.Write(body) // the reader went away
}
