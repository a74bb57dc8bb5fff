package smoke

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// span is a span as Jaeger's query API has it.
type span struct {
	id, name, parent, service string
	attributes                map[string]string
}

// traceChecks: what is sent to Jaeger's receivers is found through its query.
func traceChecks(e *env) []*check {
	file, _ := configFile(e.stack, "jaeger")
	needs := []string{"jaeger"}
	checks := []*check{
		{
			name: "jaeger answers", needs: needs,
			assert: func(ctx context.Context) (string, error) {
				_, err := e.healthy(ctx, "jaeger", "health", "/status", "StatusOK")
				return "", err
			},
		},
		{
			name: "jaeger listens on every receiver's port", needs: needs, file: file, line: lineWith(file, "receivers:\n"),
			assert: e.receiversListen,
		},
		{
			name: "a trace sent over OTLP is found, with its four spans in order", needs: needs, file: file, line: lineWith(file, "receivers:"),
			assert: e.traceArrived,
		},
		{
			name: "the platform's traces are found, with their four spans in order", needs: []string{"jaeger", "platform"}, file: file, line: lineWith(file, "receivers:"),
			assert: e.platformTraces,
		},
		{
			name: "a log line's trace_id opens its trace", needs: append([]string{"jaeger"}, logWay...), file: e.pipelineFile(),
			line:   lineWith(e.pipelineFile(), "trace_id"),
			assert: e.logOpensTrace,
		},
		{
			name: "the platform's log lines open their traces", needs: append([]string{"jaeger", "platform"}, logWay...), file: e.pipelineFile(),
			line:   lineWith(e.pipelineFile(), "trace_id"),
			assert: e.platformLogsOpenTraces,
		},
	}
	return checks
}

// receiversListen connects to each TCP port of stack.yaml that this run has.
func (e *env) receiversListen(ctx context.Context) (string, error) {
	c, err := e.stack.Component("jaeger")
	if err != nil {
		return "", final(err)
	}
	var closed []string
	n := 0
	for _, port := range c.Ports {
		address := e.addr.Of("jaeger", port.Name)
		if port.UDP || address == "" {
			continue
		}
		n++
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			closed = append(closed, fmt.Sprintf("%s: %v", port.Name, err))
			continue
		}
		conn.Close()
	}
	if n == 0 || len(closed) > 0 {
		return "", &mismatch{fmt.Sprintf("%d TCP ports accept connections", n), strings.Join(closed, "; "), "the log of jaeger"}
	}
	return fmt.Sprintf("%d TCP ports", n), nil
}

// traces asks Jaeger's query API for the traces that path selects.
func (e *env) traces(ctx context.Context, path string) ([][]span, error) {
	var answer struct {
		Data []struct {
			Spans []struct {
				SpanID     string `json:"spanID"`
				Name       string `json:"operationName"`
				ProcessID  string `json:"processID"`
				References []struct {
					Type   string `json:"refType"`
					SpanID string `json:"spanID"`
				} `json:"references"`
				Tags []struct {
					Key   string `json:"key"`
					Value any    `json:"value"`
				} `json:"tags"`
			} `json:"spans"`
			Processes map[string]struct {
				Service string `json:"serviceName"`
			} `json:"processes"`
		} `json:"data"`
	}
	if err := e.getJSON(ctx, e.addr.URL("jaeger", "query")+path, &answer); err != nil {
		return nil, err
	}
	var all [][]span
	for _, t := range answer.Data {
		var spans []span
		for _, s := range t.Spans {
			one := span{id: s.SpanID, name: s.Name, service: t.Processes[s.ProcessID].Service, attributes: map[string]string{}}
			for _, ref := range s.References {
				if ref.Type == "CHILD_OF" {
					one.parent = ref.SpanID
				}
			}
			for _, tag := range s.Tags {
				one.attributes[tag.Key] = textOf(tag.Value)
			}
			spans = append(spans, one)
		}
		all = append(all, spans)
	}
	return all, nil
}

