package embedded

import (
	"context"
	"sync"
	"time"

	"obsandbox/sandbox/internal/stack"
)

// Judgement is what the programs' own checkers, or the checks of this program, say of a component's configuration.
type Judgement struct {
	Component string
	// By is who has judged: "promtool check", or empty for the checks of this program.
	By   string
	Err  error
	Took time.Duration
}

// Judge looks at the configuration of every component as `up` would before it starts them, and starts nothing. The
// error says that it could not look; faults of the configuration are in the judgements.
func Judge(ctx context.Context, s *stack.Stack, opt Options, progress func(string)) (_ []Judgement, err error) {
	opt, err = opt.complete()
	if err != nil {
		return nil, err
	}
	order, err := s.StartOrder(s.Components)
	if err != nil {
		return nil, err
	}
	dir, err := openRunDir(opt.Cache, "")
	if err != nil {
		return nil, err
	}
	defer dir.close(true)
	spawn, err := newSpawner(opt.Self)
	if err != nil {
		return nil, err
	}
	defer spawn.close()
	st := &starter{
		stack: s, opt: opt, files: map[string][]stack.Rendered{}, paths: map[string]string{},
		run: stack.RunContext{Addresses: withAbsent(s, stack.Addresses{StackDir: s.Dir}, false), Dir: dir.path},
	}
	all := make([]Judgement, len(order))
	var checkers []string
	for i, c := range order {
		began := time.Now()
		all[i] = Judgement{Component: c.Name, Err: st.checkOne(ctx, c)}
		all[i].Took = time.Since(began)
		if name := checkerName(c.Program); all[i].Err == nil && name != "" {
			_, args := checkerOf(c.Program, "")
			all[i].By = name + " " + args[0]
			checkers = append(checkers, name)
		}
	}
	paths, err := FindPrograms(ctx, s, opt.Cache, checkers, progress)
	if err != nil {
		return nil, err
	}
	for i, name := range checkers {
		st.setPath(name, paths[i])
	}
	var wg sync.WaitGroup
	for i, c := range order {
		if all[i].By != "" {
			wg.Go(func() {
				began := time.Now()
				all[i].Err = st.judge(ctx, spawn, c)
				all[i].Took += time.Since(began)
			})
		}
	}
	wg.Wait()
	return all, ctx.Err()
}

// checkOne renders one component's configuration and runs the checks on it.
func (st *starter) checkOne(ctx context.Context, c stack.Component) error {
	if err := st.render([]stack.Component{c}); err != nil {
		return err
	}
	return runChecks(ctx, st.opt.Checks, st.input([]stack.Component{c}))
}
