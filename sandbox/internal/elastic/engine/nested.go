package engine

import (
	"fmt"
	"os"
	"sync"

	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/segment"
)

// Rows are a segment's documents of one nested path, in order.
type Rows struct {
	// View has the rows as its documents; all of them live, as the documents around them are what is deleted.
	*View
	// Parent is the document around each row: one of the view that was asked.
	Parent []uint32
}

// families are a segment's nested documents, read from the sources when a query or an aggregation first asks for them
// and kept as long as the segment is.
type families struct {
	mu   sync.Mutex
	made []*family
}

// family are the nested documents as one mapping reads them.
type family struct {
	shape string
	root  *View
	paths map[string]*generation
}

// generation are the documents of one path; up is the document around each, at the next path outwards.
type generation struct {
	view  *View
	outer string
	up    []uint32
}

// Rows are the documents of a nested path inside those of the view. Where the mapping has no such path below the
// view's own, ok is false.
func (v *View) Rows(m *mapping.Mapping, path string) (rows *Rows, ok bool, err error) {
	fam := v.family
	if fam == nil {
		if fam, err = v.read(m); err != nil {
			return nil, false, err
		}
	}
	g := fam.paths[path]
	if g == nil || path == v.path {
		return nil, false, nil
	}
	parent := g.up
	for at := g.outer; at != v.path; {
		if at == "" {
			return nil, false, nil
		}
		next := fam.paths[at]
		wider := make([]uint32, len(parent))
		for i, p := range parent {
			wider[i] = next.up[p]
		}
		parent, at = wider, next.outer
	}
	return &Rows{g.view, parent}, true, nil
}

// Around is the view of the documents around those of a nested view, at an outer path or with "" at the root.
func (v *View) Around(path string) (*View, bool) {
	switch {
	case v.family == nil:
		return nil, false
	case path == "":
		return v.family.root, true
	}
	g := v.family.paths[path]
	if g == nil {
		return nil, false
	}
	return g.view, true
}

func (v *View) read(m *mapping.Mapping) (*family, error) {
	all := &v.h.families
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, f := range all.made {
		if f.shape == m.NestedShape() {
			own := &family{shape: f.shape, root: v, paths: map[string]*generation{}}
			for path, g := range f.paths {
				own.paths[path] = &generation{&View{Segment: g.view.Segment, Live: g.view.Live, family: own, path: path}, g.outer, g.up}
			}
			return own, nil
		}
	}
	f := &family{shape: m.NestedShape(), root: v, paths: map[string]*generation{}}
	builders := map[string]*segment.Builder{}
	for _, path := range m.Nested() {
		builders[path] = segment.NewBuilder()
		f.paths[path] = &generation{outer: m.NestedPath(outer(path))}
	}
	parser, sources := mapping.NewParser(m), v.Sources()
	for doc := range v.Docs() {
		raw, err := sources.Get(doc)
		if err != nil {
			return nil, fmt.Errorf("read nested documents: %w", err)
		}
		// The builder copies what it keeps of the source, which the next read overwrites.
		parsed, err := parser.Parse(v.ID(doc), raw)
		if err != nil {
			continue // taken under an older mapping, which did not read what does not fit
		}
		f.add(builders, parsed, uint32(doc))
	}
	for path, b := range builders {
		seg, err := transient(b)
		if err != nil {
			return nil, fmt.Errorf("index nested documents of [%s]: %w", path, err)
		}
		f.paths[path].view = &View{Segment: seg, Live: seg.Docs(), family: f, path: path}
	}
	all.made = append(all.made, f)
	return f, nil
}

func outer(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' {
			return path[:i]
		}
	}
	return ""
}

func (f *family) add(builders map[string]*segment.Builder, d *mapping.Document, at uint32) {
	for _, child := range d.Nested {
		row := builders[child.Path].Add(child, "", nil, 0, 0)
		g := f.paths[child.Path]
		g.up = append(g.up, at)
		f.add(builders, child, uint32(row))
	}
}

// transient is a segment of which no name is left on disk.
func transient(b *segment.Builder) (*segment.Segment, error) {
	file, err := os.CreateTemp("", "obsandbox-nested-*.seg")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	_ = file.Close()
	defer os.Remove(file.Name())
	if err := b.Write(file.Name(), false); err != nil {
		return nil, err
	}
	return segment.Open(file.Name())
}

// close gives up the nested documents.
func (all *families) close() {
	for _, f := range all.made {
		for _, g := range f.paths {
			_ = g.view.Close()
		}
	}
}
