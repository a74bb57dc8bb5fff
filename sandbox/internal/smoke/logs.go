package smoke

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// logWay is what a log line needs to get from one end to the other.
var logWay = []string{"kafka", "logstash", "elasticsearch"}

// arrival is what should have become of one log line.
type arrival struct {
	// layer is the part of the index name.
	layer string
	// fields are what the document holds: names with dots, values as text.
	fields map[string]string
	// failed says that the line could not be parsed and is tagged so.
	failed bool
}

// logChecks: each of the run's log lines is found where and as it should be; so are the platform's.
func logChecks(e *env) []*check {
	pipeline := e.pipelineFile()
	standard := map[string]string{
		"level": "INFO", "service": logService, "layer": "collection",
		"trace_id": e.traceID(), "span_id": e.spanID("validate"), "message": e.logs.message(lineStandard),
		"event_id": e.logs.eventID(lineStandard), "processing_time_ms": "125.5", "metadata.carrier": "fedex",
		"pod_name": logService + "-smoke", "namespace": "data-ingestion",
	}
	arrive := func(line, name string, a arrival) *check {
		return &check{
			name: name, needs: logWay, file: pipeline, line: lineWith(pipeline, "index =>"),
			assert: func(ctx context.Context) (string, error) { return e.lineArrived(ctx, line, a) },
		}
	}
	refused := arrive(lineRefused, "a log line whose document Elasticsearch refuses is kept, and tagged as such", arrival{layer: "unknown", fields: map[string]string{"layer": "unknown"}, failed: true})
	if file := e.confWith("dead_letter_queue"); file != "" {
		refused.file, refused.line = file, lineWith(file, "dead_letter_queue")
	}
	lines := []*check{
		arrive(lineStandard, "a log line in the standard is found in its layer's index, with every field", arrival{
			layer: "collection", fields: standard,
		}),
		arrive(lineMultiline, "a log line with a stack trace stays one document", arrival{
			layer: "storage", fields: map[string]string{"message": e.logs.message(lineMultiline), "layer": "storage"},
		}),
		{
			name: "a log line without layer gets that of its service", needs: logWay, file: pipeline, line: lineWith(pipeline, `"layer" =>`),
			assert: e.layersFromServices,
		},
		arrive(lineUnheard, "a log line of an unknown service goes to the fallback index", arrival{
			layer: "unknown", fields: map[string]string{"layer": "unknown", "service": unheardService},
		}),
		arrive(linePlain, "an unstructured log line is kept, with its level", arrival{
			layer: "unknown", fields: map[string]string{"level": "ERROR"},
		}),
		arrive(lineMalformed, "a malformed log line is kept, and tagged as such", arrival{layer: "unknown", failed: true}),
		refused,
	}
	e.arrivals = lines
	once := &check{
		name: "no log line is there twice", needs: logWay, file: pipeline, line: lineWith(pipeline, "document_id =>"), after: lines,
		assert: e.eachLineOnce,
	}
	typed := &check{
		name: "the fields of a log line are searchable as what they are", needs: logWay, file: e.templateFile(),
		assert: e.fieldsAreTyped,
	}
	checks := append(lines, once, typed)
	for _, layer := range []string{"collection", "processing", "storage"} {
		checks = append(checks, &check{
			name: "the platform's log lines of the " + layer + " layer flow", needs: append([]string{"platform"}, logWay...), file: pipeline, line: lineWith(pipeline, "topics"),
			assert: func(ctx context.Context) (string, error) { return e.layerFlows(ctx, layer) },
		})
	}
	return checks
}

// layersFromServices looks for a line of each layer that does not say it.
func (e *env) layersFromServices(ctx context.Context) (figure string, err error) {
	for _, l := range layerless {
		figure, err = e.lineArrived(ctx, l.line, arrival{layer: l.layer, fields: map[string]string{"layer": l.layer, "service": l.service}})
		if err != nil {
			return "", fmt.Errorf("of %s: %w", l.service, err)
		}
	}
	return figure, nil
}

// pipelineFile is the Logstash pipeline, for the reader of a failure; empty where the stack has none.
func (e *env) pipelineFile() string { return e.confWith("") }

// confWith is the first of Logstash's pipelines that has a text; empty where none has.
func (e *env) confWith(text string) string {
	c, err := e.stack.Component("logstash")
	if err != nil {
		return ""
	}
	for _, name := range c.Config {
		file := e.stack.Path(name)
		if strings.HasSuffix(name, ".conf") && (text == "" || lineWith(file, text) > 0) {
			return file
		}
	}
	return ""
}

// theLine finds a line of the run. None is not an error: it may be on its way.
func (e *env) theLine(ctx context.Context, line string) ([]document, error) {
	if err := e.logs.wait(ctx); err != nil {
		return nil, err
	}
	docs, _, err := e.search(ctx, match("message", e.logs.token(line)), 5)
	return docs, err
}

