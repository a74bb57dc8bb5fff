// Package amconfig reads Alertmanager's configuration as the program does: with the matchers and label names that it takes
// by default, and not with those that its packages start out with.
package amconfig

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/promslog"

	"obsandbox/sandbox/internal/stack"
)

// asTheProgram sets up the parsers as Alertmanager's main function does; its packages keep them in variables of their own.
var asTheProgram = sync.OnceFunc(func() { compat.InitFromFlags(promslog.NewNopLogger(), featurecontrol.NoopFlags{}) })

// Load reads a configuration file. What is wrong with its text is a *stack.FileError for each fault.
func Load(file string) (*config.Config, error) {
	asTheProgram()
	conf, err := config.LoadFile(file)
	if err == nil {
		return conf, nil
	}
	data, readErr := os.ReadFile(file)
	if readErr != nil {
		return nil, fmt.Errorf("read %s: %w", file, errors.Unwrap(readErr))
	}
	return nil, stack.YAMLErrors(file, data, err)
}

// Parse is Load of a text that is in no file; templates and secrets that it names are not looked for.
func Parse(text string) (*config.Config, error) {
	asTheProgram()
	return config.Load(text)
}

// Matchers reads matchers as a route writes them: severity="critical", or several in braces.
func Matchers(text string) (labels.Matchers, error) {
	asTheProgram()
	return compat.Matchers(text, "config")
}
