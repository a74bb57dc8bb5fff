package smoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// check is one statement about a running stack.
type check struct {
	// name says what holds when the check passes.
	name string
	// needs are the components that must run: "kafka", "platform" …
	needs []string
	// file and line are the place to mend, where there is one: absolute, or empty and 0.
	file string
	line int
	// after are checks that must have ended before this one starts, because it disturbs what they look at.
	after []*check
	// assert looks once: nil is a pass, with an optional figure for the reader. Any error is asked again until the
	// deadline, unless it is final.
	assert func(ctx context.Context) (figure string, err error)

	done chan struct{}
}

// mismatch is what a check saw instead of what it expected.
type mismatch struct{ expected, seen, look string }

// Error is three lines: expected, seen, and where to look next.
func (m *mismatch) Error() string {
	s := "expected: " + m.expected + "\nseen: " + m.seen
	if m.look != "" {
		s += "\nlook at: " + m.look
	}
	return s
}

// placedError is an error about a place that is more particular than its check's.
type placedError struct {
	error
	file string
	line int
}

func (e *placedError) Unwrap() error { return e.error }

// at says where in a file the fault is; line 0 leaves it at the check's own place.
func at(file string, line int, err error) error {
	if line == 0 {
		return err
	}
	return &placedError{err, file, line}
}

// finalError is an error that asking again cannot mend.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func final(err error) error { return finalError{err} }

// broken is the check that stands for others that could not be made, because a file that says what to expect cannot be
// read.
func broken(name, file string, err error) *check {
	c := &check{name: name, file: file, assert: func(context.Context) (string, error) { return "", final(err) }}
	c.file, c.line = placeOf(err, file)
	return c
}

// fileChecks are made once: files do not become right by waiting.
func fileChecks(files []FileCheck) []*check {
	var all []*check
	for _, f := range files {
		all = append(all, &check{name: f.Name, assert: func(ctx context.Context) (string, error) {
			err := f.Judge(ctx)
			if err == nil {
				return "", nil
			}
			file, line := placeOf(err, "")
			if one, ok := err.(*stack.FileError); ok { // the result says the place
				err = errors.New(one.Msg)
			}
			return "", final(&placedError{err, file, line})
		}})
	}
	return all
}

// judge runs a check to its verdict.
func (e *env) judge(ctx context.Context, c *check) report.Result {
	res := report.Result{Suite: Suite, Name: c.name}
	var missing []string
	for _, name := range c.needs {
		if len(e.addr.Components[name]) == 0 && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		res.Status, res.Detail = report.Skip, strings.Join(missing, ", ")+" does not run in this stack"
		if len(missing) > 1 {
			res.Detail = strings.Join(missing, ", ") + " do not run in this stack"
		}
		return res
	}
	e.await(ctx, c.after)
	began := time.Now()
	figure, err := e.retry(ctx, c)
	res.Duration = time.Since(began)
	if err != nil {
		res.Status, res.Detail = report.Fail, err.Error()
		res.File, res.Line = c.file, c.line
		var placed *placedError
		if errors.As(err, &placed) {
			res.File, res.Line = placed.file, placed.line
		}
		return res
	}
	res.Status, res.Detail = report.Pass, figure
	return res
}

// await waits for other checks to end, but not until the deadline: a check that fails takes all the time there is, and
// those after it still need some to judge for themselves.
func (e *env) await(ctx context.Context, others []*check) {
	patience := time.After(time.Until(e.began.Add(e.opt.Deadline * 2 / 3)))
	for _, other := range others {
		if other.done == nil {
			continue // not selected
		}
		select {
		case <-other.done:
		case <-patience:
			return
		case <-ctx.Done():
			return
		}
	}
}

// retry asks until the check holds, or has seen the same fault for longer than there is patience. What it returns at the
// deadline is what was seen last that was not merely the deadline cutting a request short.
func (e *env) retry(ctx context.Context, c *check) (string, error) {
	var last error
	var since time.Time // when last was seen first
	pause := e.opt.pause
	for attempt := 1; ; attempt++ {
		figure, err := c.assert(ctx)
		var stop finalError
		switch {
		case err == nil:
			return figure, nil
		case errors.As(err, &stop):
			return "", err
		case last == nil || ctx.Err() == nil:
			if last == nil || last.Error() != err.Error() {
				since = time.Now()
			}
			last = err
		}
		if same := time.Since(since); e.patience > 0 && same > e.patience {
			return "", fmt.Errorf("%w\n(asked %d times, and nothing has changed for %s)", last, attempt, same.Round(time.Second))
		}
		if e.opt.attempts > 0 && attempt >= e.opt.attempts {
			return "", last
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%w\n(asked %d times until the deadline)", last, attempt)
		case <-time.After(pause):
		}
		pause = min(pause*5/4, 3*e.opt.pause)
	}
}
