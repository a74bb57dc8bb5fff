package smoke

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/stack"
)

// catalogueChecks: what metrics.yaml says is exposed is stored, under its type and with its labels.
func catalogueChecks(e *env) []*check {
	file := e.stack.Path(stack.MetricsFile)
	cat, err := stack.LoadMetrics(file)
	if err != nil {
		return []*check{broken("prometheus: which metrics to expect is known", file, err)}
	}
	needs := []string{"prometheus", "platform"}
	return []*check{
		{
			name: "prometheus has every metric of the catalogue, from each service that exposes it", needs: needs, file: file,
			assert: func(ctx context.Context) (string, error) { return e.catalogued(ctx, cat) },
		},
		{
			name: "metrics have the types of the catalogue", needs: needs, file: file,
			assert: func(ctx context.Context) (string, error) { return e.typed(ctx, cat) },
		},
		{
			name: "metrics have the labels of the catalogue, with its values", needs: needs, file: file,
			assert: func(ctx context.Context) (string, error) { return e.labelled(ctx, cat) },
		},
	}
}

// countBy is one query for all that have a label: how many series there are by name and the label's value.
func countBy(label string) string {
	return fmt.Sprintf(`count by (__name__, %[1]s) ({%[1]s!=""})`, label)
}

// seriesName is a series that every metric of its kind has.
func seriesName(m *stack.Metric) string {
	if m.Type == stack.Histogram {
		return m.Name + "_bucket"
	}
	return m.Name
}

// serviceOf is the label service of who exposes a metric: Flink's two kinds of process are one service.
func serviceOf(exposer string) string {
	if strings.HasPrefix(exposer, "flink-") {
		return "flink"
	}
	return exposer
}

// values asks for the values of a label by series name.
func (e *env) values(ctx context.Context, label string) (map[string]map[string]float64, error) {
	counts, err := e.query(ctx, countBy(label))
	if err != nil {
		return nil, err
	}
	byName := map[string]map[string]float64{}
	for _, s := range counts {
		name := s.labels["__name__"]
		if byName[name] == nil {
			byName[name] = map[string]float64{}
		}
		byName[name][s.labels[label]] += s.value
	}
	pending, err := e.pending(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range pending {
		for _, s := range p.series {
			if name := s["__name__"]; s[label] != "" {
				if byName[name] == nil {
					byName[name] = map[string]float64{}
				}
				byName[name][s[label]]++
			}
		}
	}
	return byName, nil
}

func (e *env) catalogued(ctx context.Context, cat *stack.Catalogue) (string, error) {
	services, err := e.values(ctx, "service")
	if err != nil {
		return "", err
	}
	var missing []string
	series, line := 0.0, 0
	for _, m := range cat.Metrics {
		for _, exposer := range m.ExposedBy {
			n := services[seriesName(m)][serviceOf(exposer)]
			series += n
			if n == 0 {
				missing = append(missing, fmt.Sprintf("%s of %s", m.Name, exposer))
				line = cmp.Or(line, m.Line)
			}
		}
	}
	if len(missing) > 0 {
		return "", at(cat.File, line, &mismatch{
			fmt.Sprintf("series of each of %d metrics", len(cat.Metrics)), "missing: " + strings.Join(missing, ", "),
			"the metrics page of who exposes it, through " + e.addr.URL("platform", "proxy"),
		})
	}
	return fmt.Sprintf("%d metrics, %.0f series", len(cat.Metrics), series) + e.pendingFigure(ctx), nil
}

func (e *env) typed(ctx context.Context, cat *stack.Catalogue) (string, error) {
	var metadata map[string][]struct {
		Type string `json:"type"`
	}
	if err := e.prometheus(ctx, "/api/v1/metadata?limit_per_metric=1", &metadata); err != nil {
		return "", err
	}
	pending, err := e.pending(ctx)
	if err != nil {
		return "", err
	}
	types := map[string]string{}
	for _, p := range pending {
		maps.Copy(types, p.types)
	}
	for name, entries := range metadata {
		if len(entries) > 0 {
			types[name] = entries[0].Type
		}
	}
	var faults []string
	line := 0
	for _, m := range cat.Metrics {
		have := types[m.Name]
		// The text format of older exporters calls the metric without _total.
		if have == "" {
			have = types[strings.TrimSuffix(m.Name, "_total")]
		}
		if have == "unknown" && m.Type == stack.Counter && !strings.HasSuffix(m.Name, "_total") {
			have = string(m.Type) // OpenMetrics has no counters without _total, and calls them so
		}
		switch {
		case have == "":
			faults = append(faults, m.Name+" has no type")
			line = cmp.Or(line, m.Line)
		case have != string(m.Type):
			faults = append(faults, fmt.Sprintf("%s is a %s, not a %s", m.Name, have, m.Type))
			line = cmp.Or(line, m.Line)
		}
	}
	if len(faults) > 0 {
		return "", at(cat.File, line, &mismatch{"the types of " + e.show(cat.File), strings.Join(faults, ", "), e.addr.URL("prometheus", "http") + "/api/v1/metadata"})
	}
	return fmt.Sprintf("%d metrics", len(cat.Metrics)) + pendingNote(len(pending)), nil
}

// labelled compares label values in both directions: a value that is not in the catalogue is one that no rule expects.
func (e *env) labelled(ctx context.Context, cat *stack.Catalogue) (string, error) {
	byLabel := map[string]map[string]map[string]float64{}
	var faults []string
	line := 0
	for _, m := range cat.Metrics {
		for _, l := range m.Labels {
			if byLabel[l.Name] == nil {
				values, err := e.values(ctx, l.Name)
				if err != nil {
					return "", err
				}
				byLabel[l.Name] = values
			}
			have := byLabel[l.Name][seriesName(m)]
			if len(have) == 0 {
				faults = append(faults, fmt.Sprintf("%s has no label %s", m.Name, l.Name))
				line = cmp.Or(line, m.Line)
				continue
			}
			if len(l.Values) == 0 {
				continue // anything
			}
			for _, value := range l.Values {
				if have[value] == 0 {
					faults = append(faults, fmt.Sprintf("%s has no %s=%q", m.Name, l.Name, value))
					line = cmp.Or(line, m.Line)
				}
			}
			for _, value := range slices.Sorted(maps.Keys(have)) {
				if !slices.Contains(l.Values, value) {
					faults = append(faults, fmt.Sprintf("%s has %s=%q, which is not in the catalogue", m.Name, l.Name, value))
					line = cmp.Or(line, m.Line)
				}
			}
		}
	}
	if len(faults) > 0 {
		return "", at(cat.File, line, &mismatch{"the labels of " + e.show(cat.File), strings.Join(faults, ", "), e.addr.URL("prometheus", "http") + "/api/v1/series"})
	}
	return fmt.Sprintf("%d labels", len(byLabel)) + e.pendingFigure(ctx), nil
}
