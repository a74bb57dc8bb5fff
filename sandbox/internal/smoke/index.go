package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// indexName is what an index of log lines is called. A field reference that was not filled in does not match.
var indexName = regexp.MustCompile(`^logs-(collection|processing|storage|unknown)-\d{4}\.\d\d\.\d\d$`)

// indexChecks are about Elasticsearch itself: what it was set up with, and that indices follow it.
func indexChecks(e *env) []*check {
	needs := []string{"elasticsearch"}
	c, err := e.stack.Component("elasticsearch")
	if err != nil {
		return []*check{broken("elasticsearch: what to expect is known", "", err)}
	}
	all := []*check{{name: "elasticsearch answers", needs: needs, assert: e.elasticsearchAnswers}}
	template := e.templateFile()
	for _, setup := range c.Setup {
		file := e.stack.Path(setup.File)
		kind := "index template"
		if strings.HasPrefix(setup.Put, "/_ilm/") {
			kind = "lifecycle policy"
		}
		all = append(all, &check{
			name: fmt.Sprintf("elasticsearch has the %s %s as checked in", kind, path.Base(setup.Put)), needs: needs, file: file,
			assert: func(ctx context.Context) (string, error) { return e.setUp(ctx, setup, file) },
		})
	}
	return append(all,
		&check{
			name: "log indices have the template's settings and mappings", needs: logWay, file: template, after: e.arrivals,
			assert: func(ctx context.Context) (string, error) { return e.indicesFollow(ctx, template) },
		},
		&check{
			name: "log indices are under their lifecycle policy", needs: logWay, after: e.arrivals,
			file: template, line: lineOfJSON(template, "template.settings.index.lifecycle.name"),
			assert: e.indicesManaged,
		},
		&check{
			name: "no log index has an unforeseen name", needs: logWay, file: e.pipelineFile(), line: lineWith(e.pipelineFile(), "index =>"), after: e.arrivals,
			assert: e.indicesNamed,
		})
}

func (e *env) elasticsearchAnswers(ctx context.Context) (string, error) {
	url := e.addr.URL("elasticsearch", "http") + "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := e.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var root struct {
		Tagline string `json:"tagline"`
		Version struct {
			Number string `json:"number"`
		} `json:"version"`
	}
	if err := json.NewDecoder(res.Body).Decode(&root); err != nil {
		return "", fmt.Errorf("GET %s: %w", url, err)
	}
	// Elastic's clients refuse a server without this header.
	if product := res.Header.Get("X-Elastic-Product"); product != "Elasticsearch" || root.Version.Number == "" {
		return "", &mismatch{"X-Elastic-Product: Elasticsearch, and a version", fmt.Sprintf("X-Elastic-Product: %s, version %q", product, root.Version.Number), url}
	}
	var health struct {
		Status string `json:"status"`
	}
	if err := e.getJSON(ctx, url+"_cluster/health", &health); err != nil {
		return "", err
	}
	if health.Status != "green" && health.Status != "yellow" {
		return "", &mismatch{"status green or yellow", health.Status, url + "_cluster/health"}
	}
	return fmt.Sprintf("version %s, %s", root.Version.Number, health.Status), nil
}

