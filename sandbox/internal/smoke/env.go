package smoke

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/stack"
)

// env is what the checks of one run share.
type env struct {
	addr  stack.Addresses
	stack *stack.Stack
	opt   Options
	// id is the run's own: lower-case letters and digits, so that it stays one token in every index.
	id string
	// began is when the run began, UTC.
	began time.Time
	// patience is how long a check asks on while all it sees is the same fault; 0 is until the deadline.
	patience time.Duration
	// promConfig is read once: checks that ask again and again look at it each time.
	promConfig func() (*promConfig, error)
	http       *http.Client
	fresh      answers
	pages      pages

	broker  broker
	logs    *logInput
	tracing *traceInput
	alerts  *alertInput
	// arrivals are the checks of the run's log lines: when they have ended, the lines' indices are there.
	arrivals []*check
}

func newEnv(addr stack.Addresses, s *stack.Stack, opt Options) (*env, error) {
	id := opt.id
	if id == "" {
		var random [5]byte
		if _, err := rand.Read(random[:]); err != nil {
			return nil, fmt.Errorf("make the id of a smoke run: %w", err)
		}
		id = "smoke" + hex.EncodeToString(random[:])
	}
	e := &env{
		addr: addr, stack: s, opt: opt, id: id, began: time.Now().UTC(),
		// Of its own: idle connections end with the run.
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 10 * time.Second},
	}
	e.promConfig = sync.OnceValues(func() (*promConfig, error) { return loadPromConfig(s) })
	e.fresh.keep = opt.pause
	if opt.Patience > 0 {
		e.patience = opt.Patience + ownTime(s)
	}
	e.logs = newLogInput(e)
	e.tracing = newTraceInput(e)
	e.alerts = newAlertInput(e)
	return e, nil
}

// close ends what input left open: alerts that still fire are resolved.
func (e *env) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	e.alerts.end(ctx)
	e.broker.close()
	e.http.CloseIdleConnections()
}

// checks are all checks of the stack, in the order of the report.
func (e *env) checks() []*check {
	var all []*check
	for _, room := range []func(*env) []*check{
		targetChecks, ruleChecks, prometheusChecks, metricChecks, catalogueChecks,
		probeChecks,
		kafkaChecks, standardChecks, logstashChecks, logChecks, indexChecks,
		traceChecks,
		alertChecks, grafanaChecks,
	} {
		all = append(all, room(e)...)
	}
	return all
}

// input is something that is sent into the stack once; whatever looks for its effects waits for it.
type input struct {
	once sync.Once
	sent chan struct{}
	err  error
}

func newInput() *input { return &input{sent: make(chan struct{})} }

// wait sends on the first call and waits until it is sent. An input that could not be sent is final: its effects will
// not come.
func (in *input) wait(ctx context.Context, send func(context.Context) error) error {
	in.once.Do(func() {
		go func() {
			defer close(in.sent)
			in.err = send(ctx)
		}()
	})
	select {
	case <-in.sent:
		if in.err != nil {
			return final(in.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the input is not sent: %w", context.Cause(ctx))
	}
}

// placeOf is the file and line of an error that has one, else the file given.
func placeOf(err error, file string) (string, int) {
	var at *stack.FileError
	if errors.As(err, &at) {
		return at.File, at.Line
	}
	return file, 0
}

// lineWith is the first line of a file that has a text; 0 where none has.
func lineWith(file, text string) int {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	before, _, found := strings.Cut(string(data), text)
	if !found {
		return 0
	}
	return 1 + strings.Count(before, "\n")
}

// show is a file's path as people write it: below the repository where it is there.
func (e *env) show(file string) string {
	if rel, err := filepath.Rel(e.stack.Root(), file); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return file
}
