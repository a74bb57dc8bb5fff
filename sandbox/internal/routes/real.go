package routes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/ports"
	"obsandbox/sandbox/internal/stack"
)

// ReadYAML is the root of a file's first document.
func ReadYAML(file string) (*yaml.Node, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, errors.Unwrap(err))
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: the file is empty", file)
	}
	return doc.Content[0], nil
}

// setInRoutes gives every route of a configuration other times.
func setInRoutes(root *yaml.Node, times map[string]string) {
	var walk func(route *yaml.Node)
	walk = func(route *yaml.Node) {
		if route = stack.Follow(route); route.Kind != yaml.MappingNode {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(times)) {
			if old := stack.Child(route, key); old.Kind == yaml.ScalarNode {
				old.Value, old.Tag, old.Style = times[key], "!!str", 0
				continue
			}
			route.Content = append(route.Content,
				&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key},
				&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: times[key]})
		}
		for _, child := range stack.Child(route, "routes").Content {
			walk(child)
		}
	}
	walk(stack.Child(root, "route"))
}

// neverSend lets every route wait for a day: whoever the receivers are, none of them is called.
func neverSend(file string) ([]byte, error) {
	root, err := ReadYAML(file)
	if err != nil {
		return nil, err
	}
	setInRoutes(root, map[string]string{"group_wait": "24h"})
	return yaml.Marshal(root)
}

// Program is a running Alertmanager.
type Program struct {
	// URL is where it answers.
	URL    string
	cancel context.CancelFunc
	done   chan struct{}
	log    *bytes.Buffer
}

// Start runs an Alertmanager on loopback with a configuration, and waits until it is ready. dir is for its state; args
// are further arguments.
func Start(ctx context.Context, program, configFile, dir string, args ...string) (*Program, error) {
	claim, err := ports.Take(ctx, false) // it cannot say itself which port it took
	if err != nil {
		return nil, fmt.Errorf("start Alertmanager: %w", err)
	}
	address := claim.Address()
	_ = claim.Let()
	ctx, cancel := context.WithCancel(ctx)
	p := &Program{URL: "http://" + address, cancel: cancel, done: make(chan struct{}), log: &bytes.Buffer{}}
	args = append([]string{"--config.file=" + configFile, "--storage.path=" + dir,
		"--web.listen-address=" + address, "--cluster.listen-address=", "--log.level=warn"}, args...)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		cancel()
		_ = claim.Close()
		return nil, fmt.Errorf("start Alertmanager: %w", err)
	}
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
		_ = claim.Close()
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		if resp, err := http.Get(p.URL + "/-/ready"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		select {
		case <-tick.C:
		case <-p.done:
			cancel()
			return nil, fmt.Errorf("start Alertmanager with %s: it ended: %s", configFile, strings.TrimSpace(p.log.String()))
		case <-deadline:
			p.Stop()
			return nil, fmt.Errorf("start Alertmanager with %s: not ready after 30s: %s", configFile, strings.TrimSpace(p.log.String()))
		}
	}
}

// Stop ends it.
func (p *Program) Stop() {
	p.cancel()
	<-p.done
}

// Posted is an alert as Prometheus sends it.
type Posted struct {
	Labels      model.LabelSet    `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt"`
	// EndsAt in the past says that it is resolved.
	EndsAt       time.Time `json:"endsAt"`
	GeneratorURL string    `json:"generatorURL,omitempty"`
}

// Post sends alerts.
func (p *Program) Post(ctx context.Context, alerts []Posted) error {
	body, err := json.Marshal(alerts)
	if err != nil {
		return fmt.Errorf("post alerts: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/api/v2/alerts", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post alerts: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("post alerts: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var text bytes.Buffer
		_, _ = text.ReadFrom(resp.Body)
		return fmt.Errorf("post alerts: %s: %s", resp.Status, strings.TrimSpace(text.String()))
	}
	return nil
}

// Seen is what Alertmanager says of an alert.
type Seen struct {
	Labels    model.LabelSet          `json:"labels"`
	Receivers []struct{ Name string } `json:"receivers"`
	Status    struct{ State string }  `json:"status"`
}

// Alerts asks for all alerts.
func (p *Program) Alerts(ctx context.Context) ([]Seen, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/v2/alerts", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for alerts: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for alerts: %w", err)
	}
	defer resp.Body.Close()
	var seen []Seen
	if err := json.NewDecoder(resp.Body).Decode(&seen); err != nil {
		return nil, fmt.Errorf("ask for alerts: %w", err)
	}
	return seen, nil
}

