package stack

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// RunContext is what a running stack has and a checked-in file cannot know.
type RunContext struct {
	Addresses Addresses
	// Dir is the run directory: rewritten files go to Dir/config, secrets to Dir/secrets, state to Dir/data.
	Dir string
	// Keep says that state outlives the run.
	Keep bool
	// Factor is how many times as fast the monitoring goes: intervals, windows, for and the waits of groups are as much
	// shorter. 0 and 1 leave them as they are checked in.
	Factor float64
}

// Rendered is one configuration file as it runs.
type Rendered struct {
	// Name is the file's path below the stack directory; for a file that only embedded mode needs, its path below the
	// run directory.
	Name string
	// Path is where the file that runs lies: the checked-in file itself where nothing is rewritten.
	Path string
	// Original is what is checked in; nil for a file that only embedded mode needs.
	Original []byte
	Running  []byte
	// Secret files are written for their owner alone, and no command prints them.
	Secret bool
}

// Rewritten says whether what runs differs from what is checked in.
func (r Rendered) Rewritten() bool { return string(r.Original) != string(r.Running) }

// Render is the configuration of a component as embedded mode runs it. Whatever it changes is either an address (what
// a cluster's DNS would resolve), a path (what a container would mount) or a receiver (what would reach a person), and,
// only where the run is hastened, a time; errors name the checked-in file and the line.
func (s *Stack) Render(component string, run RunContext) ([]Rendered, error) {
	c, err := s.Component(component)
	if err != nil {
		return nil, err
	}
	var out []Rendered
	for _, name := range c.Config {
		data, err := os.ReadFile(s.Path(name))
		if err != nil {
			return nil, fmt.Errorf("render the configuration of %s: %s: %w", component, s.Path(name), errors.Unwrap(err))
		}
		out = append(out, Rendered{Name: name, Path: s.Path(name), Original: data, Running: data})
	}
	rewrite := map[string]func(*editor, RunContext) ([]Rendered, error){
		"prometheus": s.renderPrometheus, "alertmanager": s.renderAlertmanager, "jaeger": s.renderJaeger,
	}[c.Program]
	if rewrite == nil || len(out) == 0 {
		return out, nil
	}
	// The first file is the one that the program is started with; it names the others.
	main := &out[0]
	e, err := newEditor(main.Path, main.Original)
	if err != nil {
		return nil, err
	}
	extra, err := rewrite(e, run)
	if err != nil {
		return nil, err
	}
	main.Running = e.bytes()
	main.Path = filepath.Join(run.Dir, "config", filepath.FromSlash(main.Name))
	for i := range extra {
		extra[i].Path = filepath.Join(run.Dir, filepath.FromSlash(extra[i].Name))
	}
	out = append(out, extra...)
	if run.hastened() && c.Program == "prometheus" {
		return s.hastenRules(run, out)
	}
	return out, nil
}

// WriteRendered writes the files that differ from what is checked in to their paths.
func WriteRendered(files []Rendered) error {
	for _, f := range files {
		if !f.Rewritten() {
			continue
		}
		mode := os.FileMode(0o644)
		if f.Secret {
			mode = 0o600
		}
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
			return fmt.Errorf("write the configuration that runs: %w", err)
		}
		if err := os.WriteFile(f.Path, f.Running, mode); err != nil {
			return fmt.Errorf("write the configuration that runs: %w", err)
		}
	}
	return nil
}

// Where the images of Prometheus and Alertmanager expect their configuration; the checked-in files name these paths.
const (
	prometheusDir   = "/etc/prometheus/"
	alertmanagerDir = "/etc/alertmanager/"
)

// hostPath is where a file that a container would have under mount lies on this machine.
func hostPath(mount, configFile, path string) string {
	if rest, ok := strings.CutPrefix(path, mount); ok {
		return filepath.Join(filepath.Dir(configFile), filepath.FromSlash(rest))
	}
	if !filepath.IsAbs(path) {
		return filepath.Join(filepath.Dir(configFile), path)
	}
	return path
}

