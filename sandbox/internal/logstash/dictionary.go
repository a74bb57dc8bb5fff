package logstash

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/rubyre"
)

// dictionary is a list of terms in order, with an index for exact ones.
type dictionary struct {
	keys     []string
	values   map[string]any
	patterns []*rubyre.Regexp
	modified time.Time
}

func (d *dictionary) add(key string, value any) {
	if _, have := d.values[key]; !have {
		d.keys = append(d.keys, key)
	}
	d.values[key] = value
}

func (d *dictionary) compile(exact, regex bool) error {
	if exact && !regex {
		return nil
	}
	for _, k := range d.keys {
		if !exact {
			k = quoteRuby(k)
		}
		re, err := rubyre.Compile(k)
		if err != nil {
			return err
		}
		d.patterns = append(d.patterns, re)
	}
	return nil
}

func quoteRuby(s string) string {
	var out strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`\^$.[](){}*+?|-# `, r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}

// readDictionary reads a YAML, JSON or CSV file, in the file's order.
func readDictionary(file string) (*dictionary, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the dictionary: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read the dictionary: %w", err)
	}
	d := &dictionary{values: map[string]any{}, modified: info.ModTime()}
	switch strings.ToLower(filepath.Ext(file)) {
	case ".csv":
		r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(data), "\ufeff")))
		r.FieldsPerRecord = -1
		for {
			row, err := r.Read()
			if errors.Is(err, io.EOF) {
				return d, nil
			}
			if err != nil {
				return nil, fmt.Errorf("read the dictionary %s: %w", file, err)
			}
			if len(row) > 1 {
				d.add(row[0], row[1])
			}
		}
	case ".yml", ".yaml", ".json":
		var doc yaml.Node
		if err := yaml.Unmarshal(data, &doc); err != nil {
			return nil, fmt.Errorf("read the dictionary %s: %w", file, err)
		}
		if len(doc.Content) == 0 {
			return d, nil
		}
		root := doc.Content[0]
		if root.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("read the dictionary %s: expected a hash", file)
		}
		for i := 0; i+1 < len(root.Content); i += 2 {
			var v any
			if err := root.Content[i+1].Decode(&v); err != nil {
				return nil, fmt.Errorf("read the dictionary %s: %w", file, err)
			}
			d.add(root.Content[i].Value, plainValue(v))
		}
		return d, nil
	}
	return nil, fmt.Errorf("dictionary %s: expected .yml, .yaml, .json or .csv", file)
}

// plainValue turns what a YAML decoder gives into an event's types.
func plainValue(v any) any {
	switch t := v.(type) {
	case int:
		return int64(t)
	case map[string]any:
		for k := range t {
			t[k] = plainValue(t[k])
		}
	case []any:
		for i := range t {
			t[i] = plainValue(t[i])
		}
	case map[any]any:
		m := make(map[string]any, len(t))
		for k, item := range t {
			m[fmt.Sprint(k)] = plainValue(item)
		}
		return m
	}
	return v
}

// replaceAll replaces every term in a text, the first of the dictionary that fits at each place.
func (d *dictionary) replaceAll(s string) string {
	var out strings.Builder
next:
	for s != "" {
		for _, k := range d.keys {
			if k != "" && strings.HasPrefix(s, k) {
				out.WriteString(event.ToString(d.values[k]))
				s = s[len(k):]
				continue next
			}
		}
		out.WriteByte(s[0])
		s = s[1:]
	}
	return out.String()
}
