package elastic

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

const (
	sourceParamNames = "_source _source_includes _source_excludes "
	changeParams     = "refresh timeout wait_for_active_shards if_seq_no if_primary_term routing "
	writeParams      = changeParams + "version version_type op_type require_alias require_data_stream pipeline include_source_on_error "
)

func (s *server) documentRoutes() {
	bulk := sourceParamNames + "refresh timeout wait_for_active_shards require_alias require_data_stream pipeline routing list_executed_pipelines include_source_on_error"
	s.on("POST,PUT /_bulk", bulk, (*request).bulk)
	s.on("POST,PUT /{index}/_bulk", bulk, (*request).bulk)
	s.on("PUT,POST /{index}/_doc/{id}", writeParams, func(r *request) (any, error) { return r.index(engine.Index) })
	s.on("POST /{index}/_doc", writeParams, func(r *request) (any, error) { return r.index(engine.Index) })
	s.on("PUT,POST /{index}/_create/{id}", writeParams, func(r *request) (any, error) { return r.index(engine.Create) })
	s.on("DELETE /{index}/_doc/{id}", changeParams+"version version_type", (*request).delete)
	s.on("POST /{index}/_update/{id}", changeParams+sourceParamNames+"require_alias retry_on_conflict include_source_on_error", (*request).updateDoc)
	get := sourceParamNames + "realtime refresh preference routing stored_fields force_synthetic_source"
	s.on("GET /{index}/_doc/{id}", get, (*request).get)
	s.on("GET /{index}/_source/{id}", get, (*request).getSource)
	s.on("GET,POST /_mget", get, (*request).mget)
	s.on("GET,POST /{index}/_mget", get, (*request).mget)
}

// sourceParams reads _source and its like from the URL; nil where there are none.
func (r *request) sourceParams() (*search.SourceFilter, error) {
	var f search.SourceFilter
	found := false
	if r.q.Has("_source") {
		found = true
		switch v := r.q.Get("_source"); v {
		case "true", "":
		case "false":
			f.Off = true
		default:
			f.Includes = strings.Split(v, ",")
		}
	}
	for name, to := range map[string]*[]string{"_source_includes": &f.Includes, "_source_excludes": &f.Excludes} {
		if v := r.q.Get(name); v != "" {
			found = true
			*to = strings.Split(v, ",")
		}
	}
	if !found {
		return nil, nil
	}
	return &f, nil
}

// single does one item and prints it as the document APIs do.
func (r *request) single(it item) (any, error) {
	refresh, err := r.refreshParam()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"pipeline", "routing"} {
		if v := r.q.Get(name); v != "" && v != "_none" {
			return nil, eserr.Unsupported("parameter [%s]", name)
		}
	}
	var d bulkDefaults
	if it.requireAlias, err = r.flag("require_alias", false); err != nil {
		return nil, err
	}
	if d.requireStream, err = r.flag("require_data_stream", false); err != nil {
		return nil, err
	}
	for name, to := range map[string]*int64{"if_seq_no": &it.op.IfSeqNo, "if_primary_term": &it.op.IfPrimaryTerm, "version": &it.op.ExternalVersion} {
		if v := r.q.Get(name); v != "" {
			if *to, err = strconv.ParseInt(v, 10, 64); err != nil {
				return nil, eserr.Illegal("Failed to parse long parameter [%s] with value [%s]", name, v)
			}
		}
	}
	if e := checkVersion(&it.op, r.q.Get("version_type")); e != nil {
		return nil, e
	}
	items := []item{it}
	if err := r.s.run(items, d, refresh); err != nil {
		return nil, err
	}
	it = items[0]
	if it.err != nil {
		return nil, it.err
	}
	out := map[string]any{"_index": it.target.Name, "_id": it.op.ID, "_version": it.result.Version, "result": it.result.Result,
		"_shards": json.RawMessage(it.shards()), "_seq_no": it.result.Seq, "_primary_term": 1}
	if refresh == "true" {
		out["forced_refresh"] = true
	}
	if it.get != nil {
		out["get"] = it.get
	}
	rep := reply{status: it.status(), body: out}
	if rep.status == 201 {
		rep.header = map[string]string{"Location": "/" + it.target.Name + "/_doc/" + it.op.ID}
	}
	return rep, nil
}

func (r *request) index(kind engine.Kind) (any, error) {
	if len(bytes.TrimSpace(r.body)) == 0 {
		return nil, eserr.New(400, "parse_exception", "request body is required")
	}
	it := item{action: "index", index: r.vars["index"], op: engine.Op{Kind: kind, ID: r.vars["id"], Source: r.body, IfSeqNo: -1}}
	switch r.q.Get("op_type") {
	case "create":
		it.op.Kind = engine.Create
	case "", "index":
		if it.op.ID == "" && r.q.Get("op_type") == "" {
			it.op.Kind = engine.Create // an id that is made here conflicts with nothing, and data streams take only this
		}
	default:
		return nil, eserr.Illegal("opType must be 'create' or 'index', found: [%s]", r.q.Get("op_type"))
	}
	if len(it.op.ID) > 512 {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: id [%s] is too long, must be no longer than 512 bytes but was: %d;", it.op.ID, len(it.op.ID))
	}
	return r.single(it)
}