// matches says whether a pattern of file names, which stands at node, matches any: a program that is given another starts
// without what it was to read, and says nothing.
func (e *editor) matches(node *yaml.Node, pattern string) error {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return e.fail(node, "%s: %v", node.Value, err)
	}
	if len(found) == 0 {
		return e.fail(node, "%s matches no file (%s)", node.Value, pattern)
	}
	if dir := directory(found); dir != "" {
		return e.fail(node, "%q matches the directory %s: name files, such as %s", node.Value, dir, filepath.Join(node.Value, "*"+filepath.Ext(e.file)))
	}
	return nil
}

// directory is the first of these that is one; empty where none is.
func directory(paths []string) string {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
	}
	return ""
}

func (s *Stack) renderPrometheus(e *editor, run RunContext) ([]Rendered, error) {
	for _, key := range []string{"remote_write", "remote_read"} {
		if node := mapValue(e.root, key); node != nil {
			return nil, e.fail(node, "%s leads out of the sandbox: simulated data would be mixed with real data; take it out of the file that is tried here", key)
		}
	}
	for _, key := range []string{"rule_files", "scrape_config_files"} {
		err := each(mapValue(e.root, key), func(n *yaml.Node) error {
			path := hostPath(prometheusDir, e.file, n.Value)
			if err := e.matches(n, path); err != nil {
				return err
			}
			if key == "rule_files" && run.hastened() {
				path = run.ruleFile(s.Dir, path)
			}
			return e.replace(n, path)
		})
		if err != nil {
			return nil, err
		}
	}
	if run.hastened() {
		if err := run.hastenPrometheus(e); err != nil {
			return nil, err
		}
	}
	kubeconfig := Rendered{Name: "config/kubeconfig"}
	discovers := false
	err := each(mapValue(e.root, "scrape_configs"), func(job *yaml.Node) error {
		// Every target keeps its production name and address; the platform's proxy is the cluster's network.
		if err := e.set(job, "proxy_url", run.Addresses.URL("platform", "proxy")); err != nil {
			return err
		}
		return each(mapValue(job, "kubernetes_sd_configs"), func(sd *yaml.Node) error {
			discovers = true
			if server := mapValue(sd, "api_server"); server != nil {
				return e.fail(server, "api_server leads out of the sandbox; without it Prometheus finds the cluster it runs in")
			}
			return e.set(sd, "kubeconfig_file", filepath.Join(run.Dir, filepath.FromSlash(kubeconfig.Name)))
		})
	})
	if err != nil {
		return nil, err
	}
	err = each(mapValue(mapValue(e.root, "alerting"), "alertmanagers"), func(am *yaml.Node) error {
		return each(mapValue(am, "static_configs"), func(group *yaml.Node) error {
			return each(mapValue(group, "targets"), func(target *yaml.Node) error { return s.replaceAddress(e, target, run) })
		})
	})
	if err != nil || !discovers {
		return nil, err
	}
	kubeconfig.Running = fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: sandbox
clusters:
  - name: sandbox
    cluster:
      server: %s
contexts:
  - name: sandbox
    context:
      cluster: sandbox
      user: prometheus
users:
  - name: prometheus
    user: {}
`, run.Addresses.URL("platform", "kubernetes"))
	return []Rendered{kubeconfig}, nil
}

// replaceAddress turns "component:port" with the component's usual port into the address where it runs.
func (s *Stack) replaceAddress(e *editor, node *yaml.Node, run RunContext) error {
	component, port, err := s.leadsTo(e, node, node.Value)
	if err != nil {
		return err
	}
	if to := run.Addresses.Of(component, port); to != "" {
		return e.replace(node, to)
	}
	return nil // not run this time; the name resolves nowhere
}

// leadsTo is the component, and the name of its port, that an address means; node is where it stands.
func (s *Stack) leadsTo(e *editor, node *yaml.Node, address string) (component, port string, err error) {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", e.fail(node, "%q is no host:port", address)
	}
	c, err := s.Component(host)
	if err != nil {
		return "", "", e.fail(node, "%s leads out of the sandbox: %v", address, err)
	}
	i := slices.IndexFunc(c.Ports, func(p Port) bool { return strconv.Itoa(p.Number) == number })
	if i < 0 {
		return "", "", e.fail(node, "%s has no port %s in %s", host, number, s.Path(FileName))
	}
	return host, c.Ports[i].Name, nil
}

// The receivers that the platform stands in for. Any other would reach a real person or program.
const (
	slackPath     = "/slack/services/sandbox"
	pagerdutyPath = "/v2/enqueue"
)

// noEmptyMatchers: Alertmanager takes an empty text among matchers for one that everything matches.
func (e *editor) noEmptyMatchers(node *yaml.Node) error {
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 1 && strings.HasSuffix(node.Content[i-1].Value, "matchers") {
			err := each(child, func(matcher *yaml.Node) error {
				if matcher.Kind == yaml.ScalarNode && strings.TrimSpace(matcher.Value) == "" {
					return e.fail(matcher, "an empty text stands among %s, and matches every alert", node.Content[i-1].Value)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if err := e.noEmptyMatchers(child); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) renderAlertmanager(e *editor, run RunContext) ([]Rendered, error) {
	if run.hastened() {
		if err := run.hastenAlertmanager(e); err != nil {
			return nil, err
		}
	}
	api := run.Addresses.URL("platform", "api")
	var secrets []Rendered
	secret := func(node *yaml.Node, value string) error {
		name := "secrets/" + filepath.Base(node.Value)
		if !slices.ContainsFunc(secrets, func(r Rendered) bool { return r.Name == name }) {
			secrets = append(secrets, Rendered{Name: name, Running: []byte(value), Secret: true})
		}
		return e.replace(node, filepath.Join(run.Dir, filepath.FromSlash(name)))
	}
	// Not a secret: PagerDuty's stand-in takes any key of the documented 32 characters.
	routingKey := strings.Repeat("0", 32)
	redirect := func(node *yaml.Node) error {
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			var err error
			if strings.HasPrefix(value.Value, "${") || strings.HasPrefix(value.Value, "$(") {
				return e.fail(value, "%s: Alertmanager expands no environment variables; mount the secret as a file and name it in %s_file", key.Value, key.Value)
			}
			switch key.Value {
			case "slack_api_url", "api_url":
				err = e.replace(value, api+slackPath)
			case "slack_api_url_file", "api_url_file":
				err = secret(value, api+slackPath)
			case "routing_key", "service_key":
				err = e.replace(value, routingKey)
			case "routing_key_file", "service_key_file":
				err = secret(value, routingKey)
			case "pagerduty_url", "url":
				err = e.replace(value, api+pagerdutyPath)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if global := mapValue(e.root, "global"); global != nil {
		if err := redirect(global); err != nil {
			return nil, err
		}
		if mapValue(global, "pagerduty_url") == nil {
			if err := e.set(global, "pagerduty_url", api+pagerdutyPath); err != nil {
				return nil, err
			}
		}
	} else {
		e.insert(1, "global:\n  pagerduty_url: "+api+pagerdutyPath+"\n")
	}
	if err := e.noEmptyMatchers(e.root); err != nil {
		return nil, err
	}
	err := each(mapValue(e.root, "templates"), func(n *yaml.Node) error {
		pattern := hostPath(alertmanagerDir, e.file, n.Value)
		if err := e.matches(n, pattern); err != nil {
			return err
		}
		return e.replace(n, pattern)
	})
	if err != nil {
		return nil, err
	}
	err = each(mapValue(e.root, "receivers"), func(receiver *yaml.Node) error {
		for i := 0; i+1 < len(receiver.Content); i += 2 {
			key, configs := receiver.Content[i], receiver.Content[i+1]
			switch {
			case key.Value == "slack_configs" || key.Value == "pagerduty_configs":
				if err := each(configs, redirect); err != nil {
					return err
				}
			case strings.HasSuffix(key.Value, "_configs") && len(configs.Content) > 0:
				return e.fail(key, "%s would reach the real world: the sandbox stands in for slack_configs and pagerduty_configs only", key.Value)
			}
		}
		return nil
	})
	return secrets, err
}
