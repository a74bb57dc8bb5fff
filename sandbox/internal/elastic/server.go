package elastic

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// server answers Elasticsearch's HTTP API.
type server struct {
	c       *cluster.Cluster
	log     *slog.Logger
	address string
	started time.Time
	routes  []route
	readers readers
}

// maxBody is http.max_content_length's default.
const maxBody = 100 << 20

// route is one way of the API.
type route struct {
	method   string
	segments []string
	params   []string
	handle   func(*request) (any, error)
}

// request is a request with what its route took from it.
type request struct {
	ctx  context.Context
	s    *server
	http *http.Request
	vars map[string]string
	q    url.Values
	body []byte
}

// reply is an answer with a status other than 200, or one that is not JSON.
type reply struct {
	status int
	body   any
	text   string
	header map[string]string
}

func newServer(c *cluster.Cluster, log *slog.Logger, address string) *server {
	s := &server{c: c, log: log, address: address, started: time.Now()}
	s.readers.init(time.Now)
	s.rootRoutes()
	s.documentRoutes()
	s.searchRoutes()
	s.indexRoutes()
	s.templateRoutes()
	s.ilmRoutes()
	s.catRoutes()
	s.clusterRoutes()
	return s
}

func (s *server) close() { s.readers.closeAll() }

// on adds a route: "GET,POST /{index}/_search", the query parameters it takes, and what answers.
func (s *server) on(pattern, params string, handle func(*request) (any, error)) {
	methods, path, _ := strings.Cut(pattern, " ")
	for _, m := range strings.Split(methods, ",") {
		s.routes = append(s.routes, route{m, strings.Split(strings.Trim(path, "/"), "/"), strings.Fields(params), handle})
	}
}

// match finds the route of a path; literal segments win over variables.
func (r *route) match(segments []string) (vars map[string]string, literals int) {
	if len(segments) != len(r.segments) {
		return nil, -1
	}
	vars = map[string]string{}
	for i, want := range r.segments {
		if name, ok := strings.CutPrefix(want, "{"); ok {
			// Names of indices never begin with an underscore; that is how the API tells them from its verbs.
			if i == 0 && strings.HasPrefix(segments[i], "_") && segments[i] != "_all" || segments[i] == "" {
				return nil, -1
			}
			vars[strings.TrimSuffix(name, "}")] = segments[i]
			continue
		}
		if want != segments[i] {
			return nil, -1
		}
		literals++
	}
	return vars, literals
}

func (s *server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r := &request{ctx: hr.Context(), s: s, http: hr, q: hr.URL.Query()}
	result, err := r.serve()
	if err != nil {
		var e *eserr.Error
		if !errors.As(err, &e) {
			s.log.Error("request failed", "method", hr.Method, "path", hr.URL.Path, "err", err)
		}
		e = eserr.From(err)
		rep := reply{status: e.Code(), body: e.Body()}
		if old, ok := result.(reply); ok { // an answer with its own form
			rep = old
		}
		result = rep
	}
	r.write(w, result)
}

