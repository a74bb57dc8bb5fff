package cli

import (
	"context"
	"os"
	"path/filepath"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/logstash"
	"obsandbox/sandbox/internal/platform"
	"obsandbox/sandbox/internal/slo"
	"obsandbox/sandbox/internal/stack"
	"obsandbox/sandbox/internal/viewer"
)

// checks are what has to hold before anything starts: those of every run, and those of the components that this program
// serves itself.
func checks() []embedded.Check {
	return append(embedded.Checks(), checkLogstash, checkPlatform, checkObjectives, checkGrafana)
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
	return logstash.Check(filepath.Dir(in.Stack.Path(c.Config[0])))
}

// checkPlatform makes the simulated platform of the metric catalogue and the services' probes, and runs nothing.
func checkPlatform(_ context.Context, in embedded.Input) error {
	if !in.Runs("platform") {
		return nil
	}
	return platform.Check(platform.Config{StackDir: in.Stack.Dir, Replace: in.Replace, Join: in.Join, Faults: in.Faults})
}

// checkObjectives reads slos.yaml, of which Prometheus' rules are made.
func checkObjectives(_ context.Context, in embedded.Input) error {
	file := in.Stack.Path(slo.Source)
	if _, err := os.Stat(file); err != nil || !in.Runs("prometheus") {
		return nil // a stack without objectives
	}
	_, err := stack.LoadSLOs(file)
	return err
}

// checkGrafana reads Grafana's provisioning and the dashboards.
func checkGrafana(_ context.Context, in embedded.Input) error {
	if !in.Runs("grafana") {
		return nil
	}
	return viewer.Check(in.Stack)
}
