package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"obsandbox/sandbox/internal/stack"
)

// render makes the configuration of the components as it runs, and writes what differs from what is checked in.
func (st *starter) render(components []stack.Component) error {
	var errs []error
	for _, c := range components {
		files, err := st.stack.Render(c.Name, st.run)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		st.files[c.Name] = files
	}
	if err := errors.Join(errs...); err != nil {
		return distinct(err)
	}
	for _, c := range components {
		if err := stack.WriteRendered(st.files[c.Name]); err != nil {
			return err
		}
		if err := os.MkdirAll(st.data(c), 0o755); err != nil {
			return fmt.Errorf("make the data directory of %s: %w", c.Name, err)
		}
	}
	return nil
}

// input is what the checks may look at.
func (st *starter) input(components []stack.Component) Input {
	return Input{Stack: st.stack, Components: components, Run: st.run, Files: st.files, Replace: st.opt.Replace, Join: st.opt.Join, Faults: st.opt.Faults}
}

// judgeBuilt lets the checkers that are there already look at the configuration, at the same time. It returns the
// components that were judged; those whose checker must be built first are judged before they start.
func (st *starter) judgeBuilt(ctx context.Context, spawn *spawner, progs *programs, components []stack.Component) (map[string]bool, error) {
	judged := map[string]bool{}
	var ask []stack.Component
	for _, c := range components {
		name := checkerName(c.Program)
		if name == "" {
			continue
		}
		if path := progs.find(ctx, name); path != "" {
			st.setPath(name, path)
			judged[c.Name] = true
			ask = append(ask, c)
		}
	}
	errs := make([]error, len(ask))
	var wg sync.WaitGroup
	for i, c := range ask {
		wg.Go(func() { errs[i] = st.judge(ctx, spawn, c) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, distinct(err)
	}
	return judged, nil
}

// units are the components as the supervisor runs them, in the order of stack.yaml.
func (st *starter) units(components []stack.Component, ports *reservation, progs *programs, spawn *spawner, judged map[string]bool) ([]*unit, error) {
	client := newClient()
	var units []*unit
	for _, name := range st.stack.Names() {
		i := slices.IndexFunc(components, func(c stack.Component) bool { return c.Name == name })
		if i < 0 {
			continue
		}
		c := components[i]
		topics, err := st.topics(c)
		if err != nil {
			return nil, err
		}
		if _, err := st.command(c); err != nil { // known before anything starts
			return nil, err
		}
		units = append(units, &unit{
			name: c.Name, needs: c.Needs,
			addresses: st.run.Addresses.Components[c.Name], address: st.run.Addresses.Of(c.Name, c.Ready.Port),
			log:     logFile(st.run.Dir, c.Name),
			release: func() { ports.release(c.Name) },
			explain: func(lines []string) error { return st.explainStart(c, lines) },
			probe:   probeOf(client, c, st.run.Addresses, topics),
			setup:   setupOf(client, st.stack, c, st.run.Addresses),
			prepare: func(ctx context.Context, progress func(string)) (command, error) {
				if c.Program != "" {
					wanted := []string{c.Program}
					if name := checkerName(c.Program); name != c.Program {
						wanted = append(wanted, name)
					}
					found, err := progs.ensure(ctx, wanted, progress)
					if err != nil {
						return command{}, err
					}
					for i, name := range wanted {
						st.setPath(name, found[i])
					}
					if !judged[c.Name] {
						if err := st.judge(ctx, spawn, c); err != nil {
							return command{}, err
						}
					}
				}
				return st.command(c)
			},
		})
	}
	return units, nil
}

// topics are those that Kafka must have to be ready.
func (st *starter) topics(c stack.Component) ([]string, error) {
	if !c.Ready.Kafka || len(c.Config) == 0 {
		return nil, nil
	}
	topics, err := stack.LoadTopics(st.stack.Path(c.Config[0]))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	return names, nil
}