// trace is one trace by its id; no spans where Jaeger does not have it.
func (e *env) trace(ctx context.Context, id string) ([]span, error) {
	found, err := e.traces(ctx, "/api/traces/"+id)
	if isStatus(err, http.StatusNotFound) || err == nil && len(found) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// eventFaults says how spans differ from those of a processed event: process_event, and under it validate, transform
// and enrich, with the event's id and type on the first. It looks at one such tree among the spans.
func eventFaults(spans []span) []string {
	i := slices.IndexFunc(spans, func(s span) bool { return s.name == eventSpans[0] })
	if i < 0 {
		return []string{"no span " + eventSpans[0] + " among: " + spanNames(spans)}
	}
	root := spans[i]
	var faults []string
	for _, key := range []string{"event.id", "event.type"} {
		if root.attributes[key] == "" {
			faults = append(faults, root.name+" has no attribute "+key)
		}
	}
	for _, name := range eventSpans[1:] {
		j := slices.IndexFunc(spans, func(s span) bool { return s.name == name })
		switch {
		case j < 0:
			faults = append(faults, "no span "+name+" among: "+spanNames(spans))
		case spans[j].parent != root.id:
			faults = append(faults, fmt.Sprintf("the parent of %s is %q, not %s (%s)", name, spans[j].parent, root.name, root.id))
		}
	}
	return faults
}

func spanNames(spans []span) string {
	var names []string
	for _, s := range spans {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (e *env) traceArrived(ctx context.Context) (string, error) {
	if err := e.tracing.wait(ctx); err != nil {
		return "", err
	}
	spans, err := e.trace(ctx, e.traceID())
	if err != nil {
		return "", err
	}
	look := e.addr.URL("jaeger", "query") + "/api/traces/" + e.traceID()
	expected := "trace " + e.traceID() + ": process_event with its attributes, and under it validate, transform, enrich"
	if len(spans) == 0 {
		return "", &mismatch{expected, "no such trace", look}
	}
	faults := eventFaults(spans)
	if len(spans) != len(eventSpans) {
		faults = append(faults, fmt.Sprintf("%d spans: %s", len(spans), spanNames(spans)))
	}
	for _, s := range spans {
		if s.service != logService {
			faults = append(faults, fmt.Sprintf("%s is of service %q, not %q", s.name, s.service, logService))
		}
		if s.name != eventSpans[0] {
			continue
		}
		if s.parent != "" {
			faults = append(faults, s.name+" has a parent: "+s.parent)
		}
		for key, value := range e.tracing.eventAttributes() {
			if s.attributes[key] != value {
				faults = append(faults, fmt.Sprintf("%s is %q, not %q", key, s.attributes[key], value))
			}
		}
	}
	if len(faults) > 0 {
		return "", &mismatch{expected, strings.Join(faults, "; "), look}
	}
	return fmt.Sprintf("%d spans", len(spans)), nil
}

// platformTraces looks for one whole tree among the latest traces; the newest may still be on their way.
func (e *env) platformTraces(ctx context.Context) (string, error) {
	var services struct {
		Data []string `json:"data"`
	}
	if err := e.getJSON(ctx, e.addr.URL("jaeger", "query")+"/api/services", &services); err != nil {
		return "", err
	}
	slices.Sort(services.Data)
	look := e.addr.URL("jaeger", "query") + "/api/services"
	var faults []string
	seen := 0
	for _, service := range services.Data {
		query := url.Values{
			"service": {service}, "operation": {eventSpans[0]}, "limit": {"20"},
			"start": {fmt.Sprint(e.began.Add(-time.Hour).UnixMicro())}, "end": {fmt.Sprint(time.Now().Add(time.Minute).UnixMicro())},
		}
		path := "/api/traces?" + query.Encode()
		found, err := e.traces(ctx, path)
		if err != nil {
			return "", err
		}
		for _, spans := range found {
			if slices.ContainsFunc(spans, func(s span) bool { return s.attributes["event.id"] == e.logs.eventID(lineStandard) }) {
				continue // the run's own
			}
			seen++
			f := eventFaults(spans)
			if len(f) == 0 {
				return fmt.Sprintf("of %s", service), nil
			}
			faults = f
		}
	}
	return "", &mismatch{
		"a trace of the platform: process_event with event.id and event.type, and under it validate, transform, enrich",
		fmt.Sprintf("%d services (%s), %d traces; %s", len(services.Data), strings.Join(services.Data, ", "), seen, strings.Join(faults, "; ")), look,
	}
}
