package elastic

import (
	"bytes"
	"encoding/json"
	"strings"

	"obsandbox/sandbox/internal/elastic/mapping"
)

// filterPath keeps what the filter_path parameter names: paths with *, ** for any number of steps, and - to leave out.
func filterPath(raw []byte, spec string) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	var include, exclude [][]string
	for _, p := range strings.Split(spec, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		if rest, ok := strings.CutPrefix(p, "-"); ok {
			exclude = append(exclude, strings.Split(rest, "."))
		} else {
			include = append(include, strings.Split(p, "."))
		}
	}
	if len(include) > 0 {
		var ok bool
		if v, ok = keep(v, include); !ok {
			v = map[string]any{}
		}
	}
	if len(exclude) > 0 {
		v = drop(v, exclude)
	}
	return v, nil
}

// step is what is left of the paths below a key; done says that a path ends here.
func step(paths [][]string, key string) (rest [][]string, done bool) {
	for _, p := range paths {
		if p[0] == "**" {
			rest = append(rest, p)
			if len(p) == 1 {
				return nil, true
			}
			more, end := step([][]string{p[1:]}, key)
			rest, done = append(rest, more...), done || end
			continue
		}
		if mapping.Glob(p[0], key) {
			if len(p) == 1 {
				return nil, true
			}
			rest = append(rest, p[1:])
		}
	}
	return rest, done
}

func keep(v any, paths [][]string) (any, bool) {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, child := range x {
			rest, done := step(paths, key)
			if done {
				out[key] = child
			} else if len(rest) > 0 {
				if kept, ok := keep(child, rest); ok {
					out[key] = kept
				}
			}
		}
		return out, len(out) > 0
	case []any:
		out := []any{}
		for _, item := range x {
			if kept, ok := keep(item, paths); ok {
				out = append(out, kept)
			}
		}
		return out, len(out) > 0
	}
	return nil, false
}

func drop(v any, paths [][]string) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, child := range x {
			rest, done := step(paths, key)
			if done {
				continue
			}
			out[key] = drop(child, rest)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = drop(item, paths)
		}
		return out
	}
	return v
}
