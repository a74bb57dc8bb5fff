package routes

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/template"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// CheckTemplates executes every template in the receivers of a configuration, with the template files that it names:
// Alertmanager and amtool do not look at what a template asks for before a notification is to be sent, and then send
// none. file is the configuration as it is checked in, files are the template files.
func CheckTemplates(file string, files []string) error {
	root, err := ReadYAML(file)
	if err != nil {
		return err
	}
	known, err := template.FromGlobs(files)
	if err != nil {
		return templateFault(file, stack.Child(root, "templates").Line, files, err)
	}
	if known.ExternalURL, err = url.Parse(externalURL); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var errs []error
	seen := map[string]bool{} // one fault of a file is found by every receiver
	walkTexts(stack.Child(root, "receivers"), func(node *yaml.Node) {
		for _, data := range samples() {
			_, err := known.ExecuteTextString(node.Value, data)
			if err == nil {
				continue
			}
			if fault := templateFault(file, node.Line, files, err); !seen[fault.Error()] {
				seen[fault.Error()] = true
				errs = append(errs, fault)
			}
			return
		}
	})
	return errors.Join(errs...)
}

// walkTexts calls fn for every text below node that is a template.
func walkTexts(node *yaml.Node, fn func(*yaml.Node)) {
	if node == nil {
		return
	}
	if node.Kind == yaml.ScalarNode && strings.Contains(node.Value, "{{") {
		fn(node)
	}
	for _, child := range node.Content {
		walkTexts(child, fn)
	}
}

// placeInTemplate is how Go's templates say where they failed: the file's base name (none for a text of the
// configuration), line and column.
var placeInTemplate = regexp.MustCompile(`^template: ([^:]*):(\d+)(?::\d+)?: (.*)$`)

// templateFault is an error of a template that stands in that line of the file, or in one of the template files.
func templateFault(file string, line int, files []string, err error) error {
	text := strings.TrimSpace(err.Error())
	if m := placeInTemplate.FindStringSubmatch(text); m != nil {
		text = m[3]
		for _, f := range files {
			if m[1] != "" && filepath.Base(f) == m[1] {
				file = f
				line, _ = strconv.Atoi(m[2])
			}
		}
	}
	return &stack.FileError{File: file, Line: line, Msg: strings.TrimPrefix(text, `executing "" at `)}
}

// samples are groups of alerts as Alertmanager hands them to templates: firing and resolved, with and without what an
// alert may lack.
func samples() []*template.Data {
	labels := template.KV{"alertname": "CollectorDown", "severity": "critical", "layer": "collection", "service": "shipping-collector"}
	annotations := template.KV{"summary": "A summary", "description": "A description", "runbook_url": "https://runbooks.example.com/#a"}
	now := time.Unix(0, 0).UTC()
	var all []*template.Data
	for _, status := range []string{"firing", "resolved"} {
		for _, bare := range []bool{false, true} {
			a := template.Alert{Status: status, Labels: labels, Annotations: annotations, StartsAt: now, EndsAt: now, GeneratorURL: "http://prometheus.example.com", Fingerprint: "1"}
			d := &template.Data{
				Receiver: "receiver", Status: status, Alerts: template.Alerts{a, a}, GroupLabels: labels, CommonLabels: labels,
				CommonAnnotations: annotations, ExternalURL: externalURL,
			}
			if bare {
				a.Labels, a.Annotations = template.KV{"alertname": "CollectorDown"}, template.KV{}
				d.Alerts, d.GroupLabels, d.CommonLabels, d.CommonAnnotations = template.Alerts{a}, template.KV{}, a.Labels, template.KV{}
			}
			all = append(all, d)
		}
	}
	return all
}
