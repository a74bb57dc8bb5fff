package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"obsandbox/sandbox/internal/stack"
)

// families are a service's metrics by name.
type families map[string]*dto.MetricFamily

// scrapeTimeout is Prometheus' own default.
const scrapeTimeout = 10 * time.Second

func (c *checker) scrape(ctx context.Context) (families, string, error) {
	code, header, body, err := c.get(ctx, "/metrics", scrapeTimeout)
	if err != nil {
		return nil, "", err
	}
	if code != http.StatusOK {
		return nil, "", fmt.Errorf("GET /metrics: status %d, expected 200", code)
	}
	if kind := header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		return nil, "", fmt.Errorf("GET /metrics: Content-Type %q, expected Prometheus' text format (text/plain; version=0.0.4)", kind)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	found, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return nil, "", fmt.Errorf("GET /metrics: no Prometheus text format: %w", err)
	}
	return found, fmt.Sprintf("%d metrics", len(found)), nil
}

// metrics holds what is scraped against the catalogue.
func (c *checker) metrics(found families) {
	for _, m := range c.cat.Metrics {
		if !slices.Contains(m.ExposedBy, c.opt.Service) {
			continue
		}
		f := found[m.Name]
		if f == nil {
			c.addAt("metric "+m.Name, "", fmt.Errorf("it is missing (%s, in %s: %s); expose it from the start, with 0 where nothing has happened yet", m.Type, m.Unit, m.Meaning), c.cat.File, m.Line)
			continue
		}
		var errs []error
		for _, fault := range metricFaults(m, f) {
			errs = append(errs, errors.New(fault))
		}
		c.addAt("metric "+m.Name, fmt.Sprintf("%d series", len(f.Metric)), errors.Join(errs...), c.cat.File, m.Line)
	}
}

// metricFaults says in what a metric differs from the catalogue.
func metricFaults(m *stack.Metric, f *dto.MetricFamily) []string {
	var all []string
	seen := map[string]bool{}
	bad := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !seen[text] {
			seen[text] = true
			all = append(all, text)
		}
	}
	kinds := map[stack.MetricType]dto.MetricType{stack.Counter: dto.MetricType_COUNTER, stack.Gauge: dto.MetricType_GAUGE, stack.Histogram: dto.MetricType_HISTOGRAM}
	if f.GetType() != kinds[m.Type] {
		bad("its type is %s, expected %s", strings.ToLower(f.GetType().String()), m.Type)
		return all
	}
	if len(f.Metric) == 0 {
		bad("it has no series")
	}
	for _, one := range f.Metric {
		there := map[string]bool{}
		for _, l := range one.Label {
			there[l.GetName()] = true
			want, ok := m.Label(l.GetName())
			switch {
			case slices.Contains(stack.TargetLabels(), l.GetName()):
				bad("it sets the label %s, which Prometheus sets when it scrapes: leave it out", l.GetName())
			case !ok:
				bad("it has a label %s that the catalogue does not know", l.GetName())
			case len(want.Values) > 0 && !slices.Contains(want.Values, l.GetValue()):
				bad("label %s is %q, expected one of %s", l.GetName(), l.GetValue(), strings.Join(want.Values, ", "))
			}
		}
		for _, l := range m.Labels {
			if !there[l.Name] {
				bad("its label %s is missing", l.Name)
			}
		}
		if one.GetCounter().GetValue() < 0 {
			bad("a counter is below zero")
		}
		if m.Type == stack.Histogram {
			for _, bound := range m.Buckets {
				if !slices.ContainsFunc(one.GetHistogram().GetBucket(), func(b *dto.Bucket) bool { return b.GetUpperBound() == bound }) {
					bad("it has no bucket with the bound %v: quantiles over all services need the same bounds %v", bound, m.Buckets)
					break
				}
			}
		}
	}
	return all
}
