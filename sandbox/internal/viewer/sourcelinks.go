package viewer

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/dashboards"
	"obsandbox/sandbox/internal/stack"
)

var (
	// tagsVariable stands for the matchers that Grafana makes of a span's tags.
	tagsVariable = regexp.MustCompile(`\$\$?\{?__tags\}?`)
	// variable is one of Grafana's own in a link, as provisioning has it: with two dollars.
	variable = regexp.MustCompile(`\$\$?\{(__[^}]*)\}`)
	// Of a span, and of the value that a data link stands on (grafana.com/docs/grafana/latest/datasources/jaeger,
	// "Trace to logs"; …/panels-visualizations/configure-data-links, "Value variables").
	spanVariable  = regexp.MustCompile(`^__(tags|trace\.(traceId|duration|name)|span\.(spanId|traceId|duration|name|tags(\[["'].+["']\])?))$`)
	valueVariable = regexp.MustCompile(`^__(value\.(raw|numeric|text|calc|time)|value|field\..+|data\..+|series\.name|from|to|url_time_range|url\.\w+|all_variables)$`)
)

// values are the words that settings of a data source take; Grafana ignores another.
var values = map[string][]string{
	"httpMethod": {"GET", "POST"}, "prometheusType": {"Prometheus", "Cortex", "Mimir", "Thanos"},
	"implementation": {"prometheus", "mimir", "cortex"}, "cacheLevel": {"None", "Low", "Medium", "High"},
	"defaultEditor": {"builder", "code"}, "interval": {"Hourly", "Daily", "Weekly", "Monthly", "Yearly", ""},
}

// links judges what a data source says of its way to others: kinds are the types of the data sources by their uids.
func (c *sourceChecker) links(kind string, jsonData *yaml.Node, kinds map[string]string) {
	c.leads(key(jsonData, "alertmanagerUid"), kinds, "alertmanager")
	for _, link := range key(jsonData, "dataLinks").Content {
		url := key(link, "url")
		c.variables(url, valueVariable, "of a value")
		c.leads(key(link, "datasourceUid"), kinds, "jaeger", "tempo", "zipkin")
	}
	if kind != "jaeger" {
		return
	}
	logs, metrics := key(jsonData, "tracesToLogsV2"), key(jsonData, "tracesToMetrics")
	c.leads(key(logs, "datasourceUid"), kinds, "elasticsearch", "loki", "opensearch")
	c.leads(key(metrics, "datasourceUid"), kinds, "prometheus")
	for _, way := range []*yaml.Node{logs, metrics} {
		c.window(way)
	}
	query := key(logs, "query")
	c.variables(query, spanVariable, "of a span")
	if kinds[key(logs, "datasourceUid").Value] == "elasticsearch" && query.Value != "" {
		c.lucene(query)
	}
	for _, q := range key(metrics, "queries").Content {
		c.variables(key(q, "query"), spanVariable, "of a span")
		c.query(key(q, "query"), key(metrics, "tags"))
	}
}

// leads says where a link does not lead to a data source of one of the types that can answer it.
func (c *sourceChecker) leads(uid *yaml.Node, kinds map[string]string, can ...string) {
	if kind, there := kinds[uid.Value]; there && !slices.Contains(can, kind) {
		c.fail(uid, "it leads to a data source of type %s, and what it asks is for %s", kind, strings.Join(can, " or "))
	}
}

func (c *sourceChecker) variables(node *yaml.Node, known *regexp.Regexp, of string) {
	for _, m := range variable.FindAllStringSubmatch(node.Value, -1) {
		if name, _, _ := strings.Cut(m[1], ":"); !known.MatchString(name) {
			c.fail(node, "Grafana has no variable ${%s} %s", m[1], of)
		}
	}
}

// window is the time that is searched around a span: it begins with the span or before it, and ends with it or after.
func (c *sourceChecker) window(way *yaml.Node) {
	for _, end := range []struct {
		name string
		sign time.Duration
		want string
	}{{"spanStartTimeShift", -1, "negative: it moves the start"}, {"spanEndTimeShift", 1, "positive: it moves the end"}} {
		node := key(way, end.name)
		if node.Value == "" {
			continue
		}
		text, negative := strings.CutPrefix(node.Value, "-")
		d, err := model.ParseDuration(text)
		shift := time.Duration(d)
		if negative {
			shift = -shift
		}
		switch {
		case err != nil:
			c.fail(node, "%s is %q, expected a time such as 5m or -5m", end.name, node.Value)
		case shift*end.sign < 0:
			c.fail(node, "%s is %s, and then the span itself is not in the time that is searched; it must be %s", end.name, node.Value, end.want)
		}
	}
}

// words judges settings that take one of some words, and intervals.
func (c *sourceChecker) words(jsonData *yaml.Node) {
	for name, known := range values {
		if node := key(jsonData, name); node.Value != "" && !slices.Contains(known, node.Value) {
			c.fail(node, "%s is %q, expected one of %s", name, node.Value, strings.Join(known, ", "))
		}
	}
	for _, name := range []string{"timeInterval", "queryTimeout", "incrementalQueryOverlapWindow"} {
		node := key(jsonData, name)
		if _, err := model.ParseDuration(node.Value); node.Value != "" && !strings.Contains(node.Value, "$") && err != nil {
			c.fail(node, "%s is %q, expected a time such as 15s", name, node.Value)
		}
	}
}

// query is PromQL in which $$__tags stands for matchers of labels, which tags names. It asks for metrics of the stack's
// catalogue, where it has one.
func (c *sourceChecker) query(node, tags *yaml.Node) {
	matchers := []string{`job!=""`}
	for _, tag := range tags.Content {
		label := cmp.Or(key(tag, "value").Value, strings.ReplaceAll(key(tag, "key").Value, ".", "_"))
		matchers = append(matchers, label+`!=""`)
	}
	expr := tagsVariable.ReplaceAllLiteralString(node.Value, strings.Join(matchers, ", "))
	filled := variable.ReplaceAllString(expr, "x")
	if _, err := parser.NewParser(parser.Options{}).ParseExpr(filled); err != nil {
		c.fail(node, "query: %v", err)
		return
	}
	metrics := c.stack.Path(stack.MetricsFile)
	if _, err := os.Stat(metrics); errors.Is(err, fs.ErrNotExist) || filled != expr {
		return // what stands in the variables' places is not known
	}
	files, err := c.stack.RuleFiles()
	if err != nil {
		return // said where Prometheus is judged, as are faults of the catalogue
	}
	known, err := dashboards.KnownSeries(metrics, files)
	if err != nil {
		return
	}
	if err := known(expr); err != nil {
		c.fail(node, "query: %v", err)
	}
}

// lucene holds a query of the logs against the fields of the index templates.
func (c *sourceChecker) lucene(node *yaml.Node) {
	text := tagsVariable.ReplaceAllString(node.Value, `message:x`)
	text = variable.ReplaceAllString(text, "x")
	var first error
	for _, component := range c.stack.Components {
		for _, setup := range component.Setup {
			if !strings.HasPrefix(setup.Put, "/_index_template/") {
				continue
			}
			judge, err := dashboards.KnownFields(c.stack.Path(setup.File))
			if err != nil {
				return // said where Elasticsearch is judged
			}
			if err = judge(text); err == nil {
				return
			}
			first = err
		}
	}
	if first != nil {
		c.fail(node, "query: %v", first)
	}
}
