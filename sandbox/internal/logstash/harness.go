package logstash

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/lang"
)

// The names that a harness uses in events and requests.
const (
	// HarnessField holds, in what comes out of a harness, the event's metadata, below it HarnessMeta.
	HarnessField = "_harness"
	HarnessMeta  = "harness"
	// CaseHeader carries a case's number, FieldsHeader a JSON object of references and values that are set in the
	// event, EndHeader stands for the end of the case: such an event passes no filter.
	CaseHeader, FieldsHeader, EndHeader = "Case-Number", "Case-Fields", "Case-End"
	// hostVariable is the address that a harness listens on; loopback without it.
	hostVariable = "HARNESS_HOST"
)

// Harness is settings under which any Logstash runs the filters of pipelines for test cases: it takes the cases by HTTP,
// with the codecs of the pipelines' own inputs, and hands what comes out to whoever connects, as lines of JSON. The
// filters are the pipelines' text as it is; instead of writing, the outputs say in metadata what they would write where.
type Harness struct {
	Sources []*HarnessSource
	// Results are the ports at which each pipeline hands out events.
	Results map[string]int
}

// HarnessSource takes texts as an input of a pipeline does, or by a codec where Input is empty.
type HarnessSource struct {
	Pipeline, Input, Codec string
	Port                   int
}

// Write makes the settings directory dir for the pipelines of settings. env is as in Config.
func (h *Harness) Write(dir, settings string, env func(string) (string, bool)) error {
	if env == nil {
		env = os.LookupEnv
	}
	all, err := loadSettings(settings, settings, env)
	if err != nil {
		return err
	}
	var entries []map[string]any
	for _, s := range all {
		if h.Results[s.ID] == 0 {
			continue
		}
		text, err := h.pipeline(s)
		if err != nil {
			return fmt.Errorf("a harness for the pipeline %s: %w", s.ID, err)
		}
		file := filepath.Join(dir, "pipeline", s.ID+".conf")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		// One worker and batches that wait for nobody: cases come one after the other.
		entries = append(entries, map[string]any{
			"pipeline.id": s.ID, "path.config": file, "pipeline.workers": 1, "pipeline.batch.delay": 1,
			"pipeline.ecs_compatibility": s.ECS, "config.support_escapes": s.Escapes,
		})
	}
	// JSON is YAML.
	list, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "pipelines.yml"), append(list, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "logstash.yml"), []byte("api.http.host: 127.0.0.1\nallow_superuser: true\n"), 0o644))
}

// pipeline writes one pipeline's harness.
func (h *Harness) pipeline(s Settings) (string, error) {
	sources, err := s.sources()
	if err != nil {
		return "", err
	}
	tree, err := lang.Parse(sources, lang.Options{Env: s.env, Escapes: s.Escapes})
	if err != nil {
		return "", err
	}
	compiled, err := compile(s, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return "", err
	}
	host := "${" + hostVariable + ":127.0.0.1}"
	var out strings.Builder
	out.WriteString("input {\n")
	for _, source := range h.Sources {
		if source.Pipeline != s.ID {
			continue
		}
		options, err := source.options(tree, s.Escapes)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "  http { host => \"%s\" port => %d ecs_compatibility => disabled request_headers_target_field => \"[@metadata][%s][headers]\" remote_host_target_field => \"[@metadata][%s][host]\"%s }\n",
			host, source.Port, HarnessMeta, HarnessMeta, options)
	}
	header := func(name string) string {
		return "[@metadata][" + HarnessMeta + "][headers][" + strings.ToLower(strings.ReplaceAll(name, "-", "_")) + "]"
	}
	fmt.Fprintf(&out, "}\nfilter {\n  if !(%s) {\n", header(EndHeader))
	fmt.Fprintf(&out, "    json { source => %q tag_on_failure => [\"_harness_fields_failed\"] }\n", header(FieldsHeader))
	for _, source := range sources {
		sections, err := lang.Sections(source)
		if err != nil {
			return "", err
		}
		for _, section := range sections {
			if section.Kind == "filter" {
				out.WriteString(section.Body + "\n")
			}
		}
	}
	p := harnessPrinter{out: &out, escapes: s.Escapes}
	if err := p.outputs(compiled.outputs); err != nil {
		return "", err
	}
	fmt.Fprintf(&out, "  }\n  mutate { copy => { \"[@metadata]\" => %q } }\n}\n", HarnessField)
	fmt.Fprintf(&out, "output { tcp { mode => \"server\" host => \"%s\" port => %d codec => json_lines } }\n", host, h.Results[s.ID])
	return out.String(), nil
}

// options are the codec and what the pipeline's input adds to every event.
func (source *HarnessSource) options(tree *lang.Config, escapes bool) (string, error) {
	if source.Input == "" {
		return " codec => " + source.Codec, nil
	}
	var out strings.Builder
	for _, n := range tree.Inputs {
		in, ok := n.(*lang.Plugin)
		if !ok || !hasID(in, source.Input) {
			continue
		}
		codec := false
		for _, o := range in.Options {
			switch o.Name {
			case "codec", "add_field", "tags", "type":
				codec = codec || o.Name == "codec"
				text, err := o.Value.Print(escapes)
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&out, " %s => %s", o.Name, text)
			}
		}
		if !codec {
			out.WriteString(" codec => plain") // a text is a whole event
		}
		return out.String(), nil
	}
	return "", fmt.Errorf("the pipeline %s has no input with the id %q", source.Pipeline, source.Input)
}

func hasID(p *lang.Plugin, id string) bool {
	for _, o := range p.Options {
		if s, _ := o.Value.String(); o.Name == "id" && s == id {
			return true
		}
	}
	return false
}

// harnessPrinter writes outputs as filters that note what the outputs would do.
type harnessPrinter struct {
	out     *strings.Builder
	escapes bool
	count   int
}

func (p *harnessPrinter) outputs(nodes []node) error {
	for _, n := range nodes {
		switch n := n.(type) {
		case *outputNode:
			if err := p.output(n); err != nil {
				return err
			}
		case *branchNode:
			for i, arm := range n.branch.Arms {
				word := "if "
				if i > 0 {
					word = "} else if "
				}
				p.out.WriteString(word + arm.Text + " {\n")
				if err := p.outputs(n.arms[i]); err != nil {
					return err
				}
			}
			p.out.WriteString("} else {\n")
			if err := p.outputs(n.els); err != nil {
				return err
			}
			p.out.WriteString("}\n")
		}
	}
	return nil
}

func (p *harnessPrinter) output(n *outputNode) error {
	notes := []struct {
		name string
		text *event.Template
	}{{"output", nil}}
	add := func(name string, t *event.Template) {
		if t != nil {
			notes = append(notes, struct {
				name string
				text *event.Template
			}{name, t})
		}
	}
	switch o := n.output.(type) {
	case *elasticsearchOutput:
		add("index", o.index)
		add("document_id", o.id)
	case *kafkaOutput:
		add("topic", o.topic)
	case *fileOutput:
		add("path", o.path)
	}
	p.out.WriteString("mutate { add_field => {")
	for _, note := range notes {
		text := n.id
		if note.text != nil {
			text = note.text.String()
		}
		quoted, err := lang.Quote(text, p.escapes)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, " \"[@metadata][%s][sent][%04d][%s]\" => %s", HarnessMeta, p.count, note.name, quoted)
	}
	p.out.WriteString(" } }\n")
	p.count++
	return nil
}
