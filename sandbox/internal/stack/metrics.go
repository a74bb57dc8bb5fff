package stack

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"
)

// MetricsFile is the metric catalogue, below the stack directory.
const MetricsFile = "metrics.yaml"

// MetricType is what Prometheus calls a metric's type.
type MetricType string

// The types that the catalogue knows.
const (
	Counter   MetricType = "counter"
	Gauge     MetricType = "gauge"
	Histogram MetricType = "histogram"
)

// Metric is one entry of the catalogue.
type Metric struct {
	Name string
	Type MetricType
	// Cumulative says of a gauge that it only rises, as a counter does, so that a rate of it means something. Flink
	// reports its counts so.
	Cumulative bool
	// Foreign says that another project gave the metric a name that is not in Prometheus' style.
	Foreign bool
	// Unit is what one of it is, in the plural: seconds, bytes, messages, ratio …
	Unit string
	// Labels are those that the program itself sets, in the order of their names.
	Labels []Label
	// Buckets are the upper bounds of a histogram but for +Inf, rising.
	Buckets []float64
	// ExposedBy are the programs that have it, as the platform's hosts are called: a service, or flink-jobmanager and
	// flink-taskmanager.
	ExposedBy []string
	// Meaning is the metric's help text.
	Meaning string
	// Line is where the entry begins in the catalogue's file.
	Line int
}

// Label is one label of a metric.
type Label struct {
	Name string
	// Values are all that it can have; none where they are not known beforehand.
	Values []string
}

// Label finds a label by its name.
func (m *Metric) Label(name string) (Label, bool) {
	i := slices.IndexFunc(m.Labels, func(l Label) bool { return l.Name == name })
	if i < 0 {
		return Label{}, false
	}
	return m.Labels[i], true
}

// TargetLabels are those that Prometheus sets on every series when it scrapes, beside a program's own.
func TargetLabels() []string { return []string{"instance", "job", "namespace", "pod", "service"} }

// Catalogue is every metric that the platform exposes.
type Catalogue struct {
	File    string
	Metrics []*Metric
	byName  map[string]*Metric
}

// Metric finds a metric by its own name.
func (c *Catalogue) Metric(name string) (*Metric, bool) {
	m, ok := c.byName[name]
	return m, ok
}

// Series finds the metric that a series belongs to; suffix is _bucket, _sum or _count for those of a histogram.
func (c *Catalogue) Series(name string) (m *Metric, suffix string, ok bool) {
	if m, ok := c.byName[name]; ok && m.Type != Histogram {
		return m, "", true
	}
	for _, suffix := range suffixes() {
		base, found := strings.CutSuffix(name, suffix)
		if m, ok := c.byName[base]; found && ok && m.Type == Histogram {
			return m, suffix, true
		}
	}
	return nil, "", false
}

// suffixes make the names of a histogram's series.
func suffixes() []string { return []string{"_bucket", "_sum", "_count"} }

type metricsFile struct {
	Metrics []metricEntry `yaml:"metrics"`
}

type metricEntry struct {
	Name       string              `yaml:"name"`
	Type       MetricType          `yaml:"type"`
	Cumulative bool                `yaml:"cumulative"`
	Foreign    bool                `yaml:"foreign"`
	Unit       string              `yaml:"unit"`
	Labels     map[string][]string `yaml:"labels"`
	Buckets    []float64           `yaml:"buckets"`
	ExposedBy  []string            `yaml:"exposed_by"`
	Meaning    string              `yaml:"meaning"`
}

