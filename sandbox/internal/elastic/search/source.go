package search

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// SourceFilter says which part of a source is returned.
type SourceFilter struct {
	// Off leaves the source out.
	Off                bool
	Includes, Excludes []string
}

// ParseSource reads _source of a request: a boolean, names, or includes and excludes.
func ParseSource(v *xcontent.Value) (SourceFilter, error) {
	var f SourceFilter
	switch {
	case v.Is(xcontent.False):
		f.Off = true
	case v.Is(xcontent.True):
	case v.Is(xcontent.Object):
		for _, m := range v.Members {
			names, err := m.Value.Strings()
			if err != nil {
				return f, err
			}
			switch m.Key {
			case "includes", "include":
				f.Includes = names
			case "excludes", "exclude":
				f.Excludes = names
			default:
				line, col := m.Value.Pos()
				return f, eserr.Parsing(line, col, "Unknown key for a %s in [%s].", m.Value.Describe(), m.Key)
			}
		}
	case v.Scalar() || v.Is(xcontent.Array):
		names, err := v.Strings()
		if len(names) == 1 && names[0] == "false" {
			f.Off = true
			return f, err
		}
		f.Includes = names
		return f, err
	default:
		line, col := v.Pos()
		return f, eserr.Parsing(line, col, "Expected one of [VALUE_BOOLEAN, VALUE_STRING, START_ARRAY, START_OBJECT] but found [%s]", v.Describe())
	}
	return f, nil
}

// All says whether the filter takes everything.
func (f SourceFilter) All() bool { return !f.Off && len(f.Includes) == 0 && len(f.Excludes) == 0 }

// Apply is the part of a source that the filter takes.
func (f SourceFilter) Apply(src []byte) ([]byte, error) {
	if f.All() {
		return src, nil
	}
	v, err := xcontent.Parse(src)
	if err != nil {
		return nil, fmt.Errorf("filter a source: %w", err)
	}
	var out bytes.Buffer
	enc := jsontext.NewEncoder(&out)
	kept := f.filter(v, "", len(f.Includes) == 0)
	if kept == nil {
		return []byte("{}"), nil
	}
	if err := Write(enc, kept); err != nil {
		return nil, fmt.Errorf("filter a source: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// filter is the part of v that is taken; in says that an ancestor was named by an include.
func (f SourceFilter) filter(v *xcontent.Value, path string, in bool) *xcontent.Value {
	switch v.Kind {
	case xcontent.Object:
		out := &xcontent.Value{Kind: xcontent.Object}
		for _, m := range v.Members {
			full := m.Key
			if path != "" {
				full = path + "." + m.Key
			}
			if matchesAny(f.Excludes, full) {
				continue
			}
			childIn := in || matchesAny(f.Includes, full)
			if m.Value.Is(xcontent.Object) || m.Value.Is(xcontent.Array) {
				if !childIn && !leadsTo(f.Includes, full) {
					continue
				}
				if kept := f.filter(m.Value, full, childIn); kept != nil {
					out.Members = append(out.Members, xcontent.Member{Key: m.Key, Value: kept})
				}
				continue
			}
			if childIn {
				out.Members = append(out.Members, m)
			}
		}
		if len(out.Members) == 0 && !in && path != "" {
			return nil
		}
		return out
	case xcontent.Array:
		out := &xcontent.Value{Kind: xcontent.Array}
		for _, item := range v.Items {
			switch {
			case item.Is(xcontent.Object) || item.Is(xcontent.Array):
				if kept := f.filter(item, path, in); kept != nil {
					out.Items = append(out.Items, kept)
				}
			case in:
				out.Items = append(out.Items, item)
			}
		}
		if len(out.Items) == 0 && !in {
			return nil
		}
		return out
	}
	if in {
		return v
	}
	return nil
}

// matchesAny says whether a path fits a pattern. As in Elasticsearch, * stays within one name of the path and ** does
// not.
func matchesAny(patterns []string, path string) bool {
	for _, p := range patterns {
		if fits(p, path) {
			return true
		}
	}
	return false
}

func fits(pattern, path string) bool {
	if strings.Contains(pattern, "**") {
		return mapping.Glob(strings.ReplaceAll(pattern, "**", "*"), path)
	}
	for {
		p, pattern2, more := strings.Cut(pattern, ".")
		name, rest, deeper := strings.Cut(path, ".")
		if !mapping.Glob(p, name) || more != deeper {
			return false
		}
		if !more {
			return true
		}
		pattern, path = pattern2, rest
	}
}

// leadsTo says whether something below path may fit a pattern.
func leadsTo(patterns []string, path string) bool {
	depth := strings.Count(path, ".") + 1
	for _, p := range patterns {
		if strings.Contains(p, "**") {
			return true
		}
		parts := strings.SplitN(p, ".", depth+1)
		if len(parts) > depth && fits(strings.Join(parts[:depth], "."), path) {
			return true
		}
	}
	return false
}

// Write prints a tree as it was written: numbers keep their digits.
func Write(enc *jsontext.Encoder, v *xcontent.Value) error {
	switch v.Kind {
	case xcontent.Object:
		if err := enc.WriteToken(jsontext.BeginObject); err != nil {
			return err
		}
		for _, m := range v.Members {
			if err := enc.WriteToken(jsontext.String(m.Key)); err != nil {
				return err
			}
			if err := Write(enc, m.Value); err != nil {
				return err
			}
		}
		return enc.WriteToken(jsontext.EndObject)
	case xcontent.Array:
		if err := enc.WriteToken(jsontext.BeginArray); err != nil {
			return err
		}
		for _, item := range v.Items {
			if err := Write(enc, item); err != nil {
				return err
			}
		}
		return enc.WriteToken(jsontext.EndArray)
	case xcontent.String:
		return enc.WriteToken(jsontext.String(v.Str))
	case xcontent.Number:
		return enc.WriteValue(jsontext.Value(v.Str))
	case xcontent.True:
		return enc.WriteToken(jsontext.True)
	case xcontent.False:
		return enc.WriteToken(jsontext.False)
	}
	return enc.WriteToken(jsontext.Null)
}