func (e *env) lineArrived(ctx context.Context, line string, want arrival) (string, error) {
	docs, err := e.theLine(ctx, line)
	if err != nil {
		return "", err
	}
	when := e.logs.times[line]
	wantIndex := "logs-" + want.layer + "-" + when.UTC().Format("2006.01.02")
	look := fmt.Sprintf("%s/%s/_search?q=message:%s and %s/_node/stats/pipelines",
		e.addr.URL("elasticsearch", "http"), logIndices, e.logs.token(line), e.addr.URL("logstash", "api"))
	if len(docs) == 0 {
		sent := e.logs.at(line)
		file := e.pipelineFile()
		topics := lineWith(file, "topics")
		if line == lineRefused {
			topics = 0 // another pipeline brings it
		}
		return "", at(file, topics, &mismatch{
			"a document in " + wantIndex + ", from " + excerpt(sent.Value),
			fmt.Sprintf("no document in %s (sent to partition %d, offset %d)", logIndices, sent.Partition, sent.Offset), look,
		})
	}
	doc := docs[0]
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	// A line that cannot be parsed has no time of its own that anyone could be sure of: the index may be of today.
	if doc.Index != wantIndex && (!want.failed || !strings.HasPrefix(doc.Index, "logs-")) {
		fault("it is in index %s", doc.Index)
	}
	for name, value := range want.fields {
		if got := doc.field(name); got != value {
			fault("%s is %s", name, quoted(got))
		}
	}
	if want.failed {
		whole := string(e.logs.at(line).Value)
		if doc.field("message") != whole && doc.field("event.original") != whole {
			fault("the line is not whole: message is %s, event.original %s", quoted(doc.field("message")), quoted(doc.field("event.original")))
		}
	} else if got, err := time.Parse(time.RFC3339Nano, doc.field("@timestamp")); err != nil || !got.Equal(when) {
		fault("@timestamp is %s, and the line says %s", quoted(doc.field("@timestamp")), when.Format(time.RFC3339Nano))
	}
	isFailure := func(tag string) bool {
		return strings.HasPrefix(tag, "_") && (strings.HasSuffix(tag, "failure") || strings.HasSuffix(tag, "_dead_letter"))
	}
	if tagged := slices.ContainsFunc(doc.tags(), isFailure); tagged != want.failed && line != linePlain {
		fault("tags are %v", doc.tags())
	}
	if len(faults) > 0 {
		expected := fmt.Sprintf("in %s, %v", wantIndex, want.fields)
		if want.failed {
			expected = "in an index " + logIndices + ", with the whole line, and a tag _…failure or _dead_letter"
		}
		slices.Sort(faults)
		return "", &mismatch{expected, strings.Join(faults, "; "), look}
	}
	return "in " + doc.Index + tagNote(doc), nil
}

func tagNote(doc document) string {
	if tags := doc.tags(); len(tags) > 0 {
		return ", tagged " + strings.Join(tags, ", ")
	}
	return ""
}

func quoted(s string) string {
	if s == "" {
		return "missing"
	}
	return fmt.Sprintf("%q", s)
}

// eachLineOnce counts the documents of each line, and looks at what they are called: delivery may repeat, documents may
// not.
func (e *env) eachLineOnce(ctx context.Context) (string, error) {
	if err := e.logs.wait(ctx); err != nil {
		return "", err
	}
	var faults []string
	more := false
	for _, line := range logLines {
		docs, n, err := e.search(ctx, match("message", e.logs.token(line)), 1)
		if err != nil {
			return "", err
		}
		if len(docs) > 0 && isAutomatic(docs[0].ID) {
			return "", e.onceByChance(line, docs[0].ID)
		}
		if n != 1 {
			faults = append(faults, fmt.Sprintf("%s: %d", line, n))
			more = more || n > 1
		}
	}
	if len(faults) > 0 {
		err := &mismatch{"one document for each line", strings.Join(faults, ", "), "document_id in the output of " + e.show(e.pipelineFile())}
		if more {
			return "", final(err) // a second document does not go away
		}
		return "", err
	}
	return fmt.Sprintf("%d lines, %d documents", len(logLines), len(logLines)), nil
}

