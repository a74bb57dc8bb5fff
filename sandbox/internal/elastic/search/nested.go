package search

import (
	"strings"

	"obsandbox/sandbox/internal/elastic/engine"
)

// Within is the target as seen from a nested path: its documents are the nested ones there. "" is the target itself.
func (t *Target) Within(path string) (*Target, error) {
	if path == t.Scope {
		return t, nil
	}
	inner := *t
	inner.Scope, inner.outer, inner.Snapshot = path, t, &engine.Snapshot{}
	for _, v := range t.Snapshot.Views {
		rows, _, err := v.Rows(t.Mapping, path)
		if err != nil {
			return nil, err
		}
		inner.Snapshot.Views = append(inner.Snapshot.Views, rows.View)
	}
	return &inner, nil
}

// Outer is the target at the root.
func (t *Target) Outer() *Target {
	for t.outer != nil {
		t = t.outer
	}
	return t
}

// Inside says whether the target's nested path lies below another; below "" they all do.
func (t *Target) Inside(path string) bool {
	return t.Scope != "" && (path == "" || strings.HasPrefix(t.Scope, path+"."))
}