// LoadMetrics reads a metric catalogue. Every error names the file and the line.
func LoadMetrics(file string) (*Catalogue, error) {
	var f metricsFile
	root, err := DecodeFile(file, &f)
	if err != nil {
		return nil, err
	}
	c := &Catalogue{File: file, byName: map[string]*Metric{}}
	entries := mapValue(root, "metrics")
	if entries == nil || len(f.Metrics) == 0 {
		return nil, &FileError{File: file, Line: 1, Msg: "no metrics: list them under the key metrics"}
	}
	var errs []error
	for i, e := range f.Metrics {
		node := entries.Content[i]
		m := &Metric{
			Name: e.Name, Type: e.Type, Cumulative: e.Cumulative, Foreign: e.Foreign, Unit: e.Unit, Buckets: e.Buckets,
			ExposedBy: e.ExposedBy, Meaning: strings.TrimSpace(e.Meaning), Line: node.Line,
		}
		for name, values := range e.Labels {
			m.Labels = append(m.Labels, Label{Name: name, Values: values})
		}
		slices.SortFunc(m.Labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
		for _, msg := range m.faults() {
			errs = append(errs, &FileError{File: file, Line: lineOfFault(node, msg.key), Msg: fmt.Sprintf("metric %s: %s", m.Name, msg.text)})
		}
		if other, ok := c.byName[m.Name]; ok {
			errs = append(errs, &FileError{File: file, Line: m.Line, Msg: fmt.Sprintf("metric %s stands in line %d already", m.Name, other.Line)})
			continue
		}
		c.Metrics = append(c.Metrics, m)
		c.byName[m.Name] = m
	}
	// One name, one meaning: foo_count cannot be a counter while foo is a histogram.
	for _, m := range c.Metrics {
		for _, suffix := range suffixes() {
			base, found := strings.CutSuffix(m.Name, suffix)
			if h, ok := c.byName[base]; found && ok && h.Type == Histogram {
				errs = append(errs, &FileError{File: file, Line: m.Line, Msg: fmt.Sprintf("metric %s is a series of the histogram %s", m.Name, h.Name)})
			}
		}
	}
	return c, errors.Join(errs...)
}

func lineOfFault(node *yaml.Node, key string) int {
	if at := mapValue(node, key); at != nil {
		return at.Line
	}
	return node.Line
}

type fault struct{ key, text string }

func (m *Metric) faults() []fault {
	var all []fault
	bad := func(key, format string, args ...any) { all = append(all, fault{key, fmt.Sprintf(format, args...)}) }
	if !model.LegacyValidation.IsValidMetricName(m.Name) {
		bad("name", "%q is no metric name", m.Name)
	}
	switch m.Type {
	case Counter, Gauge, Histogram:
	default:
		bad("type", "type %q is not known: counter, gauge or histogram", m.Type)
	}
	if m.Cumulative && m.Type != Gauge {
		bad("cumulative", "cumulative is for gauges; a %s rises anyway", m.Type)
	}
	if m.Unit == "" {
		bad("unit", "unit is missing")
	}
	if m.Meaning == "" {
		bad("meaning", "meaning is missing")
	}
	if len(m.ExposedBy) == 0 {
		bad("exposed_by", "exposed_by is missing: who has it?")
	}
	if (m.Type == Histogram) != (len(m.Buckets) > 0) {
		bad("buckets", "buckets belong to histograms, and every histogram has some")
	}
	if !slices.IsSorted(m.Buckets) || len(slices.Compact(slices.Clone(m.Buckets))) != len(m.Buckets) {
		bad("buckets", "buckets must rise")
	}
	for _, l := range m.Labels {
		if !model.LegacyValidation.IsValidLabelName(l.Name) || l.Name == "le" || slices.Contains(TargetLabels(), l.Name) {
			bad("labels", "%q cannot be a label of its own: Prometheus sets it, or it is no label name", l.Name)
		}
		if len(slices.Compact(slices.Sorted(slices.Values(l.Values)))) != len(l.Values) {
			bad("labels", "label %s has a value twice", l.Name)
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(m.ExposedBy)))) != len(m.ExposedBy) {
		bad("exposed_by", "exposed_by names someone twice")
	}
	style := m.style()
	switch {
	case m.Foreign && len(style) == 0:
		bad("foreign", "foreign is for names that are not in Prometheus' style, and this one is")
	case !m.Foreign:
		for _, f := range style {
			bad(f.key, "%s (or say foreign: true, if another project named it)", f.text)
		}
	}
	return all
}

// style is what Prometheus' conventions for names have against a metric's.
func (m *Metric) style() []fault {
	var all []fault
	bad := func(key, format string, args ...any) { all = append(all, fault{key, fmt.Sprintf(format, args...)}) }
	base, total := strings.CutSuffix(m.Name, "_total")
	switch {
	case m.Type == Counter && !total:
		bad("name", "a counter's name ends in _total")
	case m.Type != Counter && total:
		bad("name", "only a counter's name ends in _total")
	}
	if strings.ToLower(m.Name) != m.Name {
		bad("name", "names are written in snake_case")
	}
	for _, unit := range []string{"seconds", "bytes"} {
		if named := strings.HasSuffix(base, "_"+unit); named != (m.Unit == unit) {
			bad("unit", "a name ends in _%s (before _total) if that is its unit; this unit is %s", unit, m.Unit)
		}
	}
	for unit, part := range map[string]string{"seconds": "seconds", "bytes": "bytes", "percent": "ratio"} {
		if strings.HasSuffix(m.Unit, unit) && m.Unit != part {
			bad("unit", "the unit is %s, not %s", part, m.Unit)
		}
	}
	return all
}
