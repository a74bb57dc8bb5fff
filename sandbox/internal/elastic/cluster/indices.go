package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
)

// Create makes an index from a request's body and the template that fits its name.
func (c *Cluster) Create(name string, body Body) (*Index, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := checkName(name); err != nil {
		return nil, err
	}
	if tname, t := c.match(name); t != nil && t.DataStream != nil {
		return nil, eserr.Illegal("cannot create index with name [%s], because it matches with template [%s] that creates data streams only, use create data stream api instead", name, tname)
	}
	return c.create(name, body, "")
}

// create makes an index; c.mu is held.
func (c *Cluster) create(name string, body Body, stream string) (*Index, error) {
	if old := c.indices[name]; old != nil {
		return nil, eserr.New(400, "resource_already_exists_exception", "index [%s/%s] already exists", name, old.UUID).With("index", name).With("index_uuid", old.UUID)
	}
	if c.meta.Streams[name] != nil {
		return nil, eserr.New(400, "invalid_index_name_exception", "Invalid index name [%s], already exists as data stream", name).With("index", name).With("index_uuid", "_na_")
	}
	for _, idx := range c.indices {
		if _, taken := idx.State().Aliases[name]; taken {
			return nil, eserr.New(400, "invalid_index_name_exception", "Invalid index name [%s], already exists as alias", name).With("index", name).With("index_uuid", "_na_")
		}
	}
	match := name
	if stream != "" {
		match = stream
	}
	from := Body{}
	if tname, t := c.match(match); t != nil {
		var err error
		if from, err = c.compose(t, tname); err != nil {
			return nil, err
		}
	}
	settings := map[string]any{"index.number_of_shards": "1", "index.number_of_replicas": "1"}
	maps.Copy(settings, from.Settings)
	own := FlatSettings(body.Settings)
	if err := checkSettings(own, false); err != nil {
		return nil, err
	}
	for k, v := range own {
		if settings[k] = v; v == nil {
			delete(settings, k)
		}
	}
	now := c.Now()
	idx := &Index{Name: name, UUID: NewUUID(), Created: now, Stream: stream}
	aliases := map[string]Alias{}
	settings["index.provided_name"], settings["index.uuid"] = name, idx.UUID
	settings["index.creation_date"] = fmt.Sprint(now.UnixMilli())
	settings["index.version.created"] = "9039000"
	settings["index.routing.allocation.include._tier_preference"] = "data_content"
	if stream != "" {
		settings["index.hidden"] = "true"
		settings["index.routing.allocation.include._tier_preference"] = "data_hot"
	}
	for _, given := range []map[string]any{from.Aliases, body.Aliases} {
		for alias, v := range given {
			a, err := parseAlias(alias, v)
			if err != nil {
				return nil, err
			}
			if c.indices[alias] != nil {
				return nil, eserr.New(400, "invalid_alias_name_exception", "Invalid alias name [%s]: an index or data stream exists with the same name as the alias", alias)
			}
			aliases[strings.ReplaceAll(alias, "{index}", name)] = a
		}
	}
	idx.state.Store(&State{Settings: settings, Aliases: aliases})
	limits, err := limitsOf(settings)
	if err != nil {
		return nil, err
	}
	m := mapping.Empty(limits)
	for _, src := range []map[string]any{from.Mappings, body.Mappings} {
		if inner, ok := src["_doc"].(map[string]any); ok && len(src) == 1 {
			src = inner
		}
		if m, err = m.Merge(src); err != nil {
			return nil, mappingFailure(err)
		}
	}
	if stream != "" {
		stamp := m.Field("@timestamp")
		if stamp == nil {
			if m, err = m.Merge(map[string]any{"properties": map[string]any{"@timestamp": map[string]any{"type": "date"}}}); err != nil {
				return nil, err
			}
		} else if !stamp.IsDate() {
			return nil, eserr.Illegal("data stream timestamp field [@timestamp] is of type [%s], but [date,date_nanos] is expected", stamp.Type)
		}
		if m, err = m.Merge(map[string]any{"_data_stream_timestamp": map[string]any{"enabled": true}}); err != nil {
			return nil, err
		}
	}
	if idx.Shard, err = c.Store.Shard(idx.UUID, m, func(*mapping.Mapping) { c.touch(idx) }); err != nil {
		return nil, err
	}
	idx.Shard.SetRefreshInterval(idx.refreshInterval())
	if err := c.saveIndex(idx); err != nil {
		return nil, err
	}
	c.indices[name] = idx
	return idx, nil
}

// Delete removes indices.
func (c *Cluster) Delete(indices []*Index) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, idx := range indices {
		if s := c.meta.Streams[idx.Stream]; s != nil && len(s.Indices) > 0 && s.Indices[len(s.Indices)-1] == idx.Name {
			return eserr.Illegal("index [%s] is the write index for data stream [%s] and cannot be deleted", idx.Name, s.Name)
		}
	}
	for _, idx := range indices {
		if err := c.remove(idx); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes one index; c.mu is held.
func (c *Cluster) remove(idx *Index) error {
	delete(c.indices, idx.Name)
	if s := c.meta.Streams[idx.Stream]; s != nil {
		s.Indices = slices.DeleteFunc(s.Indices, func(n string) bool { return n == idx.Name })
		if err := c.saveMeta(); err != nil {
			return err
		}
	}
	c.saving.Lock()
	delete(c.dirty, idx)
	err := os.Remove(c.indexFile(idx))
	c.saving.Unlock()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete index %s: %w", idx.Name, err)
	}
	return c.Store.Drop(idx.UUID)
}

