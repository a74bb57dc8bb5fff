package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/eserr"
)

// DataStream is a series of hidden indices that is written to by one name.
type DataStream struct {
	Name       string   `json:"name"`
	Generation int      `json:"generation"`
	Indices    []string `json:"indices"`
	Template   string   `json:"template"`
	Hidden     bool     `json:"hidden,omitempty"`
}

// CreateStream makes a data stream from the template that fits.
func (c *Cluster) CreateStream(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := checkName(name); err != nil {
		return err
	}
	tname, t := c.match(name)
	if t == nil || t.DataStream == nil {
		return eserr.Illegal("no matching index template found for data stream [%s]", name)
	}
	_, err := c.createStream(name, tname, t)
	return err
}

func (c *Cluster) createStream(name, tname string, t *Template) (*DataStream, error) {
	if c.meta.Streams[name] != nil {
		return nil, eserr.New(400, "resource_already_exists_exception", "data_stream [%s] already exists", name)
	}
	for key := range t.DataStream {
		if key != "hidden" && key != "allow_custom_routing" {
			return nil, eserr.Unsupported("index template [%s] parameter [data_stream.%s]", tname, key)
		}
	}
	s := &DataStream{Name: name, Template: tname, Hidden: fmt.Sprint(t.DataStream["hidden"]) == "true"}
	if _, err := c.nextBacking(s); err != nil {
		return nil, err
	}
	c.meta.Streams[name] = s
	return s, c.saveMeta()
}

// nextBacking makes the stream's next index and its write index of it.
func (c *Cluster) nextBacking(s *DataStream) (*Index, error) {
	name := fmt.Sprintf(".ds-%s-%s-%06d", s.Name, c.Now().UTC().Format("2006.01.02"), s.Generation+1)
	idx, err := c.create(name, Body{}, s.Name)
	if err != nil {
		return nil, err
	}
	s.Generation++
	s.Indices = append(s.Indices, name)
	return idx, nil
}

// Streams are the data streams whose names fit a pattern.
func (c *Cluster) Streams(pattern string) []*DataStream {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := pick(c.meta.Streams, pattern)
	var out []*DataStream
	for _, name := range slices.Sorted(maps.Keys(found)) {
		copied := *found[name]
		copied.Indices = slices.Clone(copied.Indices)
		out = append(out, &copied)
	}
	return out
}

// DeleteStream removes data streams and their indices.
func (c *Cluster) DeleteStream(pattern string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := pick(c.meta.Streams, pattern)
	if len(found) == 0 && !strings.Contains(pattern, "*") {
		return eserr.IndexNotFound(pattern)
	}
	for name, s := range found {
		delete(c.meta.Streams, name)
		for _, backing := range slices.Clone(s.Indices) {
			if idx := c.indices[backing]; idx != nil {
				if err := c.remove(idx); err != nil {
					return err
				}
			}
		}
	}
	return c.saveMeta()
}
