package cli

import (
	"context"
	"path/filepath"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/logstash"
)

// checks are what has to hold before anything starts: those of every run, and those of the components that this program
// serves itself.
func checks() []embedded.Check {
	return append(embedded.Checks(), checkLogstash)
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
