package aggs

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/elastic/eserr"
)

var movingCall = regexp.MustCompile(`^\s*(?:return\s+)?MovingFunctions\.(\w+)\(\s*values\s*(?:,\s*(.*?))?\s*\)\s*;?\s*$`)

// movingFunction is one of the functions that Elasticsearch has ready for moving_fn; scripts of one's own are refused.
func movingFunction(script string) (func([]float64) float64, error) {
	m := movingCall.FindStringSubmatch(script)
	refuse := eserr.New(400, "script_exception", "compile error: script [%s] of [moving_fn]: only the calls of MovingFunctions on [values]: not supported by this store", script).With("script", script).With("lang", "painless")
	if m == nil {
		return nil, refuse
	}
	mean := func(v []float64) float64 {
		if len(v) == 0 {
			return math.NaN()
		}
		return total(v) / float64(len(v))
	}
	switch m[1] {
	case "max", "min":
		return func(v []float64) float64 {
			out := math.NaN()
			for _, x := range v {
				if math.IsNaN(out) || (m[1] == "max") == (x > out) {
					out = x
				}
			}
			return out
		}, nil
	case "sum":
		return total, nil
	case "unweightedAvg":
		return mean, nil
	case "stdDev":
		if strings.ReplaceAll(m[2], " ", "") != "MovingFunctions.unweightedAvg(values)" {
			return nil, refuse
		}
		return func(v []float64) float64 {
			avg, sum := mean(v), 0.0
			for _, x := range v {
				sum += (x - avg) * (x - avg)
			}
			return math.Sqrt(sum / float64(len(v)))
		}, nil
	case "linearWeightedAvg":
		return func(v []float64) float64 {
			sum, weights := 0.0, 1.0
			for i, x := range v {
				sum += x * float64(i+1)
				weights += float64(i + 1)
			}
			if len(v) == 0 {
				return math.NaN()
			}
			return sum / weights
		}, nil
	case "holt":
		a, b, ok := strings.Cut(m[2], ",")
		alpha, err := strconv.ParseFloat(strings.TrimSpace(a), 64)
		beta, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
		if !ok || err != nil || err2 != nil {
			return nil, refuse
		}
		return func(v []float64) float64 {
			if len(v) == 0 {
				return math.NaN()
			}
			level, trend := v[0], 0.0
			for _, x := range v[1:] {
				next := alpha*x + (1-alpha)*(level+trend)
				level, trend = next, beta*(next-level)+(1-beta)*trend
			}
			return level
		}, nil
	case "ewma":
		alpha, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, refuse
		}
		return func(v []float64) float64 {
			out := math.NaN()
			for i, x := range v {
				if i == 0 {
					out = x
				} else {
					out = x*alpha + out*(1-alpha)
				}
			}
			return out
		}, nil
	}
	return nil, refuse
}

func total(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum
}
