package elastic

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/query"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/segment"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// chosen is a document that a query has found.
type chosen struct {
	target *search.Target
	view   *engine.View
	doc    int
}

// write is the operation on it, which conflicts where somebody has changed it since the query saw it.
func (c chosen) write() item {
	return item{action: "delete", index: c.target.Index, op: engine.Op{Kind: engine.Delete, ID: c.view.ID(c.doc), IfSeqNo: c.view.Segment.Seq.At(c.doc), IfPrimaryTerm: 1}}
}

func (r *request) deleteByQuery() (any, error) {
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	plain, _ := without(body, "conflicts")
	if _, err := search.ParseRequest(plain); err != nil {
		return nil, err
	}
	if !body.Has("query") && r.q.Get("q") == "" {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: query is missing;")
	}
	return r.byQuery(body, "deleted", func(c chosen) (item, error) { return c.write(), nil })
}

// updateByQuery writes documents anew as they are, so that they are as a changed mapping has them.
func (r *request) updateByQuery() (any, error) {
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	if body.Has("script") {
		return nil, eserr.Unsupported("[script] of _update_by_query")
	}
	readers := map[*engine.View]*segment.Sources{}
	return r.byQuery(body, "updated", func(c chosen) (item, error) {
		it := c.write()
		if !c.target.Mapping.SourceEnabled {
			return it, eserr.Illegal("[%s][%s] didn't store _source", c.target.Index, it.op.ID)
		}
		if readers[c.view] == nil {
			readers[c.view] = c.view.Sources()
		}
		source, err := readers[c.view].Get(c.doc)
		it.action, it.op.Kind, it.op.Source = "index", engine.Index, bytes.Clone(source)
		return it, err
	})
}

// byQuery writes to all documents that a query finds, batch after batch. Conflicts end it after their batch, unless it is
// told to proceed.
func (r *request) byQuery(body *xcontent.Value, did string, write func(chosen) (item, error)) (any, error) {
	begin := time.Now()
	conflicts := r.q.Get("conflicts")
	body, said := without(body, "conflicts")
	if conflicts == "" && said != nil {
		conflicts = said.Text()
	}
	if conflicts != "" && conflicts != "abort" && conflicts != "proceed" {
		return nil, eserr.Illegal(`conflicts may only be "proceed" or "abort" but was [%s]`, conflicts)
	}
	batch, err := r.number("scroll_size", 1000)
	if err != nil {
		return nil, err
	}
	switch {
	case batch == 0:
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: [size] cannot be [0] in a scroll context;")
	case batch < 0:
		return nil, eserr.Illegal("[size] parameter cannot be negative, found [%d]", batch)
	}
	refresh, err := r.flag("refresh", false)
	if err != nil {
		return nil, err
	}
	found, done, err := r.choose(body)
	if err != nil {
		return nil, err
	}
	defer done()
	batches, written, conflicted := 0, 0, 0
	failures := []any{}
	status := 200
	touched := map[*cluster.Index]bool{}
	for some := range slices.Chunk(found, batch) {
		batches++
		items := make([]item, len(some))
		for i, c := range some {
			if items[i], err = write(c); err != nil {
				return nil, err
			}
		}
		if err := r.s.run(items, bulkDefaults{}, "false"); err != nil {
			return nil, err
		}
		for _, it := range items {
			if it.err == nil {
				written++
				touched[it.target] = true
				continue
			}
			if it.err.Type == versionConflict {
				conflicted++
				if conflicts == "proceed" {
					continue
				}
			}
			status = max(status, it.err.Code())
			failures = append(failures, map[string]any{"index": it.index, "id": it.op.ID, "cause": it.err.Object(), "status": it.err.Code()})
		}
		if len(failures) > 0 {
			break
		}
	}
	if refresh {
		if err := r.s.settle(touched, "true"); err != nil {
			return nil, err
		}
	}
	out := map[string]any{"took": time.Since(begin).Milliseconds(), "timed_out": false, "total": len(found), "deleted": 0, "batches": batches,
		"version_conflicts": conflicted, "noops": 0, "retries": map[string]any{"bulk": 0, "search": 0}, "throttled_millis": 0,
		"requests_per_second": json.Number("-1.0"), "throttled_until_millis": 0, "failures": failures}
	out[did] = written
	return reply{status: status, body: out}, nil
}

// choose finds the documents of a search; release them after use.
func (r *request) choose(body *xcontent.Value) (_ []chosen, _ func(), err error) {
	req, err := r.urlRequest(body)
	if err != nil {
		return nil, nil, err
	}
	o, err := r.searchOptions()
	if err != nil {
		return nil, nil, err
	}
	targets, done, err := r.s.targets(r.vars["index"], o)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			done()
		}
	}()
	var found []chosen
	for _, t := range targets {
		node, _, err := req.Build(t, r.s.c.Now())
		if err != nil {
			return nil, nil, search.Phase(t.Index, err)
		}
		for _, v := range t.Snapshot.Views {
			query.Matches(node, v).Each(func(doc int) { found = append(found, chosen{t, v, doc}) })
		}
	}
	return found, done, nil
}

// without is an object without a member, and that member; nil where it has none.
func without(v *xcontent.Value, key string) (*xcontent.Value, *xcontent.Value) {
	said := v.Get(key)
	if said == nil {
		return v, nil
	}
	rest := *v
	rest.Members = slices.DeleteFunc(slices.Clone(v.Members), func(m xcontent.Member) bool { return m.Key == key })
	return &rest, said
}
