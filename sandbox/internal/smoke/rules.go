package smoke

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// ruleGroup is a group of a checked-in rule file.
type ruleGroup struct {
	file  string
	line  int
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Record      string            `yaml:"record"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func (r rule) name() string { return r.Alert + r.Record }

// loadRuleGroups reads the rule files that the checked-in prometheus.yml loads.
func loadRuleGroups(s *stack.Stack) ([]ruleGroup, error) {
	files, err := s.RuleFiles()
	if err != nil {
		return nil, err
	}
	var groups []ruleGroup
	for _, file := range files {
		var doc struct {
			Groups []yaml.Node `yaml:"groups"`
		}
		if err := decodeLoosely(file, &doc); err != nil {
			return nil, err
		}
		for _, node := range doc.Groups {
			g := ruleGroup{file: file, line: node.Line}
			if err := node.Decode(&g); err != nil {
				return nil, &stack.FileError{File: file, Line: node.Line, Msg: err.Error()}
			}
			groups = append(groups, g)
		}
	}
	if len(groups) == 0 {
		return nil, fmt.Errorf("no rule group in %s", strings.Join(files, ", "))
	}
	return groups, nil
}

// loadedGroup is a rule group as Prometheus has it.
type loadedGroup struct {
	Name  string `json:"name"`
	File  string `json:"file"`
	Rules []struct {
		Type        string            `json:"type"`
		Name        string            `json:"name"`
		Query       string            `json:"query"`
		Duration    float64           `json:"duration"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		Health      string            `json:"health"`
		LastError   string            `json:"lastError"`
	} `json:"rules"`
}

// ruleChecks: each group of the checked-in files is loaded as it stands and evaluates.
func ruleChecks(e *env) []*check {
	groups, err := loadRuleGroups(e.stack)
	if err != nil {
		return []*check{broken("prometheus: which rules to load is known", "", err)}
	}
	var all []*check
	for _, g := range groups {
		all = append(all, &check{
			name: "prometheus evaluates rule group " + g.Name, needs: []string{"prometheus"}, file: g.file, line: g.line,
			assert: func(ctx context.Context) (string, error) { return e.groupEvaluates(ctx, g) },
		})
	}
	return append(all, &check{
		name: "prometheus has the checked-in rule groups and no other", needs: []string{"prometheus"}, file: groups[0].file,
		assert: func(ctx context.Context) (string, error) { return e.noOtherGroup(ctx, groups) },
	})
}

// fileTail is a rule file's name and directory: a container mounts it elsewhere.
func fileTail(file string) string {
	return filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file))
}

func (e *env) loadedGroups(ctx context.Context) ([]loadedGroup, error) {
	var data struct {
		Groups []loadedGroup `json:"groups"`
	}
	err := e.prometheus(ctx, "/api/v1/rules", &data)
	return data.Groups, err
}

// groupEvaluates does not wait for the group's interval: while Prometheus has not evaluated a rule yet, its expression
// is evaluated here.
func (e *env) groupEvaluates(ctx context.Context, want ruleGroup) (string, error) {
	look := e.addr.URL("prometheus", "http") + "/api/v1/rules"
	groups, err := e.loadedGroups(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(groups, func(g loadedGroup) bool {
		return g.Name == want.Name && fileTail(g.File) == fileTail(want.file)
	})
	if i < 0 {
		var names []string
		for _, g := range groups {
			names = append(names, g.Name+" of "+g.File)
		}
		return "", &mismatch{"group " + want.Name + " of " + e.show(want.file), "loaded: " + strings.Join(names, ", "), look}
	}
	faults, waiting := compareGroup(want, groups[i])
	for _, r := range want.Rules {
		if _, err := e.query(ctx, r.Expr); err != nil {
			faults = append(faults, fmt.Sprintf("%s does not evaluate: %v", r.name(), err))
		}
	}
	if len(faults) > 0 {
		return "", &mismatch{fmt.Sprintf("%d rules as checked in, evaluating without error", len(want.Rules)), strings.Join(faults, "; "), look}
	}
	if waiting > 0 {
		return fmt.Sprintf("%d rules; %d not yet due in Prometheus, their expressions evaluated here", len(want.Rules), waiting), nil
	}
	return fmt.Sprintf("%d rules, all evaluated by Prometheus", len(want.Rules)), nil
}

// compareGroup lists what is not as checked in, and counts the rules that Prometheus has not evaluated yet.
func compareGroup(want ruleGroup, have loadedGroup) (faults []string, waiting int) {
	for i, w := range want.Rules {
		if i >= len(have.Rules) || have.Rules[i].Name != w.name() {
			faults = append(faults, fmt.Sprintf("rule %d should be %s", i+1, w.name()))
			continue
		}
		h := have.Rules[i]
		fault := func(format string, args ...any) { faults = append(faults, w.name()+fmt.Sprintf(format, args...)) }
		if canonical(w.Expr) != canonical(h.Query) {
			fault(" has the expression %s", h.Query)
		}
		if w.Alert != "" {
			if d, err := model.ParseDuration(w.For); w.For != "" && (err != nil || time.Duration(d).Seconds() != h.Duration) {
				fault(" fires after %vs, not %s", h.Duration, w.For)
			}
			if !sameTexts(w.Annotations, h.Annotations) {
				fault(" has the annotations %v", h.Annotations)
			}
		}
		if !sameTexts(w.Labels, h.Labels) {
			fault(" has the labels %v", h.Labels)
		}
		switch {
		case h.LastError != "":
			fault(" fails: %s", h.LastError)
		case h.Health == "unknown":
			waiting++
		case h.Health != "ok":
			fault(" has health %q", h.Health)
		}
	}
	for _, h := range have.Rules[min(len(want.Rules), len(have.Rules)):] {
		faults = append(faults, h.Name+" is not in the checked-in file")
	}
	return faults, waiting
}

// canonical is an expression as Prometheus writes it.
func canonical(expr string) string {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return strings.TrimSpace(expr)
	}
	return parsed.String()
}

// sameTexts ignores no text, but that nil and empty are one.
func sameTexts(a, b map[string]string) bool {
	return len(a) == len(b) && (len(a) == 0 || maps.Equal(a, b))
}

func (e *env) noOtherGroup(ctx context.Context, want []ruleGroup) (string, error) {
	groups, err := e.loadedGroups(ctx)
	if err != nil {
		return "", err
	}
	var wanted, loaded []string
	for _, g := range want {
		wanted = append(wanted, fileTail(g.file)+" "+g.Name)
	}
	for _, g := range groups {
		loaded = append(loaded, fileTail(g.File)+" "+g.Name)
	}
	slices.Sort(wanted)
	slices.Sort(loaded)
	if !slices.Equal(wanted, loaded) {
		return "", &mismatch{strings.Join(wanted, ", "), strings.Join(loaded, ", "), "rule_files in prometheus.yml"}
	}
	return fmt.Sprintf("%d groups", len(loaded)), nil
}
