package viewer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// settings are the keys of a data source's jsonData by its type, those of its nested objects with a dot; Grafana ignores
// any other without a word (grafana.com/docs/grafana/latest/datasources, "Provision the data source").
func settings() map[string][]string {
	links := []string{
		"tracesToLogsV2.datasourceUid", "tracesToLogsV2.spanStartTimeShift", "tracesToLogsV2.spanEndTimeShift", "tracesToLogsV2.tags",
		"tracesToLogsV2.filterByTraceID", "tracesToLogsV2.filterBySpanID", "tracesToLogsV2.customQuery", "tracesToLogsV2.query",
		"tracesToMetrics.datasourceUid", "tracesToMetrics.spanStartTimeShift", "tracesToMetrics.spanEndTimeShift", "tracesToMetrics.tags",
		"tracesToMetrics.queries", "nodeGraph.enabled", "traceQuery.timeShiftEnabled", "traceQuery.spanStartTimeShift",
		"traceQuery.spanEndTimeShift", "spanBar.type", "spanBar.tag", "traceIdTimeParams.enabled",
	}
	common := []string{"tlsAuth", "tlsAuthWithCACert", "tlsSkipVerify", "serverName", "oauthPassThru", "keepCookies", "timeout"}
	return map[string][]string{
		"prometheus": append([]string{
			"httpMethod", "timeInterval", "queryTimeout", "defaultEditor", "disableMetricsLookup", "customQueryParameters", "manageAlerts",
			"allowAsRecordingRulesTarget", "alertmanagerUid", "prometheusType", "prometheusVersion", "cacheLevel", "incrementalQuerying",
			"incrementalQueryOverlapWindow", "disableRecordingRules", "seriesEndpoint", "seriesLimit", "exemplarTraceIdDestinations",
			"codeModeMetricNamesSuggestionLimit",
		}, common...),
		"elasticsearch": append([]string{
			"index", "interval", "timeField", "timeInterval", "maxConcurrentShardRequests", "includeFrozen", "logMessageField",
			"logLevelField", "dataLinks", "xpack", "defaultQueryMode",
		}, common...),
		"jaeger":       append(links, common...),
		"alertmanager": append([]string{"implementation", "handleGrafanaManagedAlerts"}, common...),
	}
}

// unescaped is a variable of Grafana's own that is not protected from its provisioning, which puts environment variables
// in the place of $NAME and ${NAME}: an empty text, here.
var unescaped = regexp.MustCompile(`(^|[^$])\$\{?__\w+`)

// sourceChecker looks into what a data source says of itself.
type sourceChecker struct {
	stack *stack.Stack
	file  string
	name  string
	errs  []error
}

func (c *sourceChecker) fail(at *yaml.Node, format string, args ...any) {
	c.errs = append(c.errs, &stack.FileError{File: c.file, Line: at.Line, Msg: fmt.Sprintf("data source %q: ", c.name) + fmt.Sprintf(format, args...)})
}

// check says what Grafana would take and not act on.
func (c *sourceChecker) check(kind string, source *yaml.Node, kinds map[string]string) []error {
	c.escapes(source)
	known, ok := settings()[kind]
	if !ok {
		c.fail(key(source, "type"), "type %q is not known here (there are: alertmanager, elasticsearch, jaeger, prometheus)", kind)
		return c.errs
	}
	jsonData := key(source, "jsonData")
	c.keys(jsonData, "", known)
	c.words(jsonData)
	if kind == "elasticsearch" {
		c.fields(jsonData)
	}
	c.links(kind, jsonData, kinds)
	return c.errs
}

// keys looks for settings that are not known. A known name that has no dots may hold anything.
func (c *sourceChecker) keys(node *yaml.Node, prefix string, known []string) {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		name := prefix + node.Content[i].Value
		inner := slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, name+".") })
		switch {
		case slices.Contains(known, name) || strings.HasPrefix(name, "httpHeaderName") || strings.HasPrefix(name, "sigV4"):
		case inner:
			c.keys(node.Content[i+1], name+".", known)
		default:
			c.fail(node.Content[i], "jsonData has no setting %q: Grafana would ignore it", name)
		}
	}
}

func (c *sourceChecker) escapes(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && unescaped.MatchString(node.Value) {
		c.fail(node, "Grafana's provisioning puts environment variables in the place of $NAME and ${NAME}: write $$ in %s", node.Value)
	}
	for _, child := range node.Content {
		c.escapes(child)
	}
}

// fields holds the names of fields against the index template whose indices the data source reads.
func (c *sourceChecker) fields(jsonData *yaml.Node) {
	index := key(jsonData, "index")
	if at := key(jsonData, "timeField"); at.Value == "" {
		c.fail(at, "jsonData needs a timeField: without it Grafana refuses every query of the data source")
	}
	templates, err := c.templates()
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	if len(templates) == 0 {
		return // a stack that puts none: its mappings are not known
	}
	var read *indexTemplate
	for i, t := range templates {
		for _, pattern := range t.Patterns {
			if ok, _ := path.Match(index.Value, strings.ReplaceAll(pattern, "*", "x")); ok {
				read = &templates[i]
			}
		}
	}
	if read == nil {
		c.fail(index, "index %s reads none of the indices of the stack's index templates", index.Value)
		return
	}
	if at := key(jsonData, "timeField"); read.has(at.Value) && !strings.HasPrefix(read.typeOf(at.Value), "date") {
		c.fail(at, "timeField is %s, of type %s in the index template, and no date", at.Value, read.typeOf(at.Value))
	}
	names := []*yaml.Node{key(jsonData, "timeField"), key(jsonData, "logMessageField"), key(jsonData, "logLevelField")}
	for _, link := range key(jsonData, "dataLinks").Content {
		if field := key(link, "field"); field.Value == "" {
			c.fail(field, "a link of dataLinks needs the field whose value it stands on")
		} else {
			names = append(names, field)
		}
	}
	for _, name := range names {
		if name.Value != "" && !read.has(name.Value) {
			c.fail(name, "the mapping of the index template has no field %q", name.Value)
		}
	}
}

// indexTemplate is as much of an index template as says which fields there are.
type indexTemplate struct {
	Patterns []string `json:"index_patterns"`
	Template struct {
		Mappings properties `json:"mappings"`
	} `json:"template"`
}

type properties struct {
	Type       string                `json:"type"`
	Properties map[string]properties `json:"properties"`
}

func (t *indexTemplate) has(field string) bool {
	_, ok := t.find(field)
	return ok
}

func (t *indexTemplate) typeOf(field string) string {
	at, _ := t.find(field)
	return at.Type
}

func (t *indexTemplate) find(field string) (properties, bool) {
	at := t.Template.Mappings
	for name := range strings.SplitSeq(field, ".") {
		next, ok := at.Properties[name]
		if !ok {
			return properties{}, false
		}
		at = next
	}
	return at, true
}

// templates are the index templates that the stack is set up with.
func (c *sourceChecker) templates() ([]indexTemplate, error) {
	var all []indexTemplate
	for _, component := range c.stack.Components {
		for _, setup := range component.Setup {
			if !strings.HasPrefix(setup.Put, "/_index_template/") {
				continue
			}
			data, err := os.ReadFile(c.stack.Path(setup.File))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read the fields of the log indices: %w", err)
			}
			var t indexTemplate
			if json.Unmarshal(data, &t) == nil { // its own check says what is wrong with it
				all = append(all, t)
			}
		}
	}
	return all, nil
}

// key is the value of a mapping's key; an empty node where there is none.
func key(node *yaml.Node, name string) *yaml.Node {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return &yaml.Node{Line: node.Line}
}
