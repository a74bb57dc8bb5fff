package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/search"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// bulkFilter is the filter_path that Logstash's output sends; it is applied while the answer is made.
const bulkFilter = "errors,items.*.error,items.*.status"

// item is one action of a bulk request.
type item struct {
	action string
	index  string
	op     engine.Op
	// update is the body of an update.
	update       *updateRequest
	requireAlias bool
	wantSource   *search.SourceFilter
	target       *cluster.Index
	result       engine.Result
	get          map[string]any
	err          *eserr.Error
	noop         bool
}

// versionConflict is the type of the error of a write that expected the document to be another one.
const versionConflict = "version_conflict_engine_exception"

// bulkDefaults are what a bulk request's URL says for all items.
type bulkDefaults struct {
	index                       string
	requireAlias, requireStream bool
	source                      *search.SourceFilter
}

// parseBulk reads a bulk body. An error is the whole request's; what is wrong with one document is found later.
func parseBulk(body []byte, d bulkDefaults) ([]item, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, eserr.New(400, "parse_exception", "request body is required")
	}
	if body[len(body)-1] != '\n' {
		return nil, eserr.Illegal("The bulk request must be terminated by a newline [\\n]")
	}
	var items []item
	line := 0
	next := func() ([]byte, bool) {
		if len(body) == 0 {
			return nil, false
		}
		i := bytes.IndexByte(body, '\n')
		text := body[:i]
		body = body[i+1:]
		line++
		return bytes.TrimSuffix(text, []byte{'\r'}), true
	}
	for {
		head, ok := next()
		if !ok {
			break
		}
		if len(bytes.TrimSpace(head)) == 0 {
			continue
		}
		it, err := parseAction(head, line, d)
		if err != nil {
			return nil, err
		}
		if it.action != "delete" {
			src, ok := next()
			if !ok {
				return nil, eserr.Illegal("Malformed content, found extra data after parsing: END_OBJECT or missing source on line [%d]", line)
			}
			if it.action == "update" {
				if it.update, err = parseUpdate(src); err != nil {
					it.err = eserr.From(err)
				}
			} else {
				it.op.Source = src
			}
		}
		items = append(items, it)
	}
	if len(items) == 0 {
		return nil, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: no requests added;")
	}
	return items, nil
}

func parseAction(head []byte, line int, d bulkDefaults) (item, error) {
	it := item{index: d.index, requireAlias: d.requireAlias, op: engine.Op{IfSeqNo: -1}, wantSource: d.source}
	v, err := xcontent.Parse(head)
	if err != nil {
		return it, err
	}
	if !v.Is(xcontent.Object) {
		return it, eserr.Illegal("Malformed action/metadata line [%d], expected START_OBJECT but found [%s]", line, token(v))
	}
	if len(v.Members) == 0 {
		return it, eserr.Illegal("Malformed action/metadata line [%d], expected FIELD_NAME but found [END_OBJECT]", line)
	}
	m := v.Members[0]
	it.action = m.Key
	switch m.Key {
	case "index":
		it.op.Kind = engine.Index
	case "create":
		it.op.Kind = engine.Create
	case "delete":
		it.op.Kind = engine.Delete
	case "update":
	default:
		return it, eserr.Illegal("Malformed action/metadata line [%d], expected field [create], [delete], [index] or [update] but found [%s]", line, m.Key)
	}
	if !m.Value.Is(xcontent.Object) {
		return it, eserr.Illegal("Malformed action/metadata line [%d], expected START_OBJECT but found [%s]", line, token(m.Value))
	}
	if len(v.Members) > 1 {
		return it, eserr.Illegal("Malformed action/metadata line [%d], expected END_OBJECT but found [FIELD_NAME]", line)
	}
	versionType := ""
	for _, p := range m.Value.Members {
		if !p.Value.Scalar() && !p.Value.Is(xcontent.Null) && p.Key != "_source" && p.Key != "dynamic_templates" {
			return it, eserr.Illegal("Malformed action/metadata line [%d], expected a simple value for field [%s] but found [%s]", line, p.Key, token(p.Value))
		}
		switch p.Key {
		case "_index":
			it.index = p.Value.Text()
		case "_id":
			it.op.ID = p.Value.Text()
		case "routing", "_routing":
			if p.Value.Text() != "" {
				return it, eserr.Unsupported("bulk parameter [routing] on line [%d]", line)
			}
		case "op_type":
			if p.Value.Text() == "create" && m.Key == "index" {
				it.op.Kind = engine.Create
			}
		case "if_seq_no":
			it.op.IfSeqNo, err = p.Value.Int()
		case "if_primary_term":
			it.op.IfPrimaryTerm, err = p.Value.Int()
		case "version":
			it.op.ExternalVersion, err = p.Value.Int()
		case "version_type":
			versionType = p.Value.Text()
		case "retry_on_conflict", "list_executed_pipelines":
		case "pipeline":
			if t := p.Value.Text(); t != "" && t != "_none" {
				return it, eserr.Unsupported("bulk parameter [pipeline] on line [%d]", line)
			}
		case "dynamic_templates":
			if len(p.Value.Members) > 0 {
				return it, eserr.Unsupported("bulk parameter [dynamic_templates] on line [%d]", line)
			}
		case "require_alias":
			it.requireAlias, err = p.Value.Bool()
		case "_source":
			var f search.SourceFilter
			f, err = search.ParseSource(p.Value)
			it.wantSource = &f
		default:
			return it, eserr.Illegal("Action/metadata line [%d] contains an unknown parameter [%s]", line, p.Key)
		}
		if err != nil {
			return it, err
		}
	}
	if it.err = checkVersion(&it.op, versionType); it.op.ExternalVersion != 0 && it.op.Kind == engine.Create {
		return it, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: create operations do not support explicit versions. use index instead;")
	}
	if it.op.IfSeqNo >= 0 && it.op.IfPrimaryTerm == 0 {
		return it, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: ifSeqNo is set, but primary term is [0];")
	}
	if it.err != nil && it.err.Type == "action_request_validation_exception" {
		return it, it.err
	}
	if it.index == "" {
		return it, eserr.New(400, "action_request_validation_exception", "Validation Failed: %d: index is missing;", 1)
	}
	if it.op.ID == "" && (it.action == "delete" || it.action == "update") {
		return it, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: id is missing;")
	}
	if len(it.op.ID) > 512 {
		return it, eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: id [%s] is too long, must be no longer than 512 bytes but was: %d;", it.op.ID, len(it.op.ID))
	}
	return it, nil
}

