package cluster

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
)

// Options say which names a request takes.
type Options struct {
	// Open, Closed and Hidden are what patterns expand to.
	Open, Closed, Hidden bool
	// AllowNone takes a pattern that fits nothing; IgnoreMissing a name that is not there.
	AllowNone, IgnoreMissing bool
	// ForbidClosed makes a closed index an error.
	ForbidClosed bool
}

// Resolved is an index and the filters of the aliases through which it was named; without any, all of it.
type Resolved struct {
	Index   *Index
	Filters []json.RawMessage
}

// Resolve is the list of indices that a comma separated expression of names, aliases, data streams, patterns and date
// math means, sorted by name.
func (c *Cluster) Resolve(expression string, o Options) ([]Resolved, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.resolve(expression, o)
}

func (c *Cluster) resolve(expression string, o Options) ([]Resolved, error) {
	found := map[string]*Resolved{}
	add := func(idx *Index, filter json.RawMessage, all bool) {
		r := found[idx.Name]
		switch {
		case r == nil:
			r = &Resolved{Index: idx}
			found[idx.Name] = r
			if !all {
				r.Filters = []json.RawMessage{filter}
			}
		case all:
			r.Filters = nil
		case r.Filters != nil:
			r.Filters = append(r.Filters, filter)
		}
	}
	if expression == "" || expression == "_all" {
		expression = "*"
	}
	wild := false
	for _, part := range splitExpression(expression) {
		name, err := c.dateMath(part)
		if err != nil {
			return nil, err
		}
		if rest, exclude := strings.CutPrefix(name, "-"); exclude && wild {
			for _, idx := range c.matching(rest, Options{Open: true, Closed: true, Hidden: true}) {
				delete(found, idx.Name)
			}
			continue
		}
		if strings.Contains(name, "*") || name == "_all" {
			wild = true
			if name == "_all" {
				name = "*"
			}
			n := len(found)
			for _, idx := range c.matching(name, o) {
				add(idx, nil, true)
			}
			for _, idx := range c.indices {
				for alias, a := range idx.State().Aliases {
					if mapping.Glob(name, alias) && (!a.IsHidden || o.Hidden) && (o.Open && !idx.State().Closed || o.Closed && idx.State().Closed) {
						add(idx, a.Filter, len(a.Filter) == 0)
					}
				}
			}
			for _, s := range c.meta.Streams {
				if mapping.Glob(name, s.Name) {
					for _, backing := range s.Indices {
						add(c.indices[backing], nil, true)
					}
				}
			}
			if len(found) == n && !o.AllowNone {
				return nil, eserr.IndexNotFound(name)
			}
			continue
		}
		if idx := c.indices[name]; idx != nil {
			if idx.State().Closed && o.ForbidClosed {
				if o.IgnoreMissing {
					continue
				}
				return nil, eserr.New(400, "index_closed_exception", "closed").With("index", name).With("index_uuid", idx.UUID)
			}
			add(idx, nil, true)
			continue
		}
		if s := c.meta.Streams[name]; s != nil {
			for _, backing := range s.Indices {
				add(c.indices[backing], nil, true)
			}
			continue
		}
		any := false
		for _, idx := range c.indices {
			if a, ok := idx.State().Aliases[name]; ok {
				any = true
				add(idx, a.Filter, len(a.Filter) == 0)
			}
		}
		if !any && !o.IgnoreMissing {
			if strings.HasPrefix(name, "_") {
				return nil, eserr.New(400, "invalid_index_name_exception", "Invalid index name [%s], must not start with '_', '-', or '+'", name).With("index", name).With("index_uuid", "_na_")
			}
			return nil, eserr.IndexNotFound(name)
		}
	}
	out := make([]Resolved, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[name])
	}
	return out, nil
}

func (c *Cluster) matching(pattern string, o Options) []*Index {
	var out []*Index
	for name, idx := range c.indices {
		hidden := idx.Setting("hidden") == "true" && !(strings.HasPrefix(pattern, ".") && strings.HasPrefix(name, "."))
		if mapping.Glob(pattern, name) && (o.Hidden || !hidden) && (o.Open && !idx.State().Closed || o.Closed && idx.State().Closed) {
			out = append(out, idx)
		}
	}
	return out
}

// splitExpression cuts at commas outside of date math's brackets.
func splitExpression(s string) []string {
	var out []string
	depth, start := 0, 0
	for i, r := range s {
		switch r {
		case '<':
			depth++
		case '>':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
	}
	return append(out, s[start:])
}

// dateMath resolves <logs-{now/d{yyyy.MM.dd|+02:00}}>.
func (c *Cluster) dateMath(name string) (string, error) {
	if !strings.HasPrefix(name, "<") || !strings.HasSuffix(name, ">") {
		return name, nil
	}
	bad := eserr.New(400, "parse_exception", "invalid dynamic name expression [%s]", name)
	var b strings.Builder
	s := name[1 : len(name)-1]
	for s != "" {
		open := strings.IndexByte(s, '{')
		if open < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:open])
		depth, end := 0, -1
		for i := open; i < len(s); i++ {
			if s[i] == '{' {
				depth++
			} else if s[i] == '}' {
				if depth--; depth == 0 {
					end = i
					break
				}
			}
		}
		if end < 0 {
			return "", bad
		}
		expr, format, zone := s[open+1:end], "yyyy.MM.dd", "Z"
		if i := strings.IndexByte(expr, '{'); i >= 0 {
			format = strings.TrimSuffix(expr[i+1:], "}")
			expr = expr[:i]
			if f, z, ok := strings.Cut(format, "|"); ok {
				format, zone = f, z
			}
		}
		loc, err := dates.Zone(zone)
		if err != nil {
			return "", bad
		}
		f, err := dates.Compile(format)
		if err != nil {
			return "", bad
		}
		t, err := dates.MustCompile(dates.Default).Math(expr, c.Now(), loc, false)
		if err != nil {
			return "", bad
		}
		b.WriteString(f.Print(t.In(loc)))
		s = s[end+1:]
	}
	return b.String(), nil
}