func (r *request) delete() (any, error) {
	return r.single(item{action: "delete", index: r.vars["index"], op: engine.Op{Kind: engine.Delete, ID: r.vars["id"], IfSeqNo: -1}})
}

// updateRequest is the body of an update.
type updateRequest struct {
	doc, upsert *xcontent.Value
	docAsUpsert bool
	detectNoop  bool
	source      *search.SourceFilter
}

func parseUpdate(body []byte) (*updateRequest, error) {
	v, err := xcontent.Parse(body)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, eserr.New(400, "parse_exception", "request body is required")
	}
	u := &updateRequest{detectNoop: true}
	for _, m := range v.Members {
		switch m.Key {
		case "doc":
			u.doc = m.Value
		case "upsert":
			u.upsert = m.Value
		case "doc_as_upsert":
			u.docAsUpsert, err = m.Value.Bool()
		case "detect_noop":
			u.detectNoop, err = m.Value.Bool()
		case "_source":
			var f search.SourceFilter
			f, err = search.ParseSource(m.Value)
			u.source = &f
		case "script", "scripted_upsert":
			return nil, eserr.Unsupported("update parameter [%s]", m.Key)
		default:
			line, col := m.Value.Pos()
			return nil, eserr.XContent(line, col, "[UpdateRequest] unknown field [%s]", m.Key)
		}
		if err != nil {
			return nil, err
		}
	}
	if u.doc == nil && u.upsert == nil {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: script or doc is missing;")
	}
	return u, nil
}

func (r *request) updateDoc() (any, error) {
	u, err := parseUpdate(r.body)
	if err != nil {
		return nil, err
	}
	f, err := r.sourceParams()
	if err != nil {
		return nil, err
	}
	return r.single(item{action: "update", index: r.vars["index"], update: u, wantSource: f, op: engine.Op{ID: r.vars["id"], IfSeqNo: -1}})
}

// updateTries is how often an update is tried again when another one came between.
const updateTries = 10

// update reads a document, changes it and writes it back; a change in between makes it begin again.
func (s *server) update(it *item) {
	for range updateTries {
		old, err := it.target.Shard.Get(it.op.ID)
		if err != nil {
			it.err = eserr.From(err)
			return
		}
		op := engine.Op{Kind: engine.Index, ID: it.op.ID, IfSeqNo: -1}
		var next *xcontent.Value
		switch {
		case old == nil && it.op.IfSeqNo >= 0, old == nil && it.update.upsert == nil && !it.update.docAsUpsert:
			it.err = eserr.New(404, "document_missing_exception", "[%s]: document missing", it.op.ID).
				With("index", it.target.Name).With("index_uuid", it.target.UUID).With("shard", "0")
			return
		case old == nil:
			op.Kind = engine.Create
			if next = it.update.upsert; next == nil || it.update.docAsUpsert {
				next = it.update.doc
			}
		default:
			if it.op.IfSeqNo >= 0 && it.op.IfSeqNo != old.Seq {
				it.err = eserr.New(409, "version_conflict_engine_exception", "[%s]: version conflict, required seqNo [%d], primary term [%d]. current document has seqNo [%d] and primary term [1]",
					it.op.ID, it.op.IfSeqNo, it.op.IfPrimaryTerm, old.Seq)
				return
			}
			op.IfSeqNo, op.IfPrimaryTerm = old.Seq, 1
			have, err := xcontent.Parse(old.Source)
			if err != nil {
				it.err = eserr.From(err)
				return
			}
			if it.update.doc == nil {
				it.noop = true
			} else {
				next = merge(have, it.update.doc)
				it.noop = it.update.detectNoop && reflect.DeepEqual(have.Any(), next.Any())
			}
			if it.noop {
				it.result = engine.Result{ID: op.ID, Version: old.Version, Seq: old.Seq, Result: "noop"}
				it.get = it.updated(old.Source, old.Seq, old.Version)
				return
			}
		}
		var buf bytes.Buffer
		if err := search.Write(jsontext.NewEncoder(&buf), next); err != nil {
			it.err = eserr.From(err)
			return
		}
		op.Source = bytes.TrimSpace(buf.Bytes())
		results, err := it.target.Shard.Apply([]engine.Op{op})
		if err != nil {
			it.err = eserr.From(err)
			return
		}
		if it.result, it.err = results[0], results[0].Err; it.err != nil && it.err.Code() == 409 {
			continue
		}
		if it.err == nil {
			it.get = it.updated(op.Source, it.result.Seq, it.result.Version)
		}
		return
	}
}

