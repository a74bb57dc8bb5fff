package pipelines

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"obsandbox/sandbox/internal/logstash"
	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/ports"
)

const (
	// startTime is how long another Logstash may take until it answers: a JVM on a busy machine, with many plugins.
	startTime = 5 * time.Minute
	// caseTime is how long it may take for one case.
	caseTime = time.Minute
	// maxFields is what Logstash's http input takes as one header, with some room for the others.
	maxFields = 7000
)

// original is another Logstash, usually the original, that runs with a harness.
type original struct {
	harness *logstash.Harness
	host    string
	process *process
	results map[string]*bufio.Reader
	conns   []net.Conn
	claims  []*ports.Claim
	cases   int
}

// WriteHarness writes into dir the settings with which a Logstash answers to Against url.
func WriteHarness(dir, url string, opts Options) error {
	_, files, err := opts.load()
	if err != nil {
		return err
	}
	h := harnessFor(files)
	if _, err := place(h, url); err != nil {
		return err
	}
	return h.Write(dir, opts.Settings, opts.Env)
}

// place gives a harness's sources and results the ports from the URL's on, and returns the URL's host.
func place(h *logstash.Harness, text string) (host string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("the other Logstash's address: %w", err)
	}
	port, err := strconv.Atoi(cmp.Or(u.Port(), "8080"))
	if err != nil || u.Scheme != "http" || u.Hostname() == "" {
		return "", fmt.Errorf("the other Logstash's address %q: expected http://HOST:PORT", text)
	}
	for _, s := range h.Sources {
		s.Port = port
		port++
	}
	for _, id := range sortedPipelines(h) {
		h.Results[id] = port
		port++
	}
	return u.Hostname(), nil
}

