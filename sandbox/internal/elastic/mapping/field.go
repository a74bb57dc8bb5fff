// Package mapping knows an index's fields: it reads, merges and prints mappings, and turns documents into the values
// that are indexed, with Elasticsearch's errors where the two do not fit.
package mapping

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"obsandbox/sandbox/internal/elastic/analysis"
	"obsandbox/sandbox/internal/elastic/dates"
)

// Kind is how a field's values are stored and searched.
type Kind uint8

// The kinds.
const (
	// None is neither searched nor sorted by.
	None Kind = iota
	// Num are whole numbers, dates, booleans: int64 columns.
	Num
	// Float are floating point numbers as order-preserving int64.
	Float
	// Keyword are whole strings with a sorted dictionary.
	Keyword
	// Text are analyzed strings with positions.
	Text
)

// Field is a leaf of a mapping. It never changes once it is part of a mapping.
type Field struct {
	// ID numbers the fields of an index; it is the same in every later mapping of that index.
	ID int
	// Name is the whole dotted path, Leaf its last part.
	Name, Leaf string
	// Type is Elasticsearch's name of the type.
	Type            string
	Kind            Kind
	Index           bool
	DocValues       bool
	Norms           bool
	IgnoreMalformed bool
	Coerce          bool
	// IgnoreAbove is the most characters a keyword may have; longer ones are not indexed: with 0, none is but the empty
	// one. nil is no limit.
	IgnoreAbove *int
	Scaling     float64
	Format      *dates.Format
	Analyzer    analysis.Analyzer
	// AnalyzerName is what Analyzer is called.
	AnalyzerName string
	// Search cuts query texts; it is Analyzer unless search_analyzer says otherwise.
	Search analysis.Analyzer
	// Normalize is applied to keywords before they are indexed or searched; nil changes nothing.
	Normalize func(string) string
	// Null stands for null values; nil leaves them out.
	Null *string
	// Subs are the multi-fields.
	Subs []*Field
	// CopyTo are the paths that get the same values.
	CopyTo []string
	// Path is the target of an alias.
	Path string
	// Keyed holds "key\x00value" of a flattened field.
	Keyed *Field
	// Key is set on what a query names inside a flattened field: the path below it.
	Key string
	// Parent is the text field whose multi-field this is.
	Parent *Field
	params map[string]any
	meta   map[string]any
}

// Searchable says whether terms of the field can be looked for.
func (f *Field) Searchable() bool { return f.Index || f.DocValues && f.Kind != Text }

// Aggregatable says whether the field can be sorted by and aggregated on.
func (f *Field) Aggregatable() bool { return f.DocValues && f.Kind != Text && f.Kind != None }

// Numeric says whether the values are numbers in the wider sense: also dates and booleans.
func (f *Field) Numeric() bool { return f.Kind == Num || f.Kind == Float }

// IsDate says whether the field is a date or date_nanos.
func (f *Field) IsDate() bool { return f.Type == "date" || f.Type == "date_nanos" }

// Object is an inner node of a mapping.
type Object struct {
	Name string
	// Dynamic is "true", "false", "strict" or, where the parent decides, empty.
	Dynamic string
	// Enabled false leaves everything below unread.
	Enabled bool
	Objects map[string]*Object
	Fields  map[string]*Field
	// Nested makes every object here a document of its own, which only nested queries and aggregations reach.
	Nested bool
	// explicit remembers that the mapping said "type": "object".
	explicit bool
}

// Mapping is an index's whole mapping. It never changes; a new one is made by Merge.
type Mapping struct {
	Root *Object
	// Meta is the mapping's _meta.
	Meta any
	// SourceEnabled is _source.enabled.
	SourceEnabled    bool
	RoutingRequired  bool
	DateDetection    bool
	NumericDetection bool
	DynamicDates     []*dates.Format
	Templates        []DynamicTemplate
	// DataStream says that documents need exactly one @timestamp.
	DataStream bool

	root    map[string]any // the root's own parameters as they were given
	byName  map[string]*Field
	objects map[string]*Object
	nextID  int
	limits  Limits
	// nested are the nested paths in order, shape tells mappings apart that read their documents differently.
	nested []string
	shape  string
}

