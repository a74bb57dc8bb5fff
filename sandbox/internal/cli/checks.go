package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/containers"
	"obsandbox/sandbox/internal/contract"
	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/logstash"
	"obsandbox/sandbox/internal/platform"
	"obsandbox/sandbox/internal/routes"
	"obsandbox/sandbox/internal/slo"
	"obsandbox/sandbox/internal/stack"
	"obsandbox/sandbox/internal/viewer"
)

// checks are what has to hold before anything starts: those of every run, and those of the components that this program
// serves itself.
func checks() []embedded.Check {
	return append(embedded.Checks(), checkLogstash, checkPlatform, checkNotifications, checkObjectives, checkGrafana, checkContainers)
}

// checkLogstash compiles the pipelines, as logstash --config.test_and_exit does.
func checkLogstash(_ context.Context, in embedded.Input) error {
	if !in.Runs("logstash") {
		return nil
	}
	c, err := in.Stack.Component("logstash")
	if err != nil || len(c.Config) == 0 {
		return err
	}
	errs := []error{logstash.Check(filepath.Dir(in.Stack.Path(c.Config[0])))}
	for _, name := range c.Config {
		errs = append(errs, in.Stack.CheckDefaults(in.Stack.Path(name)))
	}
	return errors.Join(errs...)
}

// checkPlatform makes the simulated platform of the metric catalogue and the services' probes, and runs nothing; the log
// standard, which its services keep, is read.
func checkPlatform(_ context.Context, in embedded.Input) error {
	if !in.Runs("platform") {
		return nil
	}
	err := platform.Check(platform.Config{StackDir: in.Stack.Dir, Replace: in.Replace, Join: in.Join, Faults: in.Faults})
	if in.Stack.Has(contract.SchemaFile) {
		_, schemaErr := contract.ReadLogStandard(in.Stack.Path(contract.SchemaFile))
		err = errors.Join(err, schemaErr)
	}
	return err
}

// checkNotifications executes the templates of Alertmanager's receivers.
func checkNotifications(_ context.Context, in embedded.Input) error {
	files := in.Files["alertmanager"]
	if !in.Runs("alertmanager") || len(files) == 0 {
		return nil
	}
	var running struct {
		Templates []string `yaml:"templates"`
	}
	if err := yaml.Unmarshal(files[0].Running, &running); err != nil {
		return nil // amtool says it with its place
	}
	var templates []string
	for _, pattern := range running.Templates {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("templates of alertmanager: %w", err)
		}
		templates = append(templates, found...)
	}
	return routes.CheckTemplates(in.Stack.Path(files[0].Name), templates)
}

// checkObjectives reads slos.yaml, of which Prometheus' rules are made.
func checkObjectives(_ context.Context, in embedded.Input) error {
	if !in.Runs("prometheus") {
		return nil
	}
	if !in.Stack.Has(slo.Source) {
		return slo.Orphans(in.Stack)
	}
	_, err := stack.LoadSLOs(in.Stack.Path(slo.Source))
	return err
}

// checkGrafana reads Grafana's provisioning and the dashboards.
func checkGrafana(_ context.Context, in embedded.Input) error {
	if !in.Runs("grafana") {
		return nil
	}
	return viewer.Check(in.Stack)
}

// checkContainers reads what the official images are told: a run without containers reads the same files.
func checkContainers(_ context.Context, in embedded.Input) error { return containers.Judge(in.Stack) }
