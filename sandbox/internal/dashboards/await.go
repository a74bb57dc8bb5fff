package dashboards

import (
	"context"
	"errors"
	"fmt"
	"time"

	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// scrapes is how many samples most targets must have before panels are judged: rates over $__rate_interval, four scrape
// intervals, then have all the samples they ever get.
const scrapes = 5

// AwaitLive is Live once a stack has data: it waits until the targets have been scraped a few times, and then asks until
// every panel shows something, or until wait is over; what was answered last counts. The time range is an hour up to now.
func AwaitLive(ctx context.Context, addr stack.Addresses, all []*Dashboard, wait time.Duration, opt LiveOptions) ([]Cell, *report.Report, error) {
	base := addr.URL("prometheus", "http")
	if base == "" {
		return nil, nil, errors.New("ask the dashboards' queries: no Prometheus runs in this stack")
	}
	deadline := time.Now().Add(wait)
	ready := &Query{Text: fmt.Sprintf("quantile(0.2, count_over_time(up[1h])) >= %d", scrapes), node: &node{}}
	for pause := time.Duration(0); ; pause = min(pause+250*time.Millisecond, 2*time.Second) {
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("ask the dashboards' queries: %w", ctx.Err())
		case <-time.After(pause):
		}
		last := time.Now().After(deadline)
		opt.To = time.Now()
		opt.From = opt.To.Add(-time.Hour)
		scraped := Cell{Text: ready.Text}
		near := opt
		near.From = opt.To
		if err := askPrometheus(ctx, base, ready, &scraped, near); err != nil && last {
			return nil, nil, fmt.Errorf("wait for data: %w", err)
		}
		if scraped.Series == 0 && !last {
			continue
		}
		cells, r, err := Live(ctx, addr, all, opt)
		if err != nil || r.OK() || last {
			return cells, r, err
		}
	}
}