func (r *request) serve() (any, error) {
	path := strings.Trim(r.http.URL.EscapedPath(), "/")
	segments := strings.Split(path, "/")
	for i, seg := range segments {
		plain, err := url.PathUnescape(seg)
		if err != nil {
			return nil, eserr.Illegal("invalid path [%s]", path)
		}
		segments[i] = plain
	}
	method := r.http.Method
	var best *route
	bestLiterals := -1
	var allowed []string
	for i := range r.s.routes {
		rt := &r.s.routes[i]
		vars, literals := rt.match(segments)
		if literals < 0 {
			continue
		}
		if rt.method != method && !(method == http.MethodHead && rt.method == http.MethodGet) {
			if !slices.Contains(allowed, rt.method) {
				allowed = append(allowed, rt.method)
			}
			continue
		}
		if literals > bestLiterals {
			best, bestLiterals, r.vars = rt, literals, vars
		}
	}
	if best == nil {
		if len(allowed) > 0 {
			msg := fmt.Sprintf("Incorrect HTTP method for uri [%s] and method [%s], allowed: [%s]", r.http.URL.RequestURI(), method, strings.Join(allowed, ", "))
			return reply{status: 405, body: map[string]any{"error": msg, "status": 405}, header: map[string]string{"Allow": strings.Join(allowed, ",")}}, nil
		}
		msg := fmt.Sprintf("no handler found for uri [%s] and method [%s]", r.http.URL.RequestURI(), method)
		return reply{status: 400, body: map[string]any{"error": msg}}, nil
	}
	var unknown []string
	for key := range r.q {
		if !slices.Contains(best.params, key) && !slices.Contains([]string{"pretty", "human", "error_trace", "filter_path", "source", "source_content_type", "format"}, key) {
			unknown = append(unknown, "["+key+"]")
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		plural := ""
		if len(unknown) > 1 {
			plural = "s"
		}
		return nil, eserr.Illegal("request [%s] contains unrecognized parameter%s: %s", r.http.URL.Path, plural, strings.Join(unknown, ", "))
	}
	if name := r.q.Get("index"); name != "" && r.vars["index"] == "" {
		r.vars["index"] = name
	}
	if err := r.harmless(); err != nil {
		return nil, err
	}
	if err := r.readBody(); err != nil {
		return nil, err
	}
	if strings.Contains(r.http.Header.Get("Accept"), "compatible-with=7") || strings.Contains(r.http.Header.Get("Content-Type"), "compatible-with=7") {
		return nil, eserr.New(400, "media_type_header_exception", "Invalid media-type value on headers [Accept, Content-Type]").
			CausedBy(eserr.New(400, "status_exception", "A compatible version is required on both Content-Type and Accept headers. Accept version must be either version 9 or 8, but found 7."))
	}
	return best.handle(r)
}

// harmless refuses the values of known parameters that this store does not act on and that would change the answer.
func (r *request) harmless() error {
	for name, fine := range map[string]string{
		"routing": "", "stored_fields": "_none_", "pipeline": "_none", "realtime": "true", "wait_for_completion": "true", "max_docs": "",
		"lazy": "false", "write_index_only": "false", "features": "", "reopen": "false", "force_synthetic_source": "false", "wait_for_active_shards": "0 1",
	} {
		if v := r.q.Get(name); v != "" && !slices.Contains(strings.Fields(fine), v) {
			return eserr.Unsupported("parameter [%s] with value [%s]", name, v)
		}
	}
	return nil
}

func (r *request) readBody() error {
	body := io.Reader(http.MaxBytesReader(nil, r.http.Body, maxBody))
	if r.http.Header.Get("Content-Encoding") == "gzip" {
		zr, err := gzip.NewReader(body)
		if err != nil {
			return eserr.Illegal("the body is not gzip: %s", err)
		}
		body = io.LimitReader(zr, maxBody+1)
	}
	var buf bytes.Buffer
	if n := r.http.ContentLength; n > 0 && n <= maxBody {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(body); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return eserr.New(413, "content_too_long_exception", "entity content is too long, the maximum is [%d]", maxBody)
		}
		return eserr.Illegal("read the body: %s", err)
	}
	if buf.Len() > maxBody {
		return eserr.New(413, "content_too_long_exception", "entity content is too long, the maximum is [%d]", maxBody)
	}
	r.body = buf.Bytes()
	if len(r.body) == 0 && r.q.Get("source") != "" {
		r.body = []byte(r.q.Get("source"))
	}
	if ct := r.http.Header.Get("Content-Type"); len(r.body) > 0 && ct != "" {
		base, _, _ := strings.Cut(ct, ";")
		switch strings.TrimSpace(strings.ToLower(base)) {
		case "application/json", "application/x-ndjson", "application/vnd.elasticsearch+json", "application/vnd.elasticsearch+x-ndjson", "text/plain":
		default:
			return eserr.New(406, "media_type_header_exception", "Content-Type header [%s] is not supported", ct)
		}
	}
	return nil
}

// json is the body as a tree; nil where it is empty.
func (r *request) json() (*xcontent.Value, error) { return xcontent.Parse(r.body) }

// object is the body as an object with exact numbers.
func (r *request) object() (map[string]any, error) {
	v, err := r.json()
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, eserr.New(400, "parse_exception", "request body is required")
	}
	m, ok := v.Any().(map[string]any)
	if !ok {
		return nil, eserr.New(400, "parse_exception", "Failed to parse content to map: expected an object")
	}
	return m, nil
}

