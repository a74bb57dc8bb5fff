package logstash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/logstash/lang"
)

// Settings are the settings of one pipeline: logstash.yml, overridden by its entry in pipelines.yml.
type Settings struct {
	// ID is the pipeline's id.
	ID string
	// Node is node.name.
	Node string
	// Files are the pipeline's files, in the order in which Logstash joins them.
	Files []string
	// Text is config.string: the pipeline itself, instead of files.
	Text string
	// Workers run the filters and outputs; a batch is what one of them takes at once.
	Workers    int
	BatchSize  int
	BatchDelay time.Duration
	// ECS is pipeline.ecs_compatibility: disabled, v1 or v8.
	ECS string
	// Escapes is config.support_escapes.
	Escapes bool
	// DeadLetters is dead_letter_queue.enable.
	DeadLetters bool

	// dir and data are where the image's directories lie on this machine.
	dir, data string
	env       func(string) (string, bool)
	dead      *deadLetters
}

// imageHome is where Logstash lives in its image; files that name a path below it find it here too.
const imageHome = "/usr/share/logstash/"

// path maps a path of the image to this machine: pipeline and config to the settings, data to the data directory.
func (s *Settings) path(p string) string {
	if rest, ok := strings.CutPrefix(p, imageHome); ok {
		first, below, _ := strings.Cut(rest, "/")
		switch first {
		case "config":
			return filepath.Join(s.dir, below)
		case "data":
			return filepath.Join(s.data, below)
		}
		return filepath.Join(s.dir, rest)
	}
	if !filepath.IsAbs(p) {
		return filepath.Join(s.dir, p)
	}
	return p
}

func defaultSettings(dir, data string, env func(string) (string, bool)) Settings {
	return Settings{
		ID: "main", Node: "logstash", Workers: runtime.NumCPU(), BatchSize: 125, BatchDelay: 50 * time.Millisecond,
		ECS: "v8", dir: dir, data: data, env: env,
	}
}

// setting is one key with its value, flattened: {pipeline: {workers: 2}} is pipeline.workers.
type setting struct {
	key, value string
	pos        lang.Pos
}

func flatten(file, prefix string, node *yaml.Node, out []setting) ([]setting, error) {
	pos := lang.Pos{File: file, Line: node.Line, Column: node.Column}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if prefix != "" {
				key = prefix + "." + key
			}
			var err error
			if out, err = flatten(file, key, node.Content[i+1], out); err != nil {
				return nil, err
			}
			if v := node.Content[i+1]; v.Kind == yaml.ScalarNode {
				out[len(out)-1].pos.Line = node.Content[i].Line
			}
		}
		return out, nil
	case yaml.ScalarNode:
		return append(out, setting{key: prefix, value: node.Value, pos: pos}), nil
	case yaml.AliasNode:
		return flatten(file, prefix, node.Alias, out)
	}
	return nil, pos.Errorf("setting %s: expected one value", prefix)
}

func readYAML(file string) (*yaml.Node, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		line := 1
		_, _ = fmt.Sscanf(err.Error(), "yaml: line %d:", &line)
		return nil, lang.Pos{File: file, Line: line}.Errorf("%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	}
	return doc.Content[0], nil
}

// loadSettings reads DIR/logstash.yml and DIR/pipelines.yml and gives the settings of every pipeline.
func loadSettings(dir, data string, env func(string) (string, bool)) ([]Settings, error) {
	base := defaultSettings(dir, data, env)
	file := filepath.Join(dir, "logstash.yml")
	root, err := readYAML(file)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	if err := base.apply(file, root, false); err != nil {
		return nil, err
	}
	if base.Text != "" || len(base.Files) > 0 {
		return []Settings{base}, nil
	}
	file = filepath.Join(dir, "pipelines.yml")
	root, err = readYAML(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, lang.Pos{File: file}.Errorf("no pipeline: the file is missing, and logstash.yml has no path.config")
	}
	if err != nil {
		return nil, fmt.Errorf("read the pipelines: %w", err)
	}
	if root.Kind != yaml.SequenceNode || len(root.Content) == 0 {
		return nil, lang.Pos{File: file, Line: max(root.Line, 1)}.Errorf("expected a list of pipelines: - pipeline.id: …")
	}
	var out []Settings
	for _, entry := range root.Content {
		s := base
		pos := lang.Pos{File: file, Line: entry.Line}
		if err := s.apply(file, entry, true); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o Settings) bool { return o.ID == s.ID }) {
			return nil, pos.Errorf("pipeline.id %q stands twice", s.ID)
		}
		if len(s.Files) == 0 && s.Text == "" {
			return nil, pos.Errorf("pipeline %q has no files: set path.config or config.string", s.ID)
		}
		out = append(out, s)
	}
	return out, nil
}