func parseAlias(name string, v any) (Alias, error) {
	var a Alias
	if err := checkName(name); err != nil && !strings.Contains(name, "{index}") {
		return a, eserr.New(400, "invalid_alias_name_exception", "Invalid alias name [%s]: must not contain the following characters or form", name)
	}
	obj, _ := v.(map[string]any)
	for key, value := range obj {
		switch key {
		case "filter":
			raw, err := json.Marshal(value)
			if err != nil {
				return a, fmt.Errorf("read the filter of alias %s: %w", name, err)
			}
			a.Filter = raw
		case "is_write_index":
			b := fmt.Sprint(value) == "true"
			a.IsWriteIndex = &b
		case "is_hidden":
			a.IsHidden = fmt.Sprint(value) == "true"
		case "routing", "index_routing", "search_routing":
			if key != "search_routing" {
				a.Index = fmt.Sprint(value)
			}
			if key != "index_routing" {
				a.Search = fmt.Sprint(value)
			}
		default:
			return a, eserr.Illegal("Unknown field [%s] in alias [%s]", key, name)
		}
	}
	return a, nil
}

// AliasAction is one action of the aliases API.
type AliasAction struct {
	// Kind is add, remove or remove_index.
	Kind             string
	Indices, Aliases []string
	Spec             map[string]any
	MustExist        *bool
}

// UpdateAliases does all the actions or none.
func (c *Cluster) UpdateAliases(actions []AliasAction) error {
	c.mu.Lock()
	changed := map[*Index]map[string]Alias{}
	var gone []*Index
	of := func(idx *Index) map[string]Alias {
		if changed[idx] == nil {
			changed[idx] = maps.Clone(idx.State().Aliases)
		}
		return changed[idx]
	}
	err := func() error {
		for _, a := range actions {
			list, err := c.resolve(strings.Join(a.Indices, ","), Options{Hidden: true, Closed: true, Open: true, AllowNone: true})
			if err != nil {
				return err
			}
			found := false
			for _, r := range list {
				idx := r.Index
				switch a.Kind {
				case "remove_index":
					gone = append(gone, idx)
					found = true
				case "add":
					for _, name := range a.Aliases {
						alias, err := parseAlias(name, a.Spec)
						if err != nil {
							return err
						}
						if c.indices[name] != nil {
							return eserr.New(400, "invalid_alias_name_exception", "Invalid alias name [%s]: an index or data stream exists with the same name as the alias", name)
						}
						of(idx)[name] = alias
						found = true
					}
				case "remove":
					for _, pattern := range a.Aliases {
						for name := range maps.Clone(of(idx)) {
							if mapping.Glob(pattern, name) {
								delete(of(idx), name)
								found = true
							}
						}
					}
				}
			}
			if !found && a.Kind == "remove" && (a.MustExist == nil || *a.MustExist) {
				return eserr.New(404, "aliases_not_found_exception", "aliases [%s] missing", strings.Join(a.Aliases, ",")).
					With("resource.type", "aliases").With("resource.id", strings.Join(a.Aliases, ","))
			}
		}
		// One write index an alias.
		writers := map[string][]string{}
		for _, idx := range c.indices {
			aliases := idx.State().Aliases
			if ch := changed[idx]; ch != nil {
				aliases = ch
			}
			for name, a := range aliases {
				if a.IsWriteIndex != nil && *a.IsWriteIndex {
					writers[name] = append(writers[name], idx.Name)
				}
			}
		}
		for name, w := range writers {
			if len(w) > 1 {
				slices.Sort(w)
				return eserr.New(500, "illegal_state_exception", "alias [%s] has more than one write index [%s]", name, strings.Join(w, ","))
			}
		}
		return nil
	}()
	if err == nil {
		for idx, aliases := range changed {
			idx.change(func(st *State) { st.Aliases = aliases })
			c.touch(idx)
		}
		for _, idx := range gone {
			if err = c.remove(idx); err != nil {
				break
			}
		}
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.Save()
}

// PutMapping extends the mappings of indices.
func (c *Cluster) PutMapping(indices []*Index, src map[string]any) error {
	for _, idx := range indices {
		err := idx.Shard.UpdateMapping(func(m *mapping.Mapping) (*mapping.Mapping, error) {
			out, err := m.Merge(src)
			if err != nil {
				err = mappingFailure(err)
			}
			return out, err
		})
		if err != nil {
			return err
		}
		c.touch(idx)
	}
	return c.Save()
}

// SetClosed closes or opens indices.
func (c *Cluster) SetClosed(indices []*Index, closed bool) error {
	c.mu.Lock()
	for _, idx := range indices {
		idx.change(func(st *State) { st.Closed = closed })
		c.touch(idx)
	}
	c.mu.Unlock()
	return c.Save()
}

// mappingFailure is an error of a mapping as requests answer it: what is wrong is the root cause.
func mappingFailure(err error) error {
	e := eserr.From(err)
	if e.Type != "mapper_parsing_exception" {
		return e
	}
	root := *e
	root.Reason = strings.TrimPrefix(e.Reason, "Failed to parse mapping: ")
	out := eserr.New(400, e.Type, "Failed to parse mapping: %s", root.Reason).CausedBy(&root)
	out.Root = []*eserr.Error{&root}
	return out
}
