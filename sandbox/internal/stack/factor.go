package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

// MaxFactor is the most that a run can be hastened: targets are then scraped twice a second.
const MaxFactor = 30

// hastened says whether times are shortened.
func (run RunContext) hastened() bool { return run.Factor > 1 }

// shorter is a time of a configuration file divided by the factor, in whole milliseconds.
func (run RunContext) shorter(d time.Duration) time.Duration {
	return max(time.Millisecond, time.Duration(float64(d)/run.Factor).Round(time.Millisecond))
}

// shorten divides the durations that some keys of a mapping have. Those that are missing are set to what the program
// takes then, where usual says it.
func (run RunContext) shorten(e *editor, mapping *yaml.Node, usual map[string]time.Duration, keys ...string) error {
	for _, key := range keys {
		node, d := mapValue(mapping, key), usual[key]
		if node != nil {
			parsed, err := model.ParseDuration(node.Value)
			if err != nil {
				return e.fail(node, "%s: %v", key, err)
			}
			d = time.Duration(parsed)
		}
		if d == 0 {
			continue
		}
		if err := e.set(mapping, key, model.Duration(run.shorter(d)).String()); err != nil {
			return err
		}
	}
	return nil
}

// hastenPrometheus shortens the intervals of prometheus.yml.
func (run RunContext) hastenPrometheus(e *editor) error {
	usual := map[string]time.Duration{"scrape_interval": time.Minute, "evaluation_interval": time.Minute} // config.DefaultGlobalConfig
	if global := mapValue(e.root, "global"); global == nil {
		e.insert(1, fmt.Sprintf("global:\n  scrape_interval: %s\n  evaluation_interval: %[1]s\n", model.Duration(run.shorter(time.Minute))))
	} else if err := run.shorten(e, global, usual, "scrape_interval", "scrape_timeout", "evaluation_interval"); err != nil {
		return err
	}
	return each(mapValue(e.root, "scrape_configs"), func(job *yaml.Node) error {
		return run.shorten(e, job, nil, "scrape_interval", "scrape_timeout")
	})
}

// hastenAlertmanager shortens what alertmanager.yml waits for.
func (run RunContext) hastenAlertmanager(e *editor) error {
	if err := run.shorten(e, mapValue(e.root, "global"), nil, "resolve_timeout"); err != nil {
		return err
	}
	usual := map[string]time.Duration{"group_wait": 30 * time.Second, "group_interval": 5 * time.Minute, "repeat_interval": 4 * time.Hour} // dispatch.DefaultRouteOpts
	var walk func(route *yaml.Node, usual map[string]time.Duration) error
	walk = func(route *yaml.Node, usual map[string]time.Duration) error {
		if err := run.shorten(e, route, usual, "group_wait", "group_interval", "repeat_interval"); err != nil {
			return err
		}
		return each(mapValue(route, "routes"), func(child *yaml.Node) error { return walk(child, nil) })
	}
	return walk(mapValue(e.root, "route"), usual)
}

// hastenRules adds the rule files with their times shortened: intervals of groups, for, keep_firing_for, and the windows
// of every expression. A rate over a window that is as much shorter as its samples are closer together is the same rate.
func (s *Stack) hastenRules(run RunContext, files []Rendered) ([]Rendered, error) {
	names, err := s.RuleFiles()
	if err != nil {
		return nil, err
	}
	for _, path := range names {
		i := slices.IndexFunc(files, func(f Rendered) bool { return f.Path == path })
		if i < 0 {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("shorten the times of rules: %w", err)
			}
			name, err := filepath.Rel(s.Dir, path)
			if err != nil {
				return nil, fmt.Errorf("shorten the times of rules: %w", err)
			}
			i = len(files)
			files = append(files, Rendered{Name: filepath.ToSlash(name), Path: path, Original: data})
		}
		e, err := newEditor(path, files[i].Original)
		if err != nil {
			return nil, err
		}
		if err := run.hastenGroups(e); err != nil {
			return nil, err
		}
		files[i].Running, files[i].Path = e.bytes(), run.ruleFile(s.Dir, path)
	}
	return files, nil
}

// ruleFile is where a rule file lies whose times are shortened.
func (run RunContext) ruleFile(stackDir, path string) string {
	name, err := filepath.Rel(stackDir, path)
	if err != nil || strings.HasPrefix(name, "..") {
		name = filepath.Base(path)
	}
	return filepath.Join(run.Dir, "config", name)
}

func (run RunContext) hastenGroups(e *editor) error {
	return each(mapValue(e.root, "groups"), func(group *yaml.Node) error {
		if err := run.shorten(e, group, nil, "interval", "query_offset"); err != nil {
			return err
		}
		return each(mapValue(group, "rules"), func(rule *yaml.Node) error {
			if err := run.shorten(e, rule, nil, "for", "keep_firing_for"); err != nil {
				return err
			}
			return run.hastenExpr(e, rule)
		})
	})
}

// hastenExpr shortens the windows of a rule's expression. What is written on lines of their own stays there.
func (run RunContext) hastenExpr(e *editor, rule *yaml.Node) error {
	node := mapValue(rule, "expr")
	if node == nil {
		return nil
	}
	text, err := run.windows(node.Value)
	if err != nil {
		return e.fail(node, "expr: %v", err)
	}
	if text == node.Value {
		return nil
	}
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && !strings.Contains(node.Value, "\n") && lastLine(node) == node.Line {
		if e.replace(node, text) == nil {
			return nil
		}
	}
	for i := 0; i+1 < len(rule.Content); i += 2 {
		if key := rule.Content[i]; rule.Content[i+1] == node {
			var b strings.Builder
			b.WriteString("expr: |-\n")
			for line := range strings.Lines(strings.TrimRight(text, "\n")) {
				b.WriteString("  " + line)
			}
			e.replaceEntry(key, node, b.String()+"\n")
		}
	}
	return nil
}

// windows divides every range and every offset of an expression. Numbers that merely look like times stay.
func (run RunContext) windows(expr string) (string, error) {
	var out strings.Builder
	lexer := parser.Lex(expr)
	depth, after, end := 0, false, 0 // of brackets; whether an offset is next; what of expr is written
	for {
		var item parser.Item
		lexer.NextItem(&item)
		switch item.Typ {
		case parser.EOF:
			return out.String() + expr[end:], nil
		case parser.ERROR:
			return "", fmt.Errorf("%s", item.Val)
		case parser.LEFT_BRACKET:
			depth++
		case parser.RIGHT_BRACKET:
			depth--
		case parser.OFFSET:
			after = true
			continue
		case parser.SUB, parser.ADD:
			if after {
				continue
			}
			if depth > 0 {
				return "", fmt.Errorf("a window that is worked out (%s) cannot be shortened", expr)
			}
		case parser.MUL, parser.DIV, parser.MOD, parser.POW:
			if depth > 0 {
				return "", fmt.Errorf("a window that is worked out (%s) cannot be shortened", expr)
			}
		case parser.DURATION, parser.NUMBER:
			if depth > 0 || after {
				text := item.Val
				if item.Typ == parser.NUMBER {
					text += "s"
				}
				d, err := model.ParseDuration(text)
				if err != nil {
					return "", fmt.Errorf("%s: %w", item.Val, err)
				}
				out.WriteString(expr[end:item.Pos] + model.Duration(run.shorter(time.Duration(d))).String())
				end = int(item.Pos) + len(item.Val)
			}
		}
		after = false
	}
}