// setUp compares what was put into the cluster with what is there.
func (e *env) setUp(ctx context.Context, setup stack.Setup, file string) (string, error) {
	want, err := readJSON(file)
	if err != nil {
		return "", final(err)
	}
	url := e.addr.URL("elasticsearch", "http") + setup.Put
	var answer map[string]json.RawMessage
	if err := e.getJSON(ctx, url, &answer); err != nil {
		return "", err
	}
	name := path.Base(setup.Put)
	var have any
	if list, ok := answer["index_templates"]; ok {
		var templates []struct {
			Name     string `json:"name"`
			Template any    `json:"index_template"`
		}
		if err := json.Unmarshal(list, &templates); err != nil {
			return "", fmt.Errorf("GET %s: %w", url, err)
		}
		for _, t := range templates {
			if t.Name == name {
				have = t.Template
			}
		}
	} else if err := json.Unmarshal(answer[name], &have); err != nil {
		return "", &mismatch{name, "an answer without it", url}
	}
	if faults := missingFrom(want, have); len(faults) > 0 {
		return "", at(file, lineOfJSON(file, faults[0].key), &mismatch{"what " + e.show(file) + " says", texts(faults), url})
	}
	if setup.Put == "/_ilm/policy/"+logPolicy && !ends(want) {
		return "", final(at(file, lineOfJSON(file, "policy.phases"), &mismatch{
			"a phase that deletes the log indices, or takes them to a repository of snapshots",
			"no phase of it does: there are new indices every day, until the disks are full", "phases.delete: {min_age: …, actions: {delete: {}}}",
		}))
	}
	return fmt.Sprintf("%d settings", len(flatten(want))), nil
}

// ends says whether a lifecycle policy takes indices away from the cluster's own disks at some time.
func ends(policy any) bool {
	for key := range flatten(policy) {
		if strings.HasPrefix(key, "policy.phases.delete.actions.delete") || strings.Contains(key, ".actions.searchable_snapshot") {
			return true
		}
	}
	return false
}

// lineOfJSON is the line of a file where a value stands, given by its keys and dots between them; 0 where the file has
// no such value. JSON is YAML, whose parser tells lines.
func lineOfJSON(file, path string) int {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
		return 0
	}
	node, line := doc.Content[0], 0
	for rest := path; rest != ""; {
		found := false
		for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if after, ok := strings.CutPrefix(rest+".", key+"."); ok {
				line, node, rest, found = node.Content[i].Line, node.Content[i+1], strings.TrimSuffix(after, "."), true
				break
			}
		}
		if !found {
			break
		}
	}
	return line
}

func readJSON(file string) (any, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read what to expect: %w", err)
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return value, nil
}

// flatten turns nested JSON into paths with dots and values as text; Elasticsearch answers numbers and booleans of
// settings as text, and nested what was put flat.
func flatten(value any) map[string]string {
	out := map[string]string{}
	var walk func(prefix string, value any)
	walk = func(prefix string, value any) {
		switch v := value.(type) {
		case map[string]any:
			if len(v) == 0 {
				out[prefix] = "{}"
			}
			for key, child := range v {
				walk(strings.TrimPrefix(prefix+"."+key, "."), child)
			}
		case []any:
			for i, child := range v {
				walk(prefix+"."+strconv.Itoa(i), child)
			}
		case bool:
			out[prefix] = strconv.FormatBool(v)
		default:
			out[prefix] = textOf(v)
		}
	}
	walk("", value)
	return out
}

// unlike is a value that is not as it should be, by its keys with dots between them.
type unlike struct{ key, text string }

// texts are what is to be said of values.
func texts(faults []unlike) string {
	all := make([]string, len(faults))
	for i, f := range faults {
		all[i] = f.text
	}
	return strings.Join(all, "; ")
}

// missingFrom lists what of want is not in have. What have says beyond it are defaults.
func missingFrom(want, have any) []unlike {
	wanted, there := flatten(want), flatten(have)
	var faults []unlike
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		got, ok := there[key]
		if wanted[key] == "{}" {
			// An empty object may be answered with its defaults filled in.
			ok = ok || slices.ContainsFunc(slices.Collect(maps.Keys(there)), func(k string) bool { return strings.HasPrefix(k, key+".") })
			got = "{}"
		}
		switch {
		case !ok:
			faults = append(faults, unlike{key, key + " is missing"})
		case got != wanted[key]:
			faults = append(faults, unlike{key, fmt.Sprintf("%s is %s, not %s", key, got, wanted[key])})
		}
	}
	return faults
}