// ofNode are the settings that belong to the process, not to a pipeline. The runner's own flags decide about addresses
// and directories.
var ofNode = []string{
	"node.name", "path.data", "path.logs", "path.settings", "api.enabled", "api.environment", "api.http.host", "api.http.port",
	"log.level", "log.format", "config.reload.automatic", "config.reload.interval", "xpack.monitoring.enabled", "xpack.management.enabled",
	"pipeline.unsafe_shutdown", "allow_superuser",
}

// only are settings of the node with the one value that this runner acts by.
var only = map[string]string{
	"config.reload.automatic": "false", "xpack.monitoring.enabled": "false", "xpack.management.enabled": "false", "api.enabled": "true",
}

func (s *Settings) apply(file string, root *yaml.Node, pipeline bool) error {
	all, err := flatten(file, "", root, nil)
	if err != nil {
		return err
	}
	for _, set := range all {
		value, err := lang.Substitute(set.value, s.env)
		if err != nil {
			return set.pos.Errorf("setting %s: %v", set.key, err)
		}
		if err := s.set(set, value, pipeline); err != nil {
			return err
		}
	}
	return nil
}

func (s *Settings) set(set setting, value string, pipeline bool) error {
	fail := func(format string, args ...any) error {
		return set.pos.Errorf("setting %s: %s", set.key, fmt.Sprintf(format, args...))
	}
	boolean := func(to *bool) error {
		b, err := strconv.ParseBool(value)
		if err != nil {
			return fail("expected true or false, not %q", value)
		}
		*to = b
		return nil
	}
	positive := func(to *int) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fail("expected a number from 1 on, not %q", value)
		}
		*to = n
		return nil
	}
	switch set.key {
	case "pipeline.id":
		if s.ID = value; value == "" {
			return fail("a pipeline needs an id: its dead letter queue and its statistics are found by it")
		}
	case "pipeline.workers":
		return positive(&s.Workers)
	case "pipeline.batch.size":
		return positive(&s.BatchSize)
	case "pipeline.batch.delay":
		ms := 0
		err := positive(&ms)
		s.BatchDelay = time.Duration(ms) * time.Millisecond
		return err
	case "pipeline.ecs_compatibility":
		if s.ECS = value; !slices.Contains([]string{"disabled", "v1", "v8"}, value) {
			return fail("%q is none of disabled, v1, v8", value)
		}
	case "pipeline.ordered":
		if !slices.Contains([]string{"auto", "true", "false"}, value) {
			return fail("%q is none of auto, true, false", value)
		}
		if value == "true" && s.Workers != 1 {
			return fail("order needs pipeline.workers: 1 above it")
		}
	case "config.support_escapes":
		return boolean(&s.Escapes)
	case "config.string":
		s.Text = value
	case "path.config":
		return s.findFiles(value, fail)
	case "queue.type":
		if value != "memory" {
			return fail("%q is not supported: the queue is in memory, what is not delivered stays in Kafka", value)
		}
	case "dead_letter_queue.enable":
		return boolean(&s.DeadLetters)
	case "dead_letter_queue.flush_interval":
		// Every entry is on the disk before its event is acknowledged.
	case "node.name":
		s.Node = value
	default:
		if !slices.Contains(ofNode, set.key) {
			return fail("unknown here; remove it, or see docs/logstash.md for the settings there are")
		}
		if want := only[set.key]; want != "" && value != want {
			return fail("%q is not supported, only %s is", value, want)
		}
		if pipeline {
			return fail("belongs into logstash.yml, not to a pipeline")
		}
	}
	return nil
}

// findFiles resolves path.config: a file, a directory, or a pattern with *, ? and [a-z], {a,b}, and ** for any depth.
func (s *Settings) findFiles(value string, fail func(string, ...any) error) error {
	path := s.path(value)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "*")
	}
	files, err := doublestar.FilepathGlob(path)
	if err != nil {
		return fail("%v", err)
	}
	files = slices.DeleteFunc(files, func(f string) bool {
		info, err := os.Stat(f)
		return err != nil || info.IsDir() || strings.HasSuffix(f, "~")
	})
	if len(files) == 0 {
		return fail("no file at %s", path)
	}
	slices.Sort(files)
	s.Files = files
	return nil
}

// sources reads the pipeline's files.
func (s *Settings) sources() ([]lang.Source, error) {
	if s.Text != "" {
		return []lang.Source{{Name: "config.string", Text: s.Text}}, nil
	}
	var out []lang.Source
	for _, f := range s.Files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("read the pipeline %s: %w", s.ID, err)
		}
		out = append(out, lang.Source{Name: f, Text: string(data)})
	}
	return out, nil
}
