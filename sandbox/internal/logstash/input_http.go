package logstash

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/lang"
)

// httpInput takes events as the bodies of HTTP requests.
type httpInput struct {
	codec          codecMaker
	additional     map[string]codecMaker
	deco           inputDecorator
	addr           string
	ecs            bool
	user, password string
	code           int
	headers        map[string]string
	limit          int64
	fieldHost      event.Ref
	fieldHeaders   event.Ref
	log            *slog.Logger
}

func newHTTP(b *build) (input, error) {
	in := &httpInput{
		codec:      b.codec("plain"),
		additional: map[string]codecMaker{},
		deco:       b.inputDecorator(),
		addr:       net.JoinHostPort(b.str("host", "0.0.0.0"), strconv.Itoa(b.integer("port", 8080))),
		ecs:        b.ecs() != "disabled",
		user:       b.str("user", ""),
		password:   b.str("password", ""),
		headers:    map[string]string{"Content-Type": "text/plain"},
		limit:      int64(b.integer("max_content_length", 100<<20)),
		log:        b.log,
	}
	in.code, _ = strconv.Atoi(b.oneOf("response_code", "200", "200", "201", "202", "204"))
	if b.find("response_headers") != nil {
		in.headers = map[string]string{}
	}
	for _, h := range b.hash("response_headers") {
		in.headers[h.Key], _ = h.Value.String()
	}
	codecs := b.hash("additional_codecs")
	if b.find("additional_codecs") == nil {
		codecs = lang.Hash{{Key: "application/json", Value: lang.Value{Pos: b.plugin.Pos, Any: "json"}}}
	}
	for _, c := range codecs {
		inner := *b
		inner.plugin = &lang.Plugin{Pos: c.Pos, Section: b.plugin.Section, Name: b.plugin.Name, Options: []lang.Option{{Pos: c.Pos, Name: "codec", Value: c.Value}}}
		inner.errs = nil
		in.additional[c.Key] = inner.codec("plain")
		b.errs = append(b.errs, inner.errs...)
	}
	host, headers := "host", "headers"
	if in.ecs {
		host, headers = "[host][ip]", "[@metadata][input][http][request][headers]"
	}
	in.fieldHost = b.ref("remote_host_target_field", host)
	in.fieldHeaders = b.ref("request_headers_target_field", headers)
	if b.boolean("ssl_enabled", false) {
		b.fail("ssl_enabled", "TLS is not supported")
	}
	b.ignore("threads", "max_pending_requests")
	return in, b.done()
}

func (in *httpInput) run(ctx context.Context, q *queue) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", in.addr)
	if err != nil {
		return fmt.Errorf("http input: %w", err)
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			in.serve(ctx, w, r, q)
		}),
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("http input: %w", err)
	}
	return nil
}

func (in *httpInput) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, q *queue) {
	if in.user != "" {
		user, password, _ := r.BasicAuth()
		same := subtle.ConstantTimeCompare([]byte(user+"\x00"+password), []byte(in.user+"\x00"+in.password))
		if same != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="Logstash HTTP Input"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, in.limit))
	if err != nil {
		http.Error(w, "Request Entity Too Large", http.StatusRequestEntityTooLarge)
		return
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	maker := in.codec
	if m, ok := in.additional[kind]; ok {
		maker = m
	}
	var events []*event.Event
	emit := func(e *event.Event) { events = append(events, e) }
	c := maker()
	err = c.decode(body, emit)
	c.flush(emit)
	if err != nil {
		in.log.Error("http input: a request cannot be decoded", "error", err)
		http.Error(w, "error", http.StatusInternalServerError)
		return
	}
	for _, e := range events {
		in.describe(e, r, len(body))
		in.deco.decorate(e)
		if q.push(ctx, e, nil) != nil {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
	}
	for k, v := range in.headers {
		w.Header().Set(k, v)
	}
	w.WriteHeader(in.code)
	if in.code != http.StatusNoContent {
		_, _ = io.WriteString(w, "ok")
	}
}

// describe adds what the request says of itself.
func (in *httpInput) describe(e *event.Event, r *http.Request, size int) {
	headers := map[string]any{
		"request_method": r.Method, "request_path": r.URL.RequestURI(), "http_version": r.Proto, "http_host": r.Host,
		"content_length": strconv.Itoa(size),
	}
	for k, v := range r.Header {
		name := strings.ToLower(strings.ReplaceAll(k, "-", "_"))
		if name == "user_agent" || name == "accept" {
			name = "http_" + name
		}
		headers[name] = strings.Join(v, ", ")
	}
	if in.ecs {
		set := func(ref, value string) {
			if value != "" {
				_ = e.Set(event.MustRef(ref), value)
			}
		}
		set("[http][version]", r.Proto)
		set("[user_agent][original]", r.UserAgent())
		set("[http][method]", r.Method)
		set("[url][path]", r.URL.RequestURI())
		set("[http][request][body][bytes]", strconv.Itoa(size))
		set("[http][request][mime_type]", r.Header.Get("Content-Type"))
		if host, port, err := net.SplitHostPort(r.Host); err == nil {
			set("[url][domain]", host)
			number, _ := strconv.ParseInt(port, 10, 64)
			_ = e.Set(event.MustRef("[url][port]"), number)
		} else {
			set("[url][domain]", r.Host)
		}
	}
	_ = e.Set(in.fieldHeaders, headers)
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	_ = e.Set(in.fieldHost, ip)
}
