// Package dashboards judges Grafana dashboards in the classic JSON schema, whoever wrote them: what a reviewer would
// otherwise have to find by opening each panel.
package dashboards

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Dashboard is one file.
type Dashboard struct {
	File  string
	root  *node
	UID   string
	Title string
	// Panels are all panels but rows, those inside collapsed rows too.
	Panels []*Panel
	// Variables by name.
	Variables map[string]*node
}

// Panel is one panel of a dashboard.
type Panel struct {
	node  *node
	Title string
	// Type is Grafana's id of the visualization: timeseries, stat, …
	Type    string
	Queries []*Query
}

// Line is where the panel begins.
func (p *Panel) Line() int { return p.node.line }

// Query is one query of a panel.
type Query struct {
	node  *node
	RefID string
	// Datasource is the type of the data source: prometheus, elasticsearch, … Empty where the dashboard does not say.
	Datasource string
	// Text is the query in the data source's own language.
	Text string
}

// Line is where the query's text stands.
func (q *Query) Line() int {
	for _, key := range []string{"expr", "query"} {
		if n := q.node.get(key); n != nil {
			return n.line
		}
	}
	return q.node.line
}

// Load reads dashboards from files and directories. A directory without a single JSON file is an error: nothing would be
// judged. A file that holds Grafana's export form ({"dashboard": …}) is read as well.
func Load(paths ...string) ([]*Dashboard, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read dashboards: %s: %w", path, errors.Unwrap(err))
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		found, err := filepath.Glob(filepath.Join(path, "*.json"))
		if err == nil && len(found) == 0 {
			err = errors.New("no *.json in it")
		}
		if err != nil {
			return nil, fmt.Errorf("read dashboards: %s: %w", path, err)
		}
		files = append(files, found...)
	}
	var all []*Dashboard
	var errs []error
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("read dashboards: %w", err))
			continue
		}
		d, err := Parse(file, data)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, d)
	}
	return all, errors.Join(errs...)
}

// Parse reads one dashboard.
func Parse(file string, data []byte) (*Dashboard, error) {
	root, err := parseJSON(file, data)
	if err != nil {
		return nil, err
	}
	if inner := root.get("dashboard"); inner != nil && root.get("panels") == nil {
		root = inner
	}
	d := &Dashboard{File: file, root: root, UID: root.str("uid"), Title: root.str("title"), Variables: map[string]*node{}}
	for _, v := range root.list("templating", "list") {
		d.Variables[v.str("name")] = v
	}
	var collect func(panels []*node)
	collect = func(panels []*node) {
		for _, p := range panels {
			if p.str("type") == "row" {
				collect(p.list("panels"))
				continue
			}
			d.Panels = append(d.Panels, d.panel(p))
		}
	}
	collect(root.list("panels"))
	return d, nil
}

func (d *Dashboard) panel(n *node) *Panel {
	p := &Panel{node: n, Title: n.str("title"), Type: n.str("type")}
	for _, t := range n.list("targets") {
		kind := t.str("datasource", "type")
		if kind == "" {
			kind = n.str("datasource", "type")
		}
		q := &Query{node: t, RefID: t.str("refId"), Datasource: kind, Text: t.str("expr")}
		if kind != "prometheus" && q.Text == "" {
			q.Text = t.str("query")
		}
		p.Queries = append(p.Queries, q)
	}
	return p
}

// reference matches Grafana's three ways to write a variable: $name, ${name}, ${name:format}, [[name]].
var reference = regexp.MustCompile(`\$\{(\w+)(?:\.[^:}]*)?(?::[^}]*)?\}|\$(\w+)|\[\[(\w+)(?::[^\]]*)?\]\]`)

// references are the names of the variables that a text uses.
func references(text string) []string {
	var names []string
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1]+m[2]+m[3])
	}
	return names
}

// Expand puts values in the place of variables. Names that have none are left as they are.
func Expand(text string, value func(name string) (string, bool)) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		if v, ok := value(m[1] + m[2] + m[3]); ok {
			return v
		}
		return ref
	})
}

// Builtin is the value of one of Grafana's own variables in a panel with a step of 15 s and a scrape interval of 15 s,
// over an hour.
func Builtin(name string) (string, bool) {
	v, ok := map[string]string{
		"__rate_interval": "1m", "__interval": "15s", "__interval_ms": "15000", "__range": "1h", "__range_s": "3600",
		"__range_ms": "3600000", "__from": "0", "__to": "3600000", "__dashboard": "dashboard", "__org": "1",
	}[name]
	return v, ok
}

// builtinPrefixes begin the names that Grafana fills in at the time of drawing.
var builtinPrefixes = []string{"__"}

func isBuiltin(name string) bool {
	return slices.ContainsFunc(builtinPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) || name == "timeFilter" || isDigits(name)
}

// isDigits is for the $1 of a regular expression's replacement.
func isDigits(name string) bool {
	return name != "" && strings.Trim(name, "0123456789") == ""
}

// value is what a variable of the dashboard stands for in a query: what "All" means, or what is chosen.
func (d *Dashboard) value(name string) (string, bool) {
	if v, ok := Builtin(name); ok {
		return v, true
	}
	v, ok := d.Variables[name]
	if !ok {
		return "", false
	}
	if all := v.str("allValue"); all != "" {
		return all, true
	}
	current := v.str("current", "value")
	if items := v.list("current", "value"); len(items) > 0 && items[0].text != nil {
		current = *items[0].text
	}
	switch {
	case current == "$__all":
		return ".+", true
	case current != "":
		return current, true
	case v.str("type") == "interval":
		return "5m", true
	}
	return ".+", true
}

// Expanded is the query's text with the dashboard's variables and Grafana's own filled in.
func (d *Dashboard) Expanded(q *Query) string { return Expand(q.Text, d.value) }

// ExpandedAs is Expanded with other values for Grafana's own variables.
func (d *Dashboard) ExpandedAs(q *Query, own func(name string) (string, bool)) string {
	return Expand(q.Text, func(name string) (string, bool) {
		if v, ok := own(name); ok {
			return v, true
		}
		return d.value(name)
	})
}

// Instant says that the query asks for the present alone.
func (q *Query) Instant() bool {
	n := q.node.get("instant")
	return n != nil && n.boolean != nil && *n.boolean
}

// Annotations are the PromQL queries of what is marked in every panel.
func (d *Dashboard) Annotations() []*Query {
	var all []*Query
	for _, a := range d.root.list("annotations", "list") {
		if a.str("datasource", "type") == "prometheus" && a.str("expr") != "" {
			all = append(all, &Query{node: a, RefID: a.str("name"), Datasource: "prometheus", Text: a.str("expr")})
		}
	}
	return all
}
