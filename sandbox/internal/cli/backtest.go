package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"obsandbox/sandbox/internal/backtest"
	"obsandbox/sandbox/internal/record"
	"obsandbox/sandbox/internal/scenarios"
)

type testDetection struct {
	testFlags
	Normal time.Duration `default:"168h" placeholder:"DURATION" help:"How long normal load is simulated."`
	Noisy  time.Duration `default:"168h" placeholder:"DURATION" help:"How long noisy load is."`
	Noise  float64       `default:"3" placeholder:"N" help:"How far noisy load strays, in times of the usual."`
	Seed   uint64        `default:"1" help:"The simulated world's."`
}

func (c *testDetection) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, nil, kind{"detection", func(ctx context.Context, t *testRun) (*judged, error) {
		r, figures, err := scenarios.Detection(ctx, scenarios.DetectionOptions{
			Stack: t.stack, Normal: c.Normal, Noisy: c.Noisy, Noise: c.Noise, Seed: c.Seed, Progress: t.progress,
		})
		if err != nil {
			return nil, err
		}
		return &judged{report: r, tables: []func(io.Writer) error{func(w io.Writer) error { return scenarios.FiguresTable(w, figures) }}}, nil
	}})
}

// backtestCmd evaluates rules over recorded data.
type backtestCmd struct {
	stackFlag
	Rules     []string      `placeholder:"FILES" help:"Rule files or patterns (default: those of the stack)."`
	BaseRules []string      `placeholder:"FILES" help:"The rules before the change, to compare with."`
	Data      string        `required:"" placeholder:"DIR|URL|FILE" help:"A database of Prometheus, its address (remote read), or an OpenMetrics file."`
	From      time.Time     `placeholder:"TIME" help:"Only from this time (RFC 3339); an address needs it."`
	To        time.Time     `placeholder:"TIME" help:"Only until this time."`
	Slow      time.Duration `default:"5m" placeholder:"DURATION" help:"Groups that record series are evaluated no more often than this; 0 is as often as in production."`
	SVG       string        `type:"path" placeholder:"FILE" help:"Write the picture there."`
	Format    string        `enum:"human,json" default:"human" help:"human or json."`
}

func (c *backtestCmd) Run(ctx context.Context, con *console) error {
	rules, err := c.files(c.Rules)
	if err != nil {
		return err
	}
	if len(rules) == 0 {
		s, err := c.load()
		if err != nil {
			return err
		}
		if rules, err = s.RuleFiles(); err != nil {
			return err
		}
	}
	base, err := c.files(c.BaseRules)
	if err != nil {
		return err
	}
	out, err := backtest.Run(ctx, backtest.Options{
		Rules: rules, Base: base, Data: c.Data, From: c.From, To: c.To, Interval: 15 * time.Second, Slow: c.Slow,
	})
	if err != nil {
		return err
	}
	if c.SVG != "" {
		if err := os.WriteFile(c.SVG, []byte(out.SVG()), 0o644); err != nil {
			return fmt.Errorf("write the picture: %w", err)
		}
	}
	if c.Format == "json" {
		enc := json.NewEncoder(con.out)
		enc.SetIndent("", "  ")
		return enc.Encode(out)
	}
	return out.Table(con.out)
}

// files are what patterns stand for.
func (c *backtestCmd) files(patterns []string) ([]string, error) {
	var out []string
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: no rule file there", p)
		}
		out = append(out, found...)
	}
	return out, nil
}

// recordCmd makes a unit test of what a Prometheus has seen.
type recordCmd struct {
	stackFlag
	Prometheus string        `required:"" placeholder:"URL" help:"The Prometheus (remote read), or the directory of a database, or an OpenMetrics file."`
	From       time.Time     `required:"" placeholder:"TIME" help:"The first moment (RFC 3339)."`
	To         time.Time     `required:"" placeholder:"TIME" help:"The last."`
	Interval   time.Duration `default:"15s" help:"The time between values: that of the scrapes."`
	Match      []string      `sep:"none" placeholder:"SELECTOR" help:"Only these series, such as up{job=\"kafka\"} (default: those that the rules ask for)."`
	Rules      []string      `type:"path" placeholder:"FILE" help:"The rule files that the test is of (default: those of the stack)."`
	Out        string        `type:"path" placeholder:"FILE" help:"The test file (default: on stdout)."`
}

func (c *recordCmd) Run(ctx context.Context, con *console) error {
	files := c.Rules
	if len(files) == 0 {
		s, err := c.load()
		if err != nil {
			return err
		}
		if files, err = s.RuleFiles(); err != nil {
			return err
		}
	}
	o := record.Options{Source: c.Prometheus, From: c.From, To: c.To, Interval: c.Interval, RuleFiles: files}
	for _, f := range files {
		name := f
		if c.Out != "" { // promtool looks for rule files from where the test is
			if rel, err := filepath.Rel(filepath.Dir(c.Out), f); err == nil {
				name = filepath.ToSlash(rel)
			}
		}
		o.Rules = append(o.Rules, name)
	}
	p := parser.NewParser(parser.Options{})
	for _, m := range c.Match {
		ms, err := p.ParseMetricSelector(m)
		if err != nil {
			return fmt.Errorf("--match %s: %w", m, err)
		}
		o.Match = append(o.Match, append([]*labels.Matcher(nil), ms...))
	}
	t, err := record.Record(ctx, o)
	if err != nil {
		return err
	}
	if c.Out == "" {
		_, err = con.out.Write(t.Data)
		return err
	}
	if err := os.WriteFile(c.Out, t.Data, 0o644); err != nil {
		return fmt.Errorf("write the test: %w", err)
	}
	fmt.Fprintln(con.err, strings.TrimSpace(fmt.Sprintf("%s: %d series, %d alerts that fire", c.Out, t.Series, t.Alerts)))
	return nil
}
