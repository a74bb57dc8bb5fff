// Package cluster keeps what a cluster knows of its indices: settings, mappings, aliases, templates, data streams and
// lifecycle policies, and turns names in requests into indices.
package cluster

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/mapping"
)

// Cluster is all of it. Methods are safe for concurrent use.
type Cluster struct {
	Name, NodeName, UUID string
	Store                *engine.Store
	// Now is the time that ages of indices and date math go by.
	Now func() time.Time

	dir     string
	durable bool
	log     *slog.Logger

	mu      sync.RWMutex
	indices map[string]*Index
	meta    meta
	dirty   map[*Index]bool
	saving  sync.Mutex
}

// meta is what is kept beside the indices.
type meta struct {
	UUID       string                 `json:"uuid"`
	Templates  map[string]*Template   `json:"templates"`
	Components map[string]*Component  `json:"components"`
	Policies   map[string]*Policy     `json:"policies"`
	Streams    map[string]*DataStream `json:"streams"`
	// Settings are the cluster's own, persistent ones.
	Settings map[string]string `json:"settings"`
	// ILMStopped is set by _ilm/stop.
	ILMStopped bool `json:"ilm_stopped"`
}

// Alias is one more name of an index.
type Alias struct {
	Filter       json.RawMessage `json:"filter,omitempty"`
	IsWriteIndex *bool           `json:"is_write_index,omitempty"`
	IsHidden     bool            `json:"is_hidden,omitempty"`
	Index        string          `json:"index_routing,omitempty"`
	Search       string          `json:"search_routing,omitempty"`
}

// Index is one index.
type Index struct {
	Name    string
	UUID    string
	Created time.Time
	// Stream is the data stream that the index backs; empty for others.
	Stream string
	Shard  *engine.Shard

	state atomic.Pointer[State]
}

// State is what of an index changes. A State never changes: change puts another in its place.
type State struct {
	// Settings are flat, "index.…", as texts or lists of texts.
	Settings map[string]any
	Aliases  map[string]Alias
	Closed   bool
	ILM      ILMState
}

// State is the index as it is now; it must not be changed.
func (i *Index) State() *State { return i.state.Load() }

// change replaces the state by a changed copy, whose maps are still the old ones: clone them first. The cluster's lock
// is held, so that no change is lost.
func (i *Index) change(fn func(*State)) {
	next := *i.state.Load()
	fn(&next)
	i.state.Store(&next)
}

// stored is an index as it is kept in a file.
type stored struct {
	Name     string           `json:"name"`
	UUID     string           `json:"uuid"`
	Created  time.Time        `json:"created"`
	Settings map[string]any   `json:"settings"`
	Aliases  map[string]Alias `json:"aliases"`
	Stream   string           `json:"stream,omitempty"`
	Closed   bool             `json:"closed,omitempty"`
	ILM      ILMState         `json:"ilm"`
	Mapping  map[string]any   `json:"mapping"`
}

// Open reads the cluster below a directory, or begins one.
func Open(dir string, store *engine.Store, durable bool, now func() time.Time, log *slog.Logger) (*Cluster, error) {
	c := &Cluster{Store: store, Now: now, dir: filepath.Join(dir, "meta"), durable: durable, log: log,
		indices: map[string]*Index{}, dirty: map[*Index]bool{}}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the cluster's state: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(c.dir, "cluster.json"))
	if err == nil {
		err = json.Unmarshal(data, &c.meta)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the cluster's state: %w", err)
	}
	c.meta.fill()
	if c.meta.UUID == "" {
		c.meta.UUID = NewUUID()
		c.builtin()
		if err := c.saveMeta(); err != nil {
			return nil, err
		}
	}
	c.UUID = c.meta.UUID
	files, err := filepath.Glob(filepath.Join(c.dir, "index-*.json"))
	if err != nil {
		return nil, fmt.Errorf("read the cluster's state: %w", err)
	}
	for _, file := range files {
		if err := c.openIndex(file); err != nil {
			return nil, err
		}
	}
	if err := store.DropUnknown(); err != nil {
		return nil, err
	}
	return c, c.Save()
}

func (m *meta) fill() {
	if m.Templates == nil {
		m.Templates = map[string]*Template{}
	}
	if m.Components == nil {
		m.Components = map[string]*Component{}
	}
	if m.Policies == nil {
		m.Policies = map[string]*Policy{}
	}
	if m.Streams == nil {
		m.Streams = map[string]*DataStream{}
	}
	if m.Settings == nil {
		m.Settings = map[string]string{}
	}
}

func (c *Cluster) openIndex(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read an index's state: %w", err)
	}
	var s stored
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	if err := dec.Decode(&s); err != nil {
		return fmt.Errorf("read the index's state %s: %w", file, err)
	}
	idx := &Index{Name: s.Name, UUID: s.UUID, Created: s.Created, Stream: s.Stream}
	if s.Aliases == nil {
		s.Aliases = map[string]Alias{}
	}
	idx.state.Store(&State{s.Settings, s.Aliases, s.Closed, s.ILM})
	limits, err := limitsOf(s.Settings)
	if err != nil {
		return fmt.Errorf("read the index's state %s: %w", file, err)
	}
	m, err := mapping.Empty(limits).Merge(s.Mapping)
	if err != nil {
		return fmt.Errorf("read the mapping in %s: %w", file, err)
	}
	if idx.Shard, err = c.Store.Shard(idx.UUID, m, func(*mapping.Mapping) { c.touch(idx) }); err != nil {
		return err
	}
	idx.Shard.SetRefreshInterval(idx.refreshInterval())
	c.indices[idx.Name] = idx
	return nil
}

// NewUUID is 22 random characters, as Elasticsearch's.
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// touch remembers that an index's state must be written before the next acknowledgement.
func (c *Cluster) touch(idx *Index) {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.dirty[idx] = true
}

// Save writes the state of indices that changed.
func (c *Cluster) Save() error {
	c.saving.Lock()
	defer c.saving.Unlock()
	for idx := range c.dirty {
		if err := c.saveIndex(idx); err != nil {
			return err
		}
		delete(c.dirty, idx)
	}
	return nil
}

func (c *Cluster) indexFile(idx *Index) string {
	return filepath.Join(c.dir, "index-"+idx.UUID+".json")
}

func (c *Cluster) saveIndex(idx *Index) error {
	st := idx.State()
	data, err := json.Marshal(stored{idx.Name, idx.UUID, idx.Created, st.Settings, st.Aliases, idx.Stream, st.Closed, st.ILM, idx.Shard.Mapping().JSON()})
	if err != nil {
		return fmt.Errorf("write the state of index %s: %w", idx.Name, err)
	}
	return engine.WriteFile(c.indexFile(idx), data, c.durable)
}

func (c *Cluster) saveMeta() error {
	data, err := json.Marshal(c.meta)
	if err != nil {
		return fmt.Errorf("write the cluster's state: %w", err)
	}
	return engine.WriteFile(filepath.Join(c.dir, "cluster.json"), data, c.durable)
}

// Index is an index by its own name; nil where there is none.
func (c *Cluster) Index(name string) *Index {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.indices[name]
}

// Setting is a setting's text without "index."; empty where it is not set.
func (i *Index) Setting(name string) string {
	v, ok := i.State().Settings["index."+name]
	if !ok || v == nil {
		return ""
	}
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}

// AutoID is an id for a document that came without one: 20 characters.
func AutoID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