func sortedPipelines(h *logstash.Harness) []string {
	var ids []string
	for id := range h.Results {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// harnessFor lists what the cases come from: inputs of the pipelines, and codecs.
func harnessFor(files []loaded) *logstash.Harness {
	h := &logstash.Harness{Results: map[string]int{}}
	for _, f := range files {
		if f.failed != nil {
			continue
		}
		h.Results[f.pipeline.ID()] = 0
		for _, c := range f.cases {
			input, codec := f.source(c)
			if find := findSource(h, f.pipeline.ID(), input, codec); find == nil {
				h.Sources = append(h.Sources, &logstash.HarnessSource{Pipeline: f.pipeline.ID(), Input: input, Codec: codec})
			}
		}
	}
	slices.SortFunc(h.Sources, func(a, b *logstash.HarnessSource) int {
		return cmp.Or(strings.Compare(a.Pipeline, b.Pipeline), strings.Compare(a.Input, b.Input), strings.Compare(a.Codec, b.Codec))
	})
	return h
}

func findSource(h *logstash.Harness, pipeline, input, codec string) *logstash.HarnessSource {
	for _, s := range h.Sources {
		if s.Pipeline == pipeline && s.Input == input && s.Codec == codec {
			return s
		}
	}
	return nil
}

// startOriginal starts the program that opts name, or finds the one that runs, and waits until it answers.
func startOriginal(ctx context.Context, opts Options, files []loaded) (_ *original, err error) {
	o := &original{harness: harnessFor(files), results: map[string]*bufio.Reader{}}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	if strings.Contains(opts.Against, "://") {
		if o.host, err = place(o.harness, opts.Against); err != nil {
			return o, err
		}
	} else {
		o.host = "127.0.0.1"
		if err := o.claimPorts(ctx); err != nil {
			return o, err
		}
		if opts.Progress != nil {
			opts.Progress("starting " + opts.Against)
		}
		if o.process, err = startProcess(ctx, opts, o.harness); err != nil {
			return o, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for _, id := range sortedPipelines(o.harness) {
		if err := o.connect(ctx, id); err != nil {
			return o, err
		}
	}
	return o, nil
}

// claimPorts finds ports for the harness.
func (o *original) claimPorts(ctx context.Context) error {
	claim := func(port *int) error {
		c, err := ports.Take(ctx, false)
		if err != nil {
			return err
		}
		o.claims, *port = append(o.claims, c), c.Number
		return c.Let()
	}
	for _, s := range o.harness.Sources {
		if err := claim(&s.Port); err != nil {
			return err
		}
	}
	for id := range o.harness.Results {
		var port int
		if err := claim(&port); err != nil {
			return err
		}
		o.harness.Results[id] = port
	}
	return nil
}

// connect waits until a pipeline takes and gives events.
func (o *original) connect(ctx context.Context, id string) error {
	addr := net.JoinHostPort(o.host, strconv.Itoa(o.harness.Results[id]))
	var dialer net.Dialer
	var conn net.Conn
	err := o.retry(ctx, "connect to the results of the pipeline "+id, func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp", addr)
		return err
	})
	if err != nil {
		return err
	}
	o.conns = append(o.conns, conn)
	o.results[id] = bufio.NewReader(conn)
	// The first event that comes back says that the connection is served.
	for _, s := range o.harness.Sources {
		if s.Pipeline != id {
			continue
		}
		err := o.retry(ctx, fmt.Sprintf("send a first event to port %d of the pipeline %s", s.Port, id), func() error {
			if err := o.post(ctx, s, "{}\n", map[string]string{logstash.CaseHeader: "0", logstash.EndHeader: "1"}); err != nil {
				return err
			}
			_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
			_, err := o.read(id, 0)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// retry tries until it goes well, the program has ended, or ctx has.
func (o *original) retry(ctx context.Context, what string, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		var ended <-chan struct{}
		if o.process != nil {
			ended = o.process.ended
		}
		select {
		case <-ended:
			return fmt.Errorf("the other Logstash ended: %w; its last words:\n%s", o.process.err, o.process.lastWords())
		case <-ctx.Done():
			words := ""
			if o.process != nil {
				words = "; its last words:\n" + o.process.lastWords()
			}
			return fmt.Errorf("%s: %w (%w)%s", what, err, ctx.Err(), words)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (o *original) close() {
	for _, c := range o.conns {
		_ = c.Close()
	}
	if o.process != nil {
		o.process.stop()
	}
	for _, c := range o.claims {
		_ = c.Close()
	}
}

// source is where a case's events come from: an input's id, or a codec.
func (f *file) source(c *testCase) (input, codec string) {
	switch {
	case c.given != nil:
		return "", "json { ecs_compatibility => disabled }"
	case len(c.texts) == 0:
		return "", "json"
	case f.inputPlugin != "":
		return f.inputPlugin, ""
	}
	return "", f.codec
}

func (o *original) run(ctx context.Context, p *logstash.Pipeline, f *file, c *testCase) ([]outcome, error) {
	input, codec := f.source(c)
	s := findSource(o.harness, p.ID(), input, codec)
	o.cases++
	number := strconv.Itoa(o.cases)
	fields, err := f.fieldsHeader(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, caseTime)
	defer cancel()
	texts := c.texts
	for _, g := range c.given {
		texts = append(texts, string(event.AppendJSON(nil, g)))
	}
	if len(texts) == 0 {
		texts = []string{"{}"}
	}
	if input != "" && p.Joins(input) || strings.HasPrefix(codec, "multiline") {
		texts = []string{strings.Join(texts, "\n")}
	}
	for _, text := range texts {
		if err := o.post(ctx, s, text, map[string]string{logstash.CaseHeader: number, logstash.FieldsHeader: fields}); err != nil {
			return nil, err
		}
	}
	if err := o.post(ctx, s, "{}\n", map[string]string{logstash.CaseHeader: number, logstash.EndHeader: "1"}); err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	for _, conn := range o.conns {
		_ = conn.SetReadDeadline(deadline)
	}
	return o.read(p.ID(), o.cases)
}

// fieldsHeader are the fields of the case and its file as one JSON object in ASCII, references as its keys.
func (f *file) fieldsHeader(c *testCase) (string, error) {
	all := map[string]any{}
	for _, fields := range []map[string]any{f.fields, c.fields, f.side.Fields} {
		for k, v := range fields {
			meta, isMeta := v.(map[string]any)
			if k != event.MetadataField || !isMeta {
				all[k] = jsonValue(v)
				continue
			}
			// Set as a whole it would take the harness's own with it.
			for name, v := range meta {
				all["["+event.MetadataField+"]["+name+"]"] = jsonValue(v)
			}
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	var out strings.Builder
	for _, r := range string(event.AppendJSON(nil, all)) {
		switch {
		case r < 0x80:
			out.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	if out.Len() > maxFields {
		return "", fmt.Errorf("the case's fields are larger than what another Logstash can be given (%d bytes): put them into the input", maxFields)
	}
	return out.String(), nil
}

// post hands over one text; a Logstash that is busy is asked again.
func (o *original) post(ctx context.Context, s *logstash.HarnessSource, text string, headers map[string]string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+net.JoinHostPort(o.host, strconv.Itoa(s.Port))+"/", strings.NewReader(text))
		if err != nil {
			return err
		}
		// No codec of its own belongs to this type, so the input's is used.
		req.Header.Set("Content-Type", "application/octet-stream")
		for k, v := range headers {
			if v != "" {
				req.Header.Set(k, v)
			}
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("hand a case to the other Logstash: %w", err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		switch {
		case res.StatusCode < 300:
			return nil
		case res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable:
			return fmt.Errorf("hand a case to the other Logstash: %s: %s", res.Status, bytes.TrimSpace(body))
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("hand a case to the other Logstash: %s: %w", res.Status, ctx.Err())
		}
	}
}

// read collects what comes out of a pipeline until the end of a case.
func (o *original) read(id string, number int) ([]outcome, error) {
	var out []outcome
	for {
		line, err := o.results[id].ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("read what came out of the other Logstash: %w", err)
		}
		v, err := event.DecodeJSON(string(line))
		fields, ok := v.(map[string]any)
		if err != nil || !ok {
			return nil, fmt.Errorf("read what came out of the other Logstash: %q is no event", line)
		}
		e, of, end := harnessed(fields)
		switch {
		case of != strconv.Itoa(number) && of != "":
			// Of a case that was given up.
		case end:
			return out, nil
		case slices.Contains(event.ToList(e.fields["tags"]), any("_harness_fields_failed")):
			return nil, errors.New("the other Logstash could not set the case's fields")
		default:
			out = append(out, e)
		}
	}
}

// harnessed takes the harness's own out of an event: the number of its case, whether it is the case's end, and what the
// outputs would do.
func harnessed(fields map[string]any) (e outcome, number string, end bool) {
	e.fields = fields
	e.meta, _ = fields[logstash.HarnessField].(map[string]any)
	delete(fields, logstash.HarnessField)
	own, _ := e.meta[logstash.HarnessMeta].(map[string]any)
	delete(e.meta, logstash.HarnessMeta)
	headers, _ := own["headers"].(map[string]any)
	header := func(name string) string {
		s, _ := headers[strings.ToLower(strings.ReplaceAll(name, "-", "_"))].(string)
		return s
	}
	sent, _ := own["sent"].(map[string]any)
	for _, key := range sortedKeys(sent) {
		note, _ := sent[key].(map[string]any)
		text := func(name string) string { return event.ToString(note[name]) }
		e.sent = append(e.sent, logstash.Sent{Output: text("output"), Index: text("index"), DocumentID: text("document_id"), Topic: text("topic"), Path: text("path")})
	}
	return e, header(logstash.CaseHeader), header(logstash.EndHeader) != ""
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// process is a Logstash that was started for the cases.
type process struct {
	dir    string
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
}

func startProcess(ctx context.Context, opts Options, h *logstash.Harness) (*process, error) {
	dir, err := os.MkdirTemp("", "obsandbox-against-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the other Logstash: %w", err)
	}
	p := &process{dir: dir, ended: make(chan struct{})}
	settings, data := filepath.Join(dir, "config"), filepath.Join(dir, "data")
	if err := errors.Join(os.MkdirAll(settings, 0o755), os.MkdirAll(data, 0o755), h.Write(settings, opts.Settings, opts.Env)); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("make a log for the other Logstash: %w", err)
	}
	defer log.Close()
	ctx, p.cancel = context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, opts.Against, "--path.settings", settings, "--path.data", data, "--path.logs", dir)
	cmd.Stdout, cmd.Stderr = log, log
	// bin/logstash is a script: what it starts has to end too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		p.cancel()
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("start the other Logstash: %w", err)
	}
	go func() {
		defer close(p.ended)
		p.err = cmp.Or(cmd.Wait(), errors.New("it went well"))
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}()
	return p, nil
}

func (p *process) stop() {
	p.cancel()
	<-p.ended
	_ = os.RemoveAll(p.dir)
}

// lastWords are the last lines of the program's log.
func (p *process) lastWords() string {
	const most = 3000
	text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return strings.TrimSpace(strings.ToValidUTF8(string(text[max(0, len(text)-most):]), ""))
}