// ForWrite is the index that documents sent to a name go to; it is made where it does not exist and may be. create says
// that the operation is of type create, requireAlias and requireStream that the name must be one.
func (c *Cluster) ForWrite(name string, create, requireAlias, requireStream bool) (*Index, error) {
	c.mu.RLock()
	idx, err := c.forWrite(name, create, requireAlias, requireStream)
	c.mu.RUnlock()
	if idx != nil || err != nil {
		return idx, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if idx, err := c.forWrite(name, create, requireAlias, requireStream); idx != nil || err != nil {
		return idx, err
	}
	resolved, err := c.dateMath(name)
	if err != nil {
		return nil, err
	}
	if requireAlias {
		return nil, eserr.New(404, "index_not_found_exception", "no such index [%s] and [require_alias] request flag is [true] and [%s] is not an alias", name, name).With("index", name).With("index_uuid", "_na_")
	}
	if err := checkName(resolved); err != nil {
		return nil, err
	}
	auto := c.meta.Settings["action.auto_create_index"]
	tname, t := c.match(resolved)
	if auto == "false" && (t == nil || t.AllowAuto == nil || !*t.AllowAuto) || t != nil && t.AllowAuto != nil && !*t.AllowAuto {
		e := eserr.IndexNotFound(name)
		e.Reason += " and [action.auto_create_index] is [false]"
		return nil, e
	}
	if t != nil && t.DataStream != nil {
		if !create {
			return nil, eserr.Illegal("only write ops with an op_type of create are allowed in data streams")
		}
		if _, err := c.createStream(resolved, tname, t); err != nil {
			return nil, err
		}
		return c.forWrite(resolved, create, false, false)
	}
	if requireStream {
		return nil, eserr.New(404, "index_not_found_exception", "no such index [%s] and [require_data_stream] request flag is [true] and there is no index template with data_stream enabled", name).With("index", name)
	}
	return c.create(resolved, Body{}, "")
}

// forWrite is the existing index for a name; nil where nothing has the name. c.mu is held.
func (c *Cluster) forWrite(name string, create, requireAlias, requireStream bool) (*Index, error) {
	if strings.HasPrefix(name, "<") {
		var err error
		if name, err = c.dateMath(name); err != nil {
			return nil, err
		}
	}
	var idx *Index
	if s := c.meta.Streams[name]; s != nil && !requireAlias {
		if !create {
			return nil, eserr.Illegal("only write ops with an op_type of create are allowed in data streams")
		}
		idx = c.indices[s.Indices[len(s.Indices)-1]]
	} else if direct := c.indices[name]; direct != nil && !requireAlias && !requireStream {
		if idx = direct; direct.Stream != "" && create {
			return nil, eserr.Illegal("index request with op_type=create targeting backing indices is disallowed, target corresponding data stream [%s] instead", direct.Stream)
		}
	} else {
		var with []*Index
		for _, i := range c.indices {
			if a, ok := i.State().Aliases[name]; ok {
				with = append(with, i)
				if a.IsWriteIndex != nil && *a.IsWriteIndex {
					idx = i
				}
			}
		}
		if idx == nil && len(with) == 1 && (with[0].State().Aliases[name].IsWriteIndex == nil || *with[0].State().Aliases[name].IsWriteIndex) {
			idx = with[0]
		}
		if idx == nil && len(with) > 0 {
			return nil, eserr.Illegal("no write index is defined for alias [%s]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index", name)
		}
	}
	if idx == nil {
		return nil, nil
	}
	return idx, idx.writable()
}

// writable says why the index takes no documents.
func (i *Index) writable() error {
	block := func(id int, what, why string) error {
		return eserr.New(403, "cluster_block_exception", "index [%s] blocked by: [FORBIDDEN/%d/%s];", i.Name, id, why).With("index", i.Name)
	}
	switch {
	case i.State().Closed:
		return eserr.New(400, "index_closed_exception", "closed").With("index", i.Name).With("index_uuid", i.UUID)
	case i.Setting("blocks.read_only") == "true":
		return block(5, "read_only", "index read-only (api)")
	case i.Setting("blocks.write") == "true":
		return block(8, "write", "index write (api)")
	case i.Setting("blocks.read_only_allow_delete") == "true":
		return eserr.New(429, "cluster_block_exception", "index [%s] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];", i.Name).With("index", i.Name)
	}
	return nil
}

// ForDelete is the index that a deletion from a name goes to; nothing is made for it.
func (c *Cluster) ForDelete(name string) (*Index, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	idx, err := c.forWrite(name, false, false, false)
	if idx == nil && err == nil {
		return nil, eserr.IndexNotFound(name)
	}
	return idx, err
}

// Aliased are the indices that have an alias of exactly this name.
func (c *Cluster) Aliased(name string) []*Index {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []*Index
	for _, idx := range c.indices {
		if _, ok := idx.State().Aliases[name]; ok {
			out = append(out, idx)
		}
	}
	return out
}