// flag is a boolean parameter.
func (r *request) flag(name string, def bool) (bool, error) {
	if !r.q.Has(name) {
		return def, nil
	}
	switch r.q.Get(name) {
	case "", "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, eserr.Illegal("Failed to parse value [%s] as only [true] or [false] are allowed.", r.q.Get(name))
}

// number is an integer parameter.
func (r *request) number(name string, def int) (int, error) {
	if !r.q.Has(name) {
		return def, nil
	}
	n, err := strconv.Atoi(r.q.Get(name))
	if err != nil {
		return 0, eserr.Illegal("Failed to parse int parameter [%s] with value [%s]", name, r.q.Get(name))
	}
	return n, nil
}

func (r *request) duration(name string, def time.Duration) (time.Duration, error) {
	if !r.q.Has(name) {
		return def, nil
	}
	d, err := dates.Duration(r.q.Get(name))
	if err != nil {
		return 0, eserr.Illegal("failed to parse setting [%s] with value [%s] as a time value: unit is missing or unrecognized", name, r.q.Get(name))
	}
	return d, nil
}

// expand reads the parameters that say which indices a name may mean.
func (r *request) expand(def cluster.Options) (cluster.Options, error) {
	o := def
	var err error
	if o.IgnoreMissing, err = r.flag("ignore_unavailable", def.IgnoreMissing); err != nil {
		return o, err
	}
	if o.AllowNone, err = r.flag("allow_no_indices", def.AllowNone); err != nil {
		return o, err
	}
	if r.q.Has("expand_wildcards") {
		o.Open, o.Closed, o.Hidden = false, false, false
		for _, w := range strings.Split(r.q.Get("expand_wildcards"), ",") {
			switch w {
			case "open":
				o.Open = true
			case "closed":
				o.Closed = true
			case "hidden":
				o.Hidden = true
			case "all":
				o.Open, o.Closed, o.Hidden = true, true, true
			case "none":
			default:
				return o, eserr.Illegal("No valid expand wildcard value [%s]", w)
			}
		}
	}
	return o, nil
}

// The common sets of parameters.
const (
	expandParams = "ignore_unavailable allow_no_indices expand_wildcards "
	masterParams = "master_timeout timeout "
)

func (r *request) write(w http.ResponseWriter, result any) {
	rep, ok := result.(reply)
	if !ok {
		rep = reply{status: 200, body: result}
	}
	if rep.status == 0 {
		rep.status = 200
	}
	h := w.Header()
	h.Set("X-Elastic-Product", "Elasticsearch")
	for k, v := range rep.header {
		h.Set(k, v)
	}
	var out []byte
	if rep.text != "" || rep.body == nil {
		h.Set("Content-Type", "text/plain; charset=UTF-8")
		out = []byte(rep.text)
	} else {
		h.Set("Content-Type", "application/json")
		for _, accept := range []string{r.http.Header.Get("Accept"), r.http.Header.Get("Content-Type")} {
			if strings.HasPrefix(accept, "application/vnd.elasticsearch+") {
				v := "9"
				if strings.Contains(accept, "compatible-with=8") {
					v = "8"
				}
				h.Set("Content-Type", "application/vnd.elasticsearch+json;compatible-with="+v)
				break
			}
		}
		var err error
		if out, err = r.encode(rep.body); err != nil {
			r.s.log.Error("encode an answer", "path", r.http.URL.Path, "err", err)
			rep.status, out = 500, []byte(`{"error":{"type":"exception","reason":"the answer could not be encoded"},"status":500}`)
		}
	}
	if len(out) > 1400 && strings.Contains(r.http.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		w.WriteHeader(rep.status)
		if r.http.Method != http.MethodHead {
			zw, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
			_, _ = zw.Write(out)
			_ = zw.Close()
		}
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(rep.status)
	if r.http.Method != http.MethodHead {
		_, _ = w.Write(out)
	}
}

// encode prints an answer, through filter_path and pretty.
func (r *request) encode(body any) ([]byte, error) {
	raw, ready := body.(json.RawMessage)
	if path := r.q.Get("filter_path"); path != "" && path != bulkFilter {
		if !ready {
			var err error
			if raw, err = encodeJSON(body); err != nil {
				return nil, err
			}
		}
		var err error
		if body, err = filterPath(raw, path); err != nil {
			return nil, err
		}
		ready = false
	}
	if !ready {
		var err error
		if raw, err = encodeJSON(body); err != nil {
			return nil, err
		}
	}
	if r.q.Has("pretty") && r.q.Get("pretty") != "false" {
		var out bytes.Buffer
		if err := json.Indent(&out, raw, "", "  "); err != nil {
			return nil, err
		}
		out.WriteByte('\n')
		return out.Bytes(), nil
	}
	return raw, nil
}

func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}), nil
}
