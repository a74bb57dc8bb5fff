package smoke

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// pages are what targets answer that Prometheus knows and has not scraped yet: its first scrape of a target comes within
// a scrape interval, and a stack that has just started need not be waited for that long. A page is read once, by the
// address and through the proxy that Prometheus uses.
type pages struct {
	mu    sync.Mutex
	byURL map[string]*page
}

// page is a metrics page, as Prometheus would store it.
type page struct {
	// types are by metric, series are the labels of each, __name__ and the target's among them.
	types  map[string]string
	series []map[string]string
}

// pending are the pages of the targets that are not scraped yet, by instance and job. There are none while Prometheus
// has not scraped any target: that it can is not to be taken on trust.
func (e *env) pending(ctx context.Context) (map[[2]string]*page, error) {
	pools, err := e.activeTargets(ctx)
	if err != nil {
		return nil, err
	}
	var waiting []target
	scraping := false
	for _, targets := range pools {
		for _, t := range targets {
			scraping = scraping || t.up
			if t.waiting {
				waiting = append(waiting, t)
			}
		}
	}
	read := map[[2]string]*page{}
	if !scraping {
		return read, nil
	}
	altering, err := e.altering()
	if err != nil {
		return nil, err
	}
	for _, t := range waiting {
		if altering[t.labels["job"]] {
			continue // what of the page would be stored is for Prometheus to show
		}
		// A page that cannot be read is none: Prometheus will say what is wrong with it.
		if p, err := e.page(ctx, t); err == nil {
			read[[2]string{t.labels["job"], t.instance()}] = p
		}
	}
	return read, nil
}

// altering are the jobs of which Prometheus stores something else than their targets' pages have.
func (e *env) altering() (map[string]bool, error) {
	cfg, err := e.promConfig()
	if err != nil {
		return nil, err
	}
	jobs := map[string]bool{}
	for _, job := range cfg.jobs {
		jobs[job.Name] = job.alters
	}
	return jobs, nil
}

// page reads a target's page, once.
func (e *env) page(ctx context.Context, t target) (*page, error) {
	e.pages.mu.Lock()
	defer e.pages.mu.Unlock()
	if p, ok := e.pages.byURL[t.url]; ok {
		return p, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return nil, err
	}
	res, err := e.cluster().RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("GET %s through the platform's proxy: %w", t.url, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("GET %s through the platform's proxy: %w", t.url, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s answers %s", t.url, res.Status)
	}
	p, err := parsePage(body, t.labels)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", t.url, err)
	}
	if e.pages.byURL == nil {
		e.pages.byURL = map[string]*page{}
	}
	e.pages.byURL[t.url] = p
	return p, nil
}

func parsePage(text []byte, target map[string]string) (*page, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	p := &page{types: map[string]string{}}
	for name, family := range families {
		p.types[name] = strings.ToLower(family.GetType().String())
		for _, m := range family.GetMetric() {
			add := func(suffix string, more ...string) {
				series := map[string]string{model.MetricNameLabel: name + suffix}
				for _, l := range m.GetLabel() {
					series[l.GetName()] = l.GetValue()
				}
				if len(more) == 2 {
					series[more[0]] = more[1]
				}
				maps.Copy(series, target)
				p.series = append(p.series, series)
			}
			if family.GetType() != dto.MetricType_HISTOGRAM {
				add("")
				continue
			}
			for _, b := range m.GetHistogram().GetBucket() {
				add("_bucket", model.BucketLabel, bound(b.GetUpperBound()))
			}
			add("_sum")
			add("_count")
		}
	}
	if len(p.series) == 0 {
		return nil, errors.New("the page has no series")
	}
	// A scrape adds this one itself.
	up := map[string]string{model.MetricNameLabel: "up"}
	maps.Copy(up, target)
	p.series = append(p.series, up)
	return p, nil
}

// bound is a bucket's upper bound as Prometheus writes it, whatever the page does: 2 becomes 2.0.
func bound(v float64) string {
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if math.IsInf(v, 0) || strings.ContainsAny(text, ".e") {
		return text
	}
	return text + ".0"
}

// pendingNote says of a figure what of it is not Prometheus' own yet.
func pendingNote(read int) string {
	if read == 0 {
		return ""
	}
	return fmt.Sprintf("; %d targets not yet due in Prometheus, their pages read here", read)
}

// pendingFigure is pendingNote for who does not have the pages at hand.
func (e *env) pendingFigure(ctx context.Context) string {
	pending, err := e.pending(ctx)
	if err != nil {
		return ""
	}
	return pendingNote(len(pending))
}