// fieldsAreTyped asks in ways that only the right types answer.
func (e *env) fieldsAreTyped(ctx context.Context) (string, error) {
	if err := e.logs.wait(ctx); err != nil {
		return "", err
	}
	if err := e.fieldsHaveTypes(ctx); err != nil {
		return "", err
	}
	when := e.logs.times[lineStandard]
	this := term("event_id", e.logs.eventID(lineStandard))
	queries := []struct {
		what  string
		query jsonObject
	}{
		{"event_id is a keyword", this},
		{"message is text", all(this, match("message", "EVENT processed"))},
		// As text, 125.5 comes before 9.
		{"processing_time_ms is a number", all(this, between("processing_time_ms", jsonObject{"gt": 9, "lt": 126}))},
		{"@timestamp is a date", all(this, between("@timestamp", jsonObject{
			"gte": when.Format(time.RFC3339Nano), "lt": when.Add(time.Millisecond).Format(time.RFC3339Nano),
		}))},
		{"trace_id is a keyword", all(this, term("trace_id", e.traceID()))},
		{"span_id is a keyword", all(this, term("span_id", e.spanID("validate")))},
		{"level is a keyword", all(this, term("level", "INFO"))},
		{"service is a keyword", all(this, term("service", logService))},
		{"metadata is searchable by its keys", all(this, term("metadata.carrier", "fedex"))},
	}
	var faults []string
	for _, q := range queries {
		docs, _, err := e.search(ctx, q.query, 1)
		if err != nil {
			return "", fmt.Errorf("%s: %w", q.what, err)
		}
		if len(docs) != 1 {
			faults = append(faults, q.what)
		}
	}
	if len(faults) > 0 {
		file := e.templateFile()
		field, _, _ := strings.Cut(faults[0], " ")
		return "", at(file, lineOfJSON(file, "template.mappings.properties."+field), &mismatch{
			"the standard line is found by each of its fields", "not found where " + strings.Join(faults, "; "),
			fmt.Sprintf("%s/%s/_mapping", e.addr.URL("elasticsearch", "http"), logIndices),
		})
	}
	return fmt.Sprintf("%d queries", len(queries)), nil
}

// fieldTypes are the types that the fields of the log standard may have.
func fieldTypes() map[string][]string {
	keyword, number := []string{"keyword", "wildcard", "constant_keyword"}, []string{"double", "float", "half_float", "scaled_float", "long", "integer", "short"}
	return map[string][]string{
		"@timestamp": {"date", "date_nanos"}, "message": {"text", "match_only_text"}, "processing_time_ms": number,
		"level": keyword, "service": keyword, "layer": keyword, "trace_id": keyword, "span_id": keyword, "event_id": keyword,
	}
}

// fieldsHaveTypes asks for the mapping: a search is answered from fields of more types than the right one.
func (e *env) fieldsHaveTypes(ctx context.Context) error {
	var indices map[string]struct {
		Mappings struct {
			Properties map[string]struct {
				Type string `json:"type"`
			} `json:"properties"`
		} `json:"mappings"`
	}
	url := e.addr.URL("elasticsearch", "http") + "/" + logIndices
	if err := e.getJSON(ctx, url, &indices); err != nil {
		return err
	}
	types := fieldTypes()
	file := e.templateFile()
	for _, index := range slices.Sorted(maps.Keys(indices)) {
		for _, field := range slices.Sorted(maps.Keys(types)) {
			if have := indices[index].Mappings.Properties[field].Type; !slices.Contains(types[field], have) {
				return at(file, lineOfJSON(file, "template.mappings.properties."+field), &mismatch{
					fmt.Sprintf("%s of type %s", field, strings.Join(types[field], " or ")), fmt.Sprintf("type %s in %s", quoted(have), index), url,
				})
			}
		}
		// What is mapped as it comes gets a field for every new key, until there are too many.
		if _, mapped := indices[index].Mappings.Properties["metadata"]; mapped && lineOfJSON(file, "template.mappings.properties.metadata") == lineOfJSON(file, "template.mappings.properties") {
			return at(file, lineOfJSON(file, "template.mappings.properties"), &mismatch{
				"metadata among the template's properties: as flattened, it takes any key", "every key below metadata has become a field of its own in " + index, url,
			})
		}
	}
	return nil
}

// templateFile is the index template that the stack puts into Elasticsearch; empty where it puts none.
func (e *env) templateFile() string {
	c, err := e.stack.Component("elasticsearch")
	if err != nil {
		return ""
	}
	for _, setup := range c.Setup {
		if strings.HasPrefix(setup.Put, "/_index_template/") {
			return e.stack.Path(setup.File)
		}
	}
	return ""
}

// layerFlows asks for lines that the platform wrote since the run began.
func (e *env) layerFlows(ctx context.Context, layer string) (string, error) {
	_, n, err := e.search(ctx, jsonObject{"bool": jsonObject{
		"filter": []any{
			term("layer", layer),
			between("@timestamp", jsonObject{"gte": e.began.Format(time.RFC3339Nano)}),
			exists("pod_name"), exists("trace_id"), exists("service"),
		},
		"must_not": []any{match("tags", "_jsonparsefailure")},
	}}, 1)
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", &mismatch{
			fmt.Sprintf("lines of layer %s since %s, with service, trace_id and pod_name", layer, e.began.Format(time.TimeOnly)), "none",
			fmt.Sprintf("%s/api/state, and whether logstash's events grow", e.addr.URL("platform", "api")),
		}
	}
	return fmt.Sprintf("%d lines so far", n), nil
}