// checkVersion makes sense of version and version_type.
func checkVersion(op *engine.Op, versionType string) *eserr.Error {
	switch versionType {
	case "external":
	case "external_gte":
		op.GTE = true
	case "", "internal":
		if op.ExternalVersion != 0 {
			return eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and `if_primary_term` instead;")
		}
	default:
		return eserr.Illegal("No version type match [%s]", versionType)
	}
	return nil
}

func token(v *xcontent.Value) string {
	switch v.Kind {
	case xcontent.Object:
		return "START_OBJECT"
	case xcontent.Array:
		return "START_ARRAY"
	case xcontent.String:
		return "VALUE_STRING"
	case xcontent.Number:
		return "VALUE_NUMBER"
	case xcontent.True, xcontent.False:
		return "VALUE_BOOLEAN"
	}
	return "VALUE_NULL"
}

// run applies items in order, each index's as far as possible at once, and returns when they are durable.
func (s *server) run(items []item, d bulkDefaults, refresh string) error {
	targets := map[string]*cluster.Index{}
	pending := map[*cluster.Index][]int{}
	flush := func(idx *cluster.Index) error {
		list := pending[idx]
		if len(list) == 0 {
			return nil
		}
		delete(pending, idx)
		ops := make([]engine.Op, len(list))
		for i, n := range list {
			ops[i] = items[n].op
		}
		results, err := idx.Shard.Apply(ops)
		if err != nil {
			return err
		}
		for i, n := range list {
			items[n].result, items[n].err = results[i], results[i].Err
			if err := items[n].err; err != nil && err.Type == versionConflict {
				err.With("index", idx.Name).With("index_uuid", idx.UUID).With("shard", "0")
			}
		}
		return nil
	}
	for i := range items {
		it := &items[i]
		if it.err != nil {
			continue
		}
		create := it.op.Kind == engine.Create
		key := it.index
		if create {
			key = "+" + key
		}
		if it.requireAlias {
			key = "@" + key
		}
		idx := targets[key]
		if idx == nil {
			var err error
			if it.action == "delete" && !it.requireAlias {
				idx, err = s.c.ForDelete(it.index)
			} else {
				idx, err = s.c.ForWrite(it.index, create, it.requireAlias, d.requireStream)
			}
			if err != nil {
				e := eserr.From(err)
				if e.Code() >= 500 {
					return err
				}
				it.err = e
				continue
			}
			targets[key] = idx
		}
		it.target = idx
		if it.op.ID == "" {
			it.op.ID, it.op.AutoID = cluster.AutoID(), true
		}
		if it.update != nil {
			if err := flush(idx); err != nil {
				return err
			}
			s.update(it)
			continue
		}
		pending[idx] = append(pending[idx], i)
	}
	touched := map[*cluster.Index]bool{}
	for _, idx := range targets {
		touched[idx] = true
		if err := flush(idx); err != nil {
			return err
		}
	}
	return s.settle(touched, refresh)
}

