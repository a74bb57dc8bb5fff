package lang

import (
	"fmt"
	"strconv"
	"strings"
)

// Quote writes a string as a pipeline file holds it; escapes is config.support_escapes. Without escapes there is no way
// to write a string with both kinds of quotes, which is an error.
func Quote(s string, escapes bool) (string, error) {
	switch {
	case escapes:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, nil
	case strings.HasSuffix(s, `\`):
	case !strings.Contains(s, `"`):
		return `"` + s + `"`, nil
	case !strings.Contains(s, `'`):
		return `'` + s + `'`, nil
	}
	return "", fmt.Errorf("%q cannot be written in a pipeline file: it has both kinds of quotes, or ends with a backslash", s)
}

// Print writes a value as a pipeline file holds it.
func (v Value) Print(escapes bool) (string, error) {
	list := func(open, end string, n int, item func(i int) (string, error)) (string, error) {
		parts := make([]string, n)
		for i := range parts {
			var err error
			if parts[i], err = item(i); err != nil {
				return "", err
			}
		}
		return open + " " + strings.Join(parts, " ") + " " + end, nil
	}
	switch t := v.Any.(type) {
	case string:
		return Quote(t, escapes)
	case int64:
		return strconv.FormatInt(t, 10), nil
	case float64:
		return strconv.FormatFloat(t, 'f', -1, 64), nil
	case []Value:
		s, err := list("[", "]", len(t), func(i int) (string, error) {
			item, err := t[i].Print(escapes)
			if i < len(t)-1 {
				item += ","
			}
			return item, err
		})
		return s, err
	case Hash:
		return list("{", "}", len(t), func(i int) (string, error) {
			key, err := Quote(t[i].Key, escapes)
			if err != nil {
				return "", err
			}
			value, err := t[i].Value.Print(escapes)
			return key + " => " + value, err
		})
	case *Plugin:
		s, err := list("{", "}", len(t.Options), func(i int) (string, error) {
			value, err := t.Options[i].Value.Print(escapes)
			return t.Options[i].Name + " => " + value, err
		})
		return t.Name + " " + s, err
	}
	return "", fmt.Errorf("a %T cannot be written", v.Any)
}
