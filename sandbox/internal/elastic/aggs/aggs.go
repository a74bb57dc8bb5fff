// Package aggs reads and computes aggregations.
package aggs

import (
	"time"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// Env is what aggregations are computed over.
type Env struct {
	Targets []*search.Target
	Now     time.Time
	Request *search.Request
}

// Tree is a request's aggregations.
type Tree struct{}

// Parse reads aggregations.
func Parse(v *xcontent.Value, env Env) (*Tree, error) {
	return nil, eserr.Unsupported("search parameter [aggs]")
}

// Collect takes a segment's matching documents.
func (t *Tree) Collect(target *search.Target, node query.Node, v *engine.View, docs query.Bits) error {
	return nil
}

// Result is the answer's aggregations.
func (t *Tree) Result(typed bool) (map[string]any, error) { return nil, nil }