// updated is the "get" of an update's answer, where a source was asked for.
func (it *item) updated(src []byte, seq, version int64) map[string]any {
	f := it.wantSource
	if it.update.source != nil {
		f = it.update.source
	}
	if f == nil || f.Off {
		return nil
	}
	kept, err := f.Apply(src)
	if err != nil {
		return nil
	}
	return map[string]any{"_seq_no": seq, "_primary_term": 1, "found": true, "_source": json.RawMessage(kept), "_version": version}
}

// merge lays a partial document over a whole one: objects are merged, everything else replaced.
func merge(under, over *xcontent.Value) *xcontent.Value {
	if !under.Is(xcontent.Object) || !over.Is(xcontent.Object) {
		return over
	}
	out := &xcontent.Value{Kind: xcontent.Object}
	for _, m := range under.Members {
		if o := over.Get(m.Key); o != nil {
			m.Value = merge(m.Value, o)
		}
		out.Members = append(out.Members, m)
	}
	for _, m := range over.Members {
		if !under.Has(m.Key) {
			out.Members = append(out.Members, m)
		}
	}
	return out
}

// one is the single index that a name of a read means.
func (s *server) one(name string) (*cluster.Index, error) {
	list, err := s.c.Resolve(name, cluster.Options{Open: true, Closed: true, Hidden: true})
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, eserr.Illegal("alias [%s] has more than one index associated with it, can't execute a single index op", name)
	}
	idx := list[0].Index
	if idx.State().Closed {
		return nil, eserr.New(400, "index_closed_exception", "closed").With("index", idx.Name).With("index_uuid", idx.UUID)
	}
	return idx, nil
}

func (r *request) lookup(index, id string, f *search.SourceFilter) (map[string]any, *engine.Doc, error) {
	idx, err := r.s.one(index)
	if err != nil {
		return nil, nil, err
	}
	doc, err := idx.Shard.Get(id)
	if err != nil {
		return nil, nil, err
	}
	out := map[string]any{"_index": idx.Name, "_id": id, "found": doc != nil}
	if doc == nil {
		return out, nil, nil
	}
	out["_version"], out["_seq_no"], out["_primary_term"] = doc.Version, doc.Seq, 1
	if !idx.Shard.Mapping().SourceEnabled {
		return out, doc, nil
	}
	if f == nil {
		f = &search.SourceFilter{}
	}
	if !f.Off {
		src, err := f.Apply(doc.Source)
		if err != nil {
			return nil, nil, err
		}
		out["_source"] = json.RawMessage(src)
	}
	return out, doc, nil
}

func (r *request) get() (any, error) {
	f, err := r.sourceParams()
	if err != nil {
		return nil, err
	}
	out, doc, err := r.lookup(r.vars["index"], r.vars["id"], f)
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return reply{status: 404, body: out}, nil
	}
	return out, nil
}

func (r *request) getSource() (any, error) {
	f, err := r.sourceParams()
	if err != nil {
		return nil, err
	}
	out, doc, err := r.lookup(r.vars["index"], r.vars["id"], f)
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, eserr.New(404, "resource_not_found_exception", "Document not found [%s]/[%s]", r.vars["index"], r.vars["id"])
	}
	return out["_source"], nil
}

func (r *request) mget() (any, error) {
	body, err := r.json()
	if err != nil {
		return nil, err
	}
	def, err := r.sourceParams()
	if err != nil {
		return nil, err
	}
	docs := []any{}
	one := func(index, id string, f *search.SourceFilter) error {
		if index == "" {
			return eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: index is missing for doc 0;")
		}
		out, _, err := r.lookup(index, id, f)
		if err != nil {
			e := eserr.From(err)
			out = map[string]any{"_index": index, "_id": id, "error": e.Body()["error"]}
		}
		docs = append(docs, out)
		return nil
	}
	if body != nil {
		for _, m := range body.Members {
			switch m.Key {
			case "ids":
				ids, err := m.Value.Strings()
				if err != nil {
					return nil, err
				}
				for _, id := range ids {
					if err := one(r.vars["index"], id, def); err != nil {
						return nil, err
					}
				}
			case "docs":
				for _, d := range m.Value.Items {
					index, id, f := r.vars["index"], "", def
					for _, p := range d.Members {
						switch p.Key {
						case "_index":
							index = p.Value.Text()
						case "_id":
							id = p.Value.Text()
						case "_source":
							sf, err := search.ParseSource(p.Value)
							if err != nil {
								return nil, err
							}
							f = &sf
						default:
							return nil, eserr.Unsupported("multi get parameter [%s]", p.Key)
						}
					}
					if err := one(index, id, f); err != nil {
						return nil, err
					}
				}
			default:
				line, col := m.Value.Pos()
				return nil, eserr.Parsing(line, col, "unknown key [%s] for a %s, expected [docs] or [ids]", m.Key, m.Value.Describe())
			}
		}
	}
	if len(docs) == 0 {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: no documents to get;")
	}
	return map[string]any{"docs": docs}, nil
}
