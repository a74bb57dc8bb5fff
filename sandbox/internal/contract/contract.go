// Package contract says what of the platform's contract a real service keeps: the metrics of the catalogue, the health
// probes, the log standard and the spans of an event.
package contract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/platform/world"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// Suite is the suite of every result.
const Suite = "service"

// Options of a check.
type Options struct {
	// Address is the "host:port" of the service.
	Address string
	// Service is its name, one that the catalogue knows; empty where its metrics say which it is.
	Service string
	// Failing is a dependency that is down at present, so that the probes are expected to say so: kafka, database, cache.
	Failing string
	// Logs are its log lines, one a line, and LogsName what to call them; nil for none.
	Logs     io.Reader
	LogsName string
	// Kafka is a broker whose topic application-logs is read; empty for none.
	Kafka string
	// Jaeger is the base URL of a Jaeger that has the service's spans; empty for none.
	Jaeger string
	// OTLP is a loopback "host:port" at which to receive the service's spans over OTLP/HTTP; empty for none.
	OTLP string
	// Wait is how long lines and spans are waited for; 10 s where it is 0.
	Wait time.Duration
}

// checker is one check at work.
type checker struct {
	opt    Options
	stack  *stack.Stack
	cat    *stack.Catalogue
	health *stack.Health
	client *http.Client
	report *report.Report
	// traced are the trace ids that log lines name.
	traced map[string]bool
}

// Check judges a service. The error says that it could not be judged: what the stack says is unreadable, nobody is at
// the address, or which service it is cannot be told.
func Check(ctx context.Context, s *stack.Stack, opt Options) (*report.Report, error) {
	if opt.Wait == 0 {
		opt.Wait = 10 * time.Second
	}
	if _, _, err := net.SplitHostPort(opt.Address); err != nil {
		return nil, fmt.Errorf("%q: expected the service's HOST:PORT, as in 127.0.0.1:8080", opt.Address)
	}
	c := &checker{opt: opt, stack: s, report: &report.Report{}, traced: map[string]bool{}, client: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var metrics, health error
	c.cat, metrics = stack.LoadMetrics(s.Path(stack.MetricsFile))
	c.health, health = stack.LoadHealth(s.Path(stack.HealthFile))
	if err := errors.Join(metrics, health); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "kafka", "database", "cache"}, opt.Failing) {
		return nil, fmt.Errorf("--failing %s: expected kafka, database or cache", opt.Failing)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", opt.Address)
	if err != nil {
		return nil, fmt.Errorf("nobody answers at %s: start the service first: %w", opt.Address, err)
	}
	conn.Close()
	found, scraped, err := c.scrape(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := c.name(found); err != nil {
		return nil, err
	}
	c.add("metrics are served at /metrics as Prometheus reads them", scraped, err)
	if err == nil {
		c.metrics(found)
	}
	c.probes(ctx)
	if err := c.logs(ctx); err != nil {
		return nil, err
	}
	return c.report, c.traces(ctx)
}

// name settles which service it is.
func (c *checker) name(found families) error {
	all := c.health.Names()
	if c.opt.Service != "" {
		if !slices.Contains(all, c.opt.Service) {
			return fmt.Errorf("--service %s: no service of %s; there are %s", c.opt.Service, c.stack.Path(stack.HealthFile), strings.Join(all, ", "))
		}
		return nil
	}
	// The services whose own metrics it has: those that not every service exposes.
	best, most := []string(nil), 0
	for _, name := range all {
		n := 0
		for _, m := range c.cat.Metrics {
			if slices.Contains(m.ExposedBy, name) && len(m.ExposedBy) < len(all) && found[m.Name] != nil {
				n++
			}
		}
		switch {
		case n > most:
			best, most = []string{name}, n
		case n == most && n > 0:
			best = append(best, name)
		}
	}
	if len(best) != 1 {
		if len(best) == 0 {
			best = all
		}
		return fmt.Errorf("which service runs at %s cannot be told from its metrics: give --service, one of %s", c.opt.Address, strings.Join(best, ", "))
	}
	c.opt.Service = best[0]
	return nil
}

// layer is the layer that the service belongs to.
func (c *checker) layer() string { return world.Layer(c.opt.Service) }

func (c *checker) add(name, detail string, err error) { c.addAt(name, detail, err, "", 0) }

// addAt adds a result: a pass, or a failure that err describes.
func (c *checker) addAt(name, detail string, err error, file string, line int) {
	r := report.Result{Suite: Suite, Name: name, Status: report.Pass, Detail: detail, File: file, Line: line}
	if err != nil {
		r.Status, r.Detail = report.Fail, err.Error()
	}
	c.report.Add(r)
}

func (c *checker) skip(name, why string) {
	c.report.Add(report.Result{Suite: Suite, Name: name, Status: report.Skip, Detail: why})
}

// maxBody is the most that is read of an answer, in bytes: far more than any service of the platform has to say.
const maxBody = 32 << 20

// get asks the service.
func (c *checker) get(ctx context.Context, path string, timeout time.Duration) (code int, header http.Header, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.opt.Address+path, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4,application/json;q=0.9,*/*;q=0.1")
	resp, err := c.client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return 0, nil, nil, fmt.Errorf("GET %s: no answer within %s", path, timeout)
	}
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return resp.StatusCode, resp.Header, body, err
}