var (
	loadingFailed = regexp.MustCompile(`Loading configuration file failed.* err=("(?:[^"\\]|\\.)*")`)
	lineNumber    = regexp.MustCompile(`(?m)^(\s*)line \d+: `)
)

// refusal is what the program says of a configuration that its packages, which may be of a later version, have taken. The
// lines that it names are of the copy that it was given, and are looked for anew.
func refusal(configFile string, err error) error {
	m := loadingFailed.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	data, readErr := os.ReadFile(configFile)
	text, unquoteErr := strconv.Unquote(m[1])
	if readErr != nil || unquoteErr != nil {
		return err
	}
	var faults []string
	for line := range strings.Lines(lineNumber.ReplaceAllString(text, "$1")) {
		if !slices.Contains(faults, line) {
			faults = append(faults, line)
		}
	}
	return fmt.Errorf("%w (Alertmanager itself does not start with it)", stack.YAMLErrors(configFile, data, errors.New(strings.Join(faults, ""))))
}

// askReal asks a real Alertmanager about the alerts of a case: whether it suppresses them, and which receivers they are
// for. Times are left to its packages: it only knows its own clock.
func askReal(ctx context.Context, program, configFile string, c *Case) ([]fault, error) {
	dir, err := os.MkdirTemp("", "alertmanager-")
	if err != nil {
		return nil, fmt.Errorf("run Alertmanager: %w", err)
	}
	defer os.RemoveAll(dir)
	conf, err := neverSend(configFile)
	if err != nil {
		return nil, err
	}
	// Beside it would be where relative templates are; they are not needed as nothing is sent.
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		return nil, fmt.Errorf("run Alertmanager: %w", err)
	}
	p, err := Start(ctx, program, file, filepath.Join(dir, "data"))
	if err != nil {
		return nil, refusal(configFile, err)
	}
	defer p.Stop()
	now := time.Now()
	var alerts []Posted
	for _, a := range c.Alerts {
		alerts = append(alerts, Posted{Labels: a.Labels, StartsAt: now, EndsAt: now.Add(time.Hour)})
	}
	if err := p.Post(ctx, alerts); err != nil {
		return nil, err
	}
	// Inhibition follows the alerts by some milliseconds.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Second)
	agreed := 0
	for {
		seen, err := p.Alerts(ctx)
		if err != nil {
			return nil, err
		}
		faults := compareSeen(c, seen)
		// Not at the first look: an alert that is silenced wrongly is so only after a moment.
		agreed++
		if len(faults) > 0 {
			agreed = 0
		}
		if agreed == settled {
			return nil, nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return faults, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// settled is the number of looks, 10 ms apart, that must find all as expected.
const settled = 4

func compareSeen(c *Case, seen []Seen) []fault {
	var faults []fault
	for _, a := range c.Alerts {
		i := slices.IndexFunc(seen, func(s Seen) bool { return s.Labels.Equal(a.Labels) })
		fail := func(format string, args ...any) {
			faults = append(faults, fault{a.line, a.Labels.String() + ": a real Alertmanager " + fmt.Sprintf(format, args...)})
		}
		if i < 0 {
			fail("does not have the alert")
			continue
		}
		want := "active"
		if a.Inhibited {
			want = "suppressed"
		}
		if seen[i].Status.State != want {
			fail("says it is %s, not %s", seen[i].Status.State, want)
		}
		if a.Receivers == nil || c.Time != nil || a.Inhibited {
			continue
		}
		var got []string
		for _, r := range seen[i].Receivers {
			got = append(got, r.Name)
		}
		expected := slices.Clone(*a.Receivers)
		slices.Sort(got)
		slices.Sort(expected)
		if !slices.Equal(slices.Compact(expected), slices.Compact(got)) {
			fail("sends it elsewhere\n- expected\n+ got\n- %s\n+ %s", names(expected), names(got))
		}
	}
	return faults
}