// settle makes what was done to indices durable, and searchable where that was asked for.
func (s *server) settle(touched map[*cluster.Index]bool, refresh string) error {
	if err := s.c.Save(); err != nil {
		return err
	}
	if err := s.c.Store.Sync(); err != nil {
		return err
	}
	if refresh == "" || refresh == "false" {
		return nil
	}
	for idx := range touched {
		if err := idx.Shard.Refresh(); err != nil {
			return err
		}
	}
	return nil
}

// refreshParam reads the refresh parameter.
func (r *request) refreshParam() (string, error) {
	switch v := r.q.Get("refresh"); {
	case !r.q.Has("refresh"), v == "false":
		return "false", nil
	case v == "" || v == "true":
		return "true", nil
	case v == "wait_for":
		return v, nil
	default:
		return "", eserr.Illegal("Unknown value for refresh: [%s].", v)
	}
}

func (r *request) bulk() (any, error) {
	begin := time.Now()
	d := bulkDefaults{index: r.vars["index"]}
	refresh, err := r.refreshParam()
	if err != nil {
		return nil, err
	}
	if d.requireAlias, err = r.flag("require_alias", false); err != nil {
		return nil, err
	}
	if d.requireStream, err = r.flag("require_data_stream", false); err != nil {
		return nil, err
	}
	if p := r.q.Get("pipeline"); p != "" && p != "_none" {
		return nil, eserr.Unsupported("parameter [pipeline]")
	}
	if r.q.Get("routing") != "" {
		return nil, eserr.Unsupported("parameter [routing]")
	}
	if d.source, err = r.sourceParams(); err != nil {
		return nil, err
	}
	items, err := parseBulk(r.body, d)
	if err != nil {
		return nil, err
	}
	if err := r.s.run(items, d, refresh); err != nil {
		return nil, err
	}
	return printBulk(items, time.Since(begin), refresh == "true", r.q.Get("filter_path") == bulkFilter)
}

// printBulk writes the answer by hand: for large requests a map an item costs more than indexing it.
func printBulk(items []item, took time.Duration, forced, brief bool) (any, error) {
	failed := false
	out := make([]byte, 0, len(items)*200)
	out = append(out, `{"errors":`...)
	for i := range items {
		failed = failed || items[i].err != nil
	}
	out = strconv.AppendBool(out, failed)
	if !brief {
		out = append(out, `,"took":`...)
		out = strconv.AppendInt(out, took.Milliseconds(), 10)
	}
	out = append(out, `,"items":[`...)
	for i := range items {
		it := &items[i]
		if i > 0 {
			out = append(out, ',')
		}
		action := it.action
		if action == "index" && it.op.Kind == engine.Create {
			action = "create"
		}
		out = append(out, `{"`...)
		out = append(out, action...)
		out = append(out, `":{`...)
		status := it.status()
		if !brief {
			index := it.index
			if it.target != nil {
				index = it.target.Name
			}
			out = append(out, `"_index":`...)
			out = appendString(out, index)
			if it.op.ID == "" {
				out = append(out, `,"_id":null,`...)
			} else {
				out = append(out, `,"_id":`...)
				out = appendString(out, it.op.ID)
				out = append(out, ',')
			}
			if it.err == nil {
				out = fmt.Appendf(out, `"_version":%d,"result":%q,`, it.result.Version, it.result.Result)
				if forced {
					out = append(out, `"forced_refresh":true,`...)
				}
				out = fmt.Appendf(out, `"_shards":%s,"_seq_no":%d,"_primary_term":1,`, it.shards(), it.result.Seq)
				if it.get != nil {
					raw, err := encodeJSON(it.get)
					if err != nil {
						return nil, err
					}
					out = append(append(append(out, `"get":`...), raw...), ',')
				}
			}
		}
		out = append(out, `"status":`...)
		out = strconv.AppendInt(out, int64(status), 10)
		if it.err != nil {
			raw, err := encodeJSON(it.err.Object())
			if err != nil {
				return nil, err
			}
			out = append(append(out, `,"error":`...), raw...)
		}
		out = append(out, `}}`...)
	}
	out = append(out, `]}`...)
	return json.RawMessage(out), nil
}

func appendString(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			raw, err := encodeJSON(s)
			if err != nil {
				return append(out, `""`...)
			}
			return append(out, raw...)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}

// shards is the _shards of a write: replicas are counted, and there is no node for them.
func (it *item) shards() string {
	total := 1
	if it.target != nil && it.target.Setting("auto_expand_replicas") == "" {
		if n, err := strconv.Atoi(it.target.Setting("number_of_replicas")); err == nil {
			total += n
		}
	}
	if it.noop {
		return `{"total":0,"successful":0,"failed":0}`
	}
	return fmt.Sprintf(`{"total":%d,"successful":1,"failed":0}`, total)
}

func (it *item) status() int {
	switch {
	case it.err != nil:
		return it.err.Code()
	case it.result.Result == "created":
		return 201
	case it.result.Result == "not_found":
		return 404
	}
	return 200
}
