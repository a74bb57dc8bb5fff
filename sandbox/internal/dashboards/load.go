// Package dashboards judges Grafana dashboards in the classic JSON schema, whoever wrote them: what a reviewer would
// otherwise have to find by opening each panel.
package dashboards

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"obsandbox/sandbox/internal/stack"
)

// Dashboard is one file.
type Dashboard struct {
	File  string
	root  *node
	UID   string
	Title string
	// Panels are all panels but rows, those inside collapsed rows too.
	Panels []*Panel
	rows   []*node
	// Variables by name.
	Variables map[string]*node
}

// Panel is one panel of a dashboard.
type Panel struct {
	node  *node
	Title string
	// row counts the rows above it: titles are the panel's own within its row.
	row int
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
	if root.get("elements") != nil || root.get("spec", "elements") != nil {
		return nil, &stack.FileError{File: file, Line: root.line, Msg: "a dashboard in Grafana's schema v2, of which nothing is known here: export it in the classic one"}
	}
	d := &Dashboard{File: file, root: root, UID: root.str("uid"), Title: root.str("title"), Variables: map[string]*node{}}
	for _, v := range root.list("templating", "list") {
		d.Variables[v.str("name")] = v
	}
	var collect func(panels []*node)
	collect = func(panels []*node) {
		for _, p := range panels {
			if p.str("type") == "row" {
				d.rows = append(d.rows, p)
				collect(p.list("panels"))
				continue
			}
			d.Panels = append(d.Panels, d.panel(p))
		}
	}
	collect(root.list("panels"))
	for _, row := range root.list("rows") { // as before Grafana 5
		d.rows = append(d.rows, row)
		collect(row.list("panels"))
	}
	return d, nil
}

func (d *Dashboard) panel(n *node) *Panel {
	p := &Panel{node: n, Title: n.str("title"), Type: n.str("type"), row: len(d.rows)}
	refs := map[string]bool{}
	for _, t := range n.list("targets") {
		refs[t.str("refId")] = true
	}
	for _, t := range n.list("targets") {
		q := &Query{node: t, RefID: t.str("refId"), Datasource: d.kindOf(t, n), Text: t.str("expr")}
		for letter := 'A'; q.RefID == "" && letter <= 'Z'; letter++ { // Grafana names them so, too
			if name := string(letter); !refs[name] {
				q.RefID, refs[name] = name, true
			}
		}
		if q.Datasource != "prometheus" && q.Text == "" {
			q.Text = t.str("query")
		}
		p.Queries = append(p.Queries, q)
	}
	return p
}

// kindOf is the type of the data source of a query: what it or its panel says, or the variable or the input of an
// exported dashboard that either names. Where nobody says, a query with an expr that no other data source has is PromQL.
func (d *Dashboard) kindOf(target, panel *node) string {
	for _, source := range []*node{target.get("datasource"), panel.get("datasource")} {
		if kind := source.str("type"); kind != "" && kind != "datasource" {
			return kind
		}
		name := source.str("uid")
		if source != nil && source.text != nil {
			name = *source.text
		}
		for _, ref := range references(name) {
			if v := d.Variables[ref]; v.str("type") == "datasource" {
				return v.str("query")
			}
			if in := d.input(ref); in != nil {
				return in.str("pluginId")
			}
		}
	}
	if target.str("expr") != "" {
		return "prometheus"
	}
	return ""
}

// input is what is asked for when an exported dashboard is imported.
func (d *Dashboard) input(name string) *node {
	for _, in := range d.root.list("__inputs") {
		if in.str("name") == name {
			return in
		}
	}
	return nil
}

// Instant says that the query asks for the present alone.
func (q *Query) Instant() bool {
	return q.node.yes("instant")
}

// Annotations are the PromQL queries of what is marked in every panel.
func (d *Dashboard) Annotations() []*Query {
	var all []*Query
	for _, a := range d.root.list("annotations", "list") {
		text := a.str("expr")
		if text == "" {
			text = a.str("target", "expr")
		}
		if text != "" && d.kindOf(&node{members: []member{{"expr", &node{text: &text}}}}, a) == "prometheus" {
			all = append(all, &Query{node: a, RefID: a.str("name"), Datasource: "prometheus", Text: text})
		}
	}
	return all
}