// template is what an index template says of its indices.
type template struct {
	Patterns []string `json:"index_patterns"`
	Template struct {
		Settings map[string]any `json:"settings"`
		Mappings struct {
			Properties map[string]any `json:"properties"`
		} `json:"mappings"`
	} `json:"template"`
}

func (e *env) indicesFollow(ctx context.Context, file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", final(fmt.Errorf("read what to expect: %w", err))
	}
	var want template
	if err := json.Unmarshal(data, &want); err != nil {
		return "", final(fmt.Errorf("%s: %w", file, err))
	}
	var indices map[string]struct {
		Settings map[string]any `json:"settings"`
		Mappings struct {
			Properties map[string]any `json:"properties"`
		} `json:"mappings"`
	}
	url := e.addr.URL("elasticsearch", "http") + "/" + logIndices
	if err := e.getJSON(ctx, url, &indices); err != nil {
		return "", err
	}
	var faults []unlike
	for _, name := range slices.Sorted(maps.Keys(indices)) {
		for _, f := range missingFrom(want.Template.Settings, indices[name].Settings) {
			faults = append(faults, unlike{"template.settings." + f.key, name + ": " + f.text})
		}
		for _, f := range missingFrom(want.Template.Mappings.Properties, indices[name].Mappings.Properties) {
			faults = append(faults, unlike{"template.mappings.properties." + f.key, name + ": " + f.text})
		}
	}
	if len(indices) == 0 {
		faults = []unlike{{text: "no index"}}
	}
	if len(faults) > 0 {
		return "", at(file, lineOfJSON(file, faults[0].key), &mismatch{"what " + e.show(file) + " says", texts(faults), url})
	}
	return fmt.Sprintf("%d indices", len(indices)), nil
}

// logPolicy is the lifecycle policy of the log indices.
const logPolicy = "application-logs"

func (e *env) indicesManaged(ctx context.Context) (string, error) {
	var explain struct {
		Indices map[string]struct {
			Managed bool   `json:"managed"`
			Policy  string `json:"policy"`
			Phase   string `json:"phase"`
			Step    string `json:"step"`
		} `json:"indices"`
	}
	url := e.addr.URL("elasticsearch", "http") + "/" + logIndices + "/_ilm/explain"
	if err := e.getJSON(ctx, url, &explain); err != nil {
		return "", err
	}
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(explain.Indices)) {
		if i := explain.Indices[name]; !i.Managed || i.Policy != logPolicy || i.Step == "ERROR" {
			faults = append(faults, fmt.Sprintf("%s: managed %t, policy %q, phase %q, step %q", name, i.Managed, i.Policy, i.Phase, i.Step))
		}
	}
	if len(explain.Indices) == 0 {
		faults = []string{"no index"}
	}
	// An index may name a policy that is not there: nothing would ever delete it.
	if err := e.getJSON(ctx, e.addr.URL("elasticsearch", "http")+"/_ilm/policy/"+logPolicy, new(any)); err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) > 0 {
		return "", &mismatch{"each index " + logIndices + " managed by " + logPolicy, strings.Join(faults, "; "), url}
	}
	return fmt.Sprintf("%d indices", len(explain.Indices)), nil
}

func (e *env) indicesNamed(ctx context.Context) (string, error) {
	var list []struct {
		Index string `json:"index"`
	}
	url := e.addr.URL("elasticsearch", "http") + "/_cat/indices/logs*?format=json&h=index"
	if err := e.getJSON(ctx, url, &list); err != nil {
		return "", err
	}
	var odd []string
	for _, i := range list {
		if !indexName.MatchString(i.Index) {
			odd = append(odd, i.Index)
		}
	}
	if len(list) == 0 || len(odd) > 0 {
		return "", &mismatch{
			"indices called " + indexName.String(), fmt.Sprintf("%d indices, odd ones: %s", len(list), strings.Join(odd, ", ")),
			"index in the output of " + e.show(e.pipelineFile()),
		}
	}
	return fmt.Sprintf("%d indices", len(list)), nil
}
