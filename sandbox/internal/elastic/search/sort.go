package search

import (
	"cmp"
	"math"
	"strings"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/segment"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// SortField is one key of a sort.
type SortField struct {
	Field        string
	Desc         bool
	Missing      string // "_first", "_last" or a value
	Mode         string
	UnmappedType string
	Format       *dates.Format
}

func parseSort(v *xcontent.Value) ([]SortField, error) {
	items := []*xcontent.Value{v}
	if v.Is(xcontent.Array) {
		items = v.Items
	}
	var out []SortField
	for _, item := range items {
		if item.Scalar() {
			out = append(out, newSortField(item.Text()))
			continue
		}
		if !item.Is(xcontent.Object) {
			line, col := item.Pos()
			return nil, eserr.Parsing(line, col, "malformed sort format, within the sort array, an object, or an actual string are allowed")
		}
		for _, m := range item.Members {
			f := newSortField(m.Key)
			if m.Key == "_geo_distance" || m.Key == "_script" {
				return nil, eserr.Unsupported("sort [%s]", m.Key)
			}
			if m.Value.Scalar() {
				if err := f.order(m.Value.Text()); err != nil {
					return nil, err
				}
				out = append(out, f)
				continue
			}
			for _, p := range m.Value.Members {
				switch p.Key {
				case "order":
					if err := f.order(p.Value.Text()); err != nil {
						return nil, err
					}
				case "missing":
					f.Missing = p.Value.Text()
				case "mode":
					f.Mode = strings.ToLower(p.Value.Text())
					if !strings.Contains(" min max avg sum median ", " "+f.Mode+" ") {
						return nil, eserr.Illegal("Unknown SortMode [%s]", f.Mode)
					}
				case "unmapped_type":
					f.UnmappedType = p.Value.Text()
				case "format":
					format, err := dates.Compile(p.Value.Text())
					if err != nil {
						return nil, eserr.Illegal("%s", err)
					}
					f.Format = format
				case "numeric_type", "nested":
					return nil, eserr.Unsupported("sort parameter [%s]", p.Key)
				default:
					line, col := p.Value.Pos()
					return nil, eserr.XContent(line, col, "[field_sort] unknown field [%s]", p.Key)
				}
			}
			out = append(out, f)
		}
	}
	return out, nil
}

func newSortField(name string) SortField {
	return SortField{Field: name, Desc: name == "_score"}
}

func (f *SortField) order(text string) error {
	switch strings.ToLower(text) {
	case "asc":
		f.Desc = false
	case "desc":
		f.Desc = true
	default:
		return eserr.Illegal("Unknown SortOrder [%s]", text)
	}
	return nil
}

// sortKey is a document's value for one key: a number, or a string where str is set.
type sortKey struct {
	n int64
	s string
	// null sorts after every value, whatever the order: 1, or before: -1.
	null int8
}

func (f *SortField) compare(a, b sortKey) int {
	if a.null != 0 || b.null != 0 {
		return cmp.Compare(a.null, b.null)
	}
	c := cmp.Compare(a.n, b.n)
	if c == 0 {
		c = strings.Compare(a.s, b.s)
	}
	if f.Desc {
		return -c
	}
	return c
}

// sorter gives the keys of one index's documents.
type sorter struct {
	f     SortField
	field *mapping.Field
	// float makes keys comparable between indices whose fields differ in type.
	float bool
	miss  sortKey
	base  int
}

func (r *Request) sorters(t *Target, all []*Target, base int) ([]sorter, error) {
	var out []sorter
	for _, f := range r.Sort {
		s := sorter{f: f, base: base}
		if strings.HasPrefix(f.Field, "_") && (f.Field == "_score" || f.Field == "_doc" || f.Field == "_shard_doc" || f.Field == "_seq_no" || f.Field == "_version") {
			out = append(out, s)
			continue
		}
		s.field = t.Mapping.Field(f.Field)
		switch {
		case s.field == nil && f.UnmappedType == "":
			if f.Field == "_id" {
				return nil, ShardFail(t.Index, "Fielddata access on the _id field is disallowed, you can re-enable it by updating the dynamic cluster setting: indices.id_field_data.enabled")
			}
			return nil, eserr.New(400, "query_shard_exception", "No mapping found for [%s] in order to sort on", f.Field).With("index", t.Index).With("index_uuid", t.UUID)
		case s.field != nil && t.Scope == "" && t.Mapping.NestedPath(s.field.Name) != "":
			return nil, eserr.New(400, "query_shard_exception", "it is mandatory to set the [nested] context on the nested sort field: [%s].", f.Field).With("index", t.Index).With("index_uuid", t.UUID)
		case s.field != nil && s.field.Kind == mapping.Text:
			return nil, ShardFail(t.Index, "Fielddata is disabled on [%s] in [%s]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead. Alternatively, set fielddata=true on [%s] in order to load field data by uninverting the inverted index. Note that this can use significant memory.", f.Field, t.Index, f.Field)
		case s.field != nil && !s.field.Aggregatable():
			return nil, ShardFail(t.Index, "Can't load fielddata on [%s] because fielddata is unsupported on fields of type [%s]. Use doc values instead.", f.Field, s.field.Type)
		}
		if m := f.Mode; (m == "avg" || m == "sum" || m == "median") && (s.field != nil && !s.field.Numeric() || s.field == nil && !numericType(f.UnmappedType)) {
			return nil, eserr.New(400, "query_shard_exception", "we only support AVG, MEDIAN and SUM on number based fields").With("index", t.Index).With("index_uuid", t.UUID)
		}
		for _, o := range all {
			if other := o.Mapping.Field(f.Field); other != nil && s.field != nil && other.Kind != s.field.Kind && other.Numeric() && s.field.Numeric() {
				s.float = true
			}
		}
		s.miss = sortKey{null: 1}
		switch f.Missing {
		case "", "_last":
		case "_first":
			s.miss.null = -1
		default:
			if s.field != nil && s.field.Numeric() {
				n, err := s.field.Number(f.Missing, true)
				if err != nil {
					return nil, ShardFail(t.Index, "%s", err)
				}
				s.miss = sortKey{n: s.number(n)}
			} else {
				s.miss = sortKey{s: f.Missing}
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// numericType says whether a type's values are numbers in the wider sense.
func numericType(typ string) bool {
	return strings.Contains(" long integer short byte double float half_float scaled_float unsigned_long boolean date date_nanos ", " "+typ+" ")
}

func (s *sorter) number(v int64) int64 {
	if s.float && s.field.Kind == mapping.Num {
		return mapping.Sortable(s.field.Float(v))
	}
	return v
}

// key is a function from a segment's documents to their keys.
func (s *sorter) key(v *engine.View, score func(int) float64) func(doc int) sortKey {
	switch s.f.Field {
	case "_score":
		return func(doc int) sortKey { return sortKey{n: mapping.Sortable(float64(float32(score(doc))))} }
	case "_doc", "_shard_doc":
		base := s.base
		return func(doc int) sortKey { return sortKey{n: int64(base + doc)} }
	case "_seq_no":
		return func(doc int) sortKey { return sortKey{n: v.Segment.Seq.At(doc)} }
	case "_version":
		return func(doc int) sortKey { return sortKey{n: v.Version.At(doc)} }
	}
	if s.field == nil {
		return func(int) sortKey { return s.miss }
	}
	f := v.Field(storageName(s.field))
	if f == nil {
		return func(int) sortKey { return s.miss }
	}
	last := s.f.Desc && s.f.Mode == "" || s.f.Mode == "max"
	if f.Num != nil {
		col := f.Num
		return func(doc int) sortKey {
			from, to := col.Range(doc)
			switch {
			case from == to:
				return s.miss
			case to-from > 1 && (s.f.Mode == "avg" || s.f.Mode == "sum" || s.f.Mode == "median"):
				return sortKey{n: s.number(s.reduce(col, from, to))}
			case last:
				return sortKey{n: s.number(col.At(to - 1))}
			}
			return sortKey{n: s.number(col.At(from))}
		}
	}
	if f.Ords == nil {
		return func(int) sortKey { return s.miss }
	}
	prefix := ""
	if s.field.Key != "" {
		prefix = s.field.Key + "\x00"
	}
	return func(doc int) sortKey {
		from, to := f.Ords.Range(doc)
		found, term := false, ""
		for i := from; i < to; i++ {
			t := f.Dict.Term(int(f.Ords.At(i)))
			if !strings.HasPrefix(t, prefix) {
				continue
			}
			found, term = true, t
			if !last {
				break
			}
		}
		if !found {
			return s.miss
		}
		return sortKey{s: term[len(prefix):]}
	}
}

func (s *sorter) reduce(col *segment.Column, from, to int) int64 {
	var sum float64
	for i := from; i < to; i++ {
		sum += s.field.Float(col.At(i))
	}
	switch s.f.Mode {
	case "avg":
		sum /= float64(to - from)
	case "median":
		sum = (s.field.Float(col.At((from+to-1)/2)) + s.field.Float(col.At((from+to)/2))) / 2
	}
	if s.field.Kind == mapping.Float {
		return mapping.Sortable(sum)
	}
	return int64(math.Round(sum))
}

// output is a key as it stands in a hit's "sort".
func (s *sorter) output(k sortKey) any {
	switch {
	case s.f.Field == "_score":
		return float32(mapping.Unsortable(k.n))
	case s.field == nil && k.null == 0:
		if k.s != "" {
			return k.s
		}
		return k.n
	case k.null != 0:
		typ := s.f.UnmappedType
		if s.field != nil {
			typ = s.field.Type
		}
		if s.field == nil && !numericType(typ) || s.field != nil && !s.field.Numeric() {
			return nil
		}
		// Elasticsearch shows the value that stands for a missing one.
		high := (k.null > 0) != s.f.Desc
		if s.field != nil && (s.field.Kind == mapping.Float || s.float) || s.field == nil && (strings.Contains(typ, "float") || typ == "double") {
			if high {
				return "Infinity"
			}
			return "-Infinity"
		}
		lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
		switch typ {
		case "integer", "short", "byte":
			lo, hi = math.MinInt32, math.MaxInt32
		case "date_nanos":
			lo = 0
		}
		if high {
			return hi
		}
		return lo
	case !s.field.Numeric():
		return s.field.TermText(strings.Clone(k.s))
	case s.float:
		return mapping.Unsortable(k.n)
	case s.field.IsDate() && s.f.Format != nil:
		return s.f.Format.Print(s.field.Time(k.n))
	}
	return s.field.Output(k.n)
}

// after is the key of a search_after value.
func (s *sorter) after(v *xcontent.Value, index string) (sortKey, error) {
	if v.Is(xcontent.Null) {
		k := s.miss
		if k.null == 0 {
			k.null = 1
		}
		return k, nil
	}
	text := v.Text()
	bad := func(err error) (sortKey, error) {
		return sortKey{}, ShardFail(index, "Failed to parse search_after value for field [%s].", s.f.Field).CausedBy(eserr.Illegal("%s", err))
	}
	switch s.f.Field {
	case "_score":
		f, err := v.Float()
		return sortKey{n: mapping.Sortable(float64(float32(f)))}, err // scores have no more digits
	case "_doc", "_shard_doc", "_seq_no", "_version":
		n, err := v.Int()
		return sortKey{n: n}, err
	}
	if s.field == nil {
		return s.miss, nil
	}
	if !s.field.Numeric() {
		term, err := s.field.Term(text)
		if err != nil {
			return bad(err)
		}
		return sortKey{s: strings.TrimPrefix(term, s.field.Key+"\x00")}, nil
	}
	if text == "Infinity" || text == "-Infinity" || text == "9223372036854775807" || text == "-9223372036854775808" {
		high := text[0] != '-'
		if s.f.Missing == "_first" && high == s.f.Desc || s.f.Missing != "_first" && high != s.f.Desc {
			return s.miss, nil
		}
	}
	if s.field.IsDate() {
		if v.Is(xcontent.Number) {
			n, err := v.Int()
			return sortKey{n: n}, err
		}
		format := s.field.Format
		if s.f.Format != nil {
			format = s.f.Format
		}
		t, err := format.Parse(text, nil)
		if err != nil {
			return bad(err)
		}
		return sortKey{n: s.field.FromTime(t)}, nil
	}
	n, err := s.field.Number(text, true)
	if err != nil {
		return bad(err)
	}
	return sortKey{n: s.number(n)}, nil
}

func storageName(f *mapping.Field) string {
	if f.Key != "" {
		return strings.TrimSuffix(f.Name, "."+f.Key) + "._keyed"
	}
	return f.Name
}