// Limits are the index settings that bear on mappings.
type Limits struct {
	// TotalFields is 0 where nothing is said, and negative where there may be none.
	TotalFields int
	// NestedFields is the most nested fields, NestedObjects the most nested objects of one document.
	NestedFields    int
	NestedObjects   int
	IgnoreMalformed bool
	Coerce          bool
	Analyzers       map[string]analysis.Analyzer
	Normalizers     map[string]func(string) string
	// IgnoreBeyond leaves out dynamic fields beyond TotalFields instead of refusing the document.
	IgnoreBeyond bool
}

// DynamicTemplate says how fields that the mapping does not know are added.
type DynamicTemplate struct {
	Name                                 string
	Match, Unmatch, PathMatch, PathUnmat []string
	Types, UnmatchTypes                  []string
	Regex                                bool
	Mapping                              map[string]any
	raw                                  any
}

// Field is the field of a whole path, through aliases and into flattened fields; nil where there is none.
func (m *Mapping) Field(name string) *Field {
	if f := m.byName[name]; f != nil {
		if f.Type == "alias" {
			return m.Field(f.Path)
		}
		return f
	}
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '.' {
			if f := m.byName[name[:i]]; f != nil && f.Keyed != nil {
				keyed := *f.Keyed
				keyed.Key = name[i+1:]
				keyed.Name = name
				return &keyed
			}
		}
	}
	return nil
}

// Object is the inner node of a path; nil where there is none.
func (m *Mapping) Object(name string) *Object { return m.objects[name] }

// Fields calls fn for every field with its own name, aliases included.
func (m *Mapping) Fields(fn func(*Field)) {
	for _, f := range m.byName {
		fn(f)
	}
}

// Objects calls fn for every named object.
func (m *Mapping) Objects(fn func(*Object)) {
	for name, o := range m.objects {
		if name != "" {
			fn(o)
		}
	}
}

// Matching are the fields whose names match a pattern with *.
func (m *Mapping) Matching(pattern string) []*Field {
	if !strings.Contains(pattern, "*") {
		if f := m.Field(pattern); f != nil {
			return []*Field{f}
		}
		return nil
	}
	var out []*Field
	for _, name := range slices.Sorted(maps.Keys(m.byName)) {
		f := m.byName[name]
		if Glob(pattern, name) {
			if f.Type == "alias" {
				if f = m.Field(f.Path); f == nil {
					continue
				}
			}
			out = append(out, f)
		}
	}
	return out
}

// Glob matches a name against a pattern where * is anything.
func Glob(pattern, name string) bool {
	if pattern == "*" || pattern == name {
		return true
	}
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild || !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], more
	}
}

func (t *DynamicTemplate) matches(full, leaf, typ string) bool {
	any := func(patterns []string, name string) bool {
		for _, p := range patterns {
			if t.Regex {
				if re, err := regexp.Compile("^(?:" + p + ")$"); err == nil && re.MatchString(name) {
					return true
				}
			} else if Glob(p, name) {
				return true
			}
		}
		return false
	}
	typed := func(types []string) bool {
		for _, x := range types {
			if x == "*" || x == typ {
				return true
			}
		}
		return false
	}
	return (t.Match == nil || any(t.Match, leaf)) && !any(t.Unmatch, leaf) &&
		(t.PathMatch == nil || any(t.PathMatch, full)) && !any(t.PathUnmat, full) &&
		(t.Types == nil || typed(t.Types)) && !typed(t.UnmatchTypes)
}

func join(parent, leaf string) string {
	if parent == "" {
		return leaf
	}
	return parent + "." + leaf
}

// base is the last part of a dotted path.
func base(name string) string { return path.Ext("." + name)[1:] }

// TooLong says whether a text has more characters than ignore_above lets the field have.
func (f *Field) TooLong(text string) bool {
	return f.IgnoreAbove != nil && len(text) > *f.IgnoreAbove && utf8.RuneCountInString(text) > *f.IgnoreAbove
}
