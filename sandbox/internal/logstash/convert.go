package logstash

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/logstash/event"
)

func (m *mutate) convert(b *build) {
	for _, entry := range b.hash("convert") {
		ref, err := event.ParseRef(entry.Key)
		kind, _ := entry.Value.String()
		to, known := map[string]func(any) (any, error){
			"string":     func(v any) (any, error) { return event.RubyString(v), nil },
			"integer":    func(v any) (any, error) { return convertNumber(v, false, false) },
			"float":      func(v any) (any, error) { return convertNumber(v, true, false) },
			"integer_eu": func(v any) (any, error) { return convertNumber(v, false, true) },
			"float_eu":   func(v any) (any, error) { return convertNumber(v, true, true) },
			"boolean":    func(v any) (any, error) { return convertBoolean(v), nil },
		}[kind]
		if err != nil || !known {
			b.failAt(entry.Pos, "convert", "invalid conversion type %q for %s: expected string, integer, float, boolean, integer_eu or float_eu", kind, entry.Key)
			continue
		}
		m.step(func(e *event.Event) error {
			v, ok := e.Lookup(ref)
			if _, hash := v.(map[string]any); !ok || v == nil || hash {
				return nil
			}
			if list, ok := v.([]any); ok {
				list = slices.Clone(list)
				for i := range list {
					if list[i] == nil {
						continue
					}
					var err error
					if list[i], err = to(list[i]); err != nil {
						return err
					}
				}
				return e.Set(ref, list)
			}
			converted, err := to(v)
			if err != nil {
				return err
			}
			return e.Set(ref, converted)
		})
	}
}

var (
	booleanTrue  = regexp.MustCompile(`(?im)^(true|t|yes|y|1|1.0)$`)
	booleanFalse = regexp.MustCompile(`(?im)^(false|f|no|n|0|0.0)$`)
	decimal      = regexp.MustCompile(`^[+-]?(?:[0-9]+(?:_[0-9]+)*(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?|\.[0-9]+)(?:e[+-]?[0-9]+)?$`)
	hexadecimal  = regexp.MustCompile(`^([+-]?)0x([0-9a-f]+)(?:\.([0-9a-f]+))?(?:p([+-]?[0-9]+))?$`)
)

func convertBoolean(v any) any {
	switch s := event.ToString(v); {
	case booleanTrue.MatchString(s):
		return true
	case s == "" || booleanFalse.MatchString(s):
		return false
	}
	return v // Logstash warns and keeps it
}

// convertNumber is Logstash's strict conversion (8.14 and later): a text that is no number is an error.
func convertNumber(v any, float, eu bool) (any, error) {
	switch t := v.(type) {
	case bool:
		n := int64(0)
		if t {
			n = 1
		}
		return convertNumber(n, float, false)
	case int64:
		if float {
			return float64(t), nil
		}
		return t, nil
	case *big.Int:
		if float {
			f, _ := event.ToFloat(t)
			return f, nil
		}
		return t, nil
	case float64:
		if float {
			return t, nil
		}
		n, _ := big.NewFloat(t).Int(nil)
		return wholeNumber(n), nil
	case string:
		if eu {
			t = strings.Map(func(r rune) rune {
				switch r {
				case ',':
					return '.'
				case '.':
					return ','
				}
				return r
			}, t)
		}
		return parseNumber(strings.ToLower(strings.ReplaceAll(strings.TrimSpace(t), ",", "")), float)
	}
	return nil, fmt.Errorf("convert: a %T is no number", v)
}

func parseNumber(s string, float bool) (any, error) {
	if m := hexadecimal.FindStringSubmatch(s); m != nil {
		if m[3] == "" && m[4] == "" {
			n, _ := new(big.Int).SetString(m[1]+m[2], 16)
			if float {
				f, _ := event.ToFloat(n)
				return f, nil
			}
			return wholeNumber(n), nil
		}
		exponent := ""
		if m[4] == "" {
			exponent = "p0"
		}
		f, err := strconv.ParseFloat(s+exponent, 64)
		if err != nil || float {
			return f, err
		}
		return int64(f), nil
	}
	if !decimal.MatchString(s) {
		return nil, fmt.Errorf("convert: invalid value for a number: %q", s)
	}
	s = strings.ReplaceAll(s, "_", "")
	if float {
		if strings.HasSuffix(s, ".") {
			return nil, fmt.Errorf("convert: invalid value for a number: %q", s)
		}
		f, err := strconv.ParseFloat(s, 64)
		if errors.Is(err, strconv.ErrRange) {
			err = nil // Ruby's Float takes it for infinite
		}
		return f, err
	}
	if len(s) > 400 || strings.Contains(s, "e") && len(s[strings.Index(s, "e"):]) > 5 {
		return nil, fmt.Errorf("convert: %q is too large", s)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, fmt.Errorf("convert: invalid value for a number: %q", s)
	}
	return wholeNumber(new(big.Int).Quo(r.Num(), r.Denom())), nil
}

// wholeNumber is an int64 where the number fits into one.
func wholeNumber(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}
