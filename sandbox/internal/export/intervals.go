package export

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
)

// The form of time intervals. A location is not among it: the operator's have none.
type (
	namedInterval struct {
		Name      string   `yaml:"name"`
		Intervals []period `yaml:"time_intervals"`
	}
	period struct {
		Times []struct {
			Start string `yaml:"start_time"`
			End   string `yaml:"end_time"`
		} `yaml:"times"`
		Weekdays    []string `yaml:"weekdays"`
		DaysOfMonth []scalar `yaml:"days_of_month"`
		Months      []string `yaml:"months"`
		Years       []string `yaml:"years"`
	}
)

// intervals are both kinds of lists that Alertmanager knows, which are one of the operator's.
func (c amConverter) intervals(lists ...[]namedInterval) ([]v1alpha1.MuteTimeInterval, error) {
	var out []v1alpha1.MuteTimeInterval
	for _, in := range slices.Concat(lists...) {
		one := v1alpha1.MuteTimeInterval{Name: in.Name}
		for _, p := range in.Intervals {
			t := v1alpha1.TimeInterval{
				Weekdays: texts[v1alpha1.WeekdayRange](p.Weekdays), Months: texts[v1alpha1.MonthRange](p.Months), Years: texts[v1alpha1.YearRange](p.Years),
			}
			for _, r := range p.Times {
				t.Times = append(t.Times, v1alpha1.TimeRange{StartTime: v1alpha1.Time(r.Start), EndTime: v1alpha1.Time(r.End)})
			}
			for _, d := range p.DaysOfMonth {
				from, to, ranges := strings.Cut(d.text, ":")
				if !ranges {
					to = from
				}
				start, err := strconv.Atoi(from)
				end, err2 := strconv.Atoi(to)
				if err != nil || err2 != nil {
					return nil, fail(c.file, d.line, "days_of_month: %s is no day such as 1 or -1, and no range such as 1:5", strconv.Quote(d.text))
				}
				t.DaysOfMonth = append(t.DaysOfMonth, v1alpha1.DayOfMonthRange{Start: start, End: end})
			}
			one.TimeIntervals = append(one.TimeIntervals, t)
		}
		out = append(out, one)
	}
	return out, nil
}

func texts[T ~string](in []string) []T {
	var out []T
	for _, s := range in {
		out = append(out, T(s))
	}
	return out
}
