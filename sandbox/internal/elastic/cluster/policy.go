package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/dates"
	"obsandbox/sandbox/internal/elastic/eserr"
)

// phases in the order an index goes through them, with the actions each may have, in the order they are done.
var phases = []struct {
	name    string
	actions []string
}{
	{"hot", []string{"set_priority", "unfollow", "rollover", "readonly", "downsample", "shrink", "forcemerge", "searchable_snapshot"}},
	{"warm", []string{"set_priority", "unfollow", "readonly", "downsample", "allocate", "migrate", "shrink", "forcemerge"}},
	{"cold", []string{"set_priority", "unfollow", "readonly", "downsample", "searchable_snapshot", "allocate", "migrate", "freeze"}},
	{"frozen", []string{"unfollow", "searchable_snapshot"}},
	{"delete", []string{"wait_for_snapshot", "delete"}},
}

// unsupportedActions need what a single node without repositories has not.
const unsupportedActions = " downsample shrink searchable_snapshot wait_for_snapshot unfollow "

// phase is a phase of a policy, read.
type phase struct {
	name    string
	minAge  time.Duration
	given   string // minAge as it was written
	actions map[string]map[string]any
}

// conditions of a rollover.
type conditions struct {
	maxAge, minAge   time.Duration
	maxDocs, minDocs int64
	maxSize, minSize int64
	// shard sizes: an index has one shard's worth of data here
	maxShard, minShard         int64
	maxShardDocs, minShardDocs int64
	given                      map[string]any
}

func readPhases(raw json.RawMessage) ([]phase, error) {
	var p struct {
		Phases map[string]struct {
			MinAge  any                       `json:"min_age"`
			Actions map[string]map[string]any `json:"actions"`
		} `json:"phases"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, eserr.Illegal("read a lifecycle policy: %s", err)
	}
	// Twice, because the policy itself may have keys that are not read here, and a phase may not.
	var strict struct {
		Phases map[string]map[string]json.RawMessage `json:"phases"`
	}
	if err := json.Unmarshal(raw, &strict); err != nil {
		return nil, eserr.Illegal("read a lifecycle policy: %s", err)
	}
	for _, name := range slices.Sorted(maps.Keys(strict.Phases)) {
		for _, key := range slices.Sorted(maps.Keys(strict.Phases[name])) {
			if key != "min_age" && key != "actions" {
				return nil, eserr.XContent(1, 1, "[phase] unknown field [%s]", key)
			}
		}
	}
	var out []phase
	for _, known := range phases {
		src, ok := p.Phases[known.name]
		if !ok {
			continue
		}
		ph := phase{name: known.name, actions: src.Actions}
		if src.MinAge != nil {
			d, err := dates.Duration(fmt.Sprint(src.MinAge))
			if err != nil {
				return nil, eserr.Illegal("failed to parse setting [min_age] with value [%v] as a time value: unit is missing or unrecognized", src.MinAge)
			}
			ph.minAge, ph.given = d, fmt.Sprint(src.MinAge)
		}
		for _, action := range slices.Sorted(maps.Keys(src.Actions)) {
			if !slices.Contains(known.actions, action) {
				return nil, eserr.Illegal("invalid action [%s] defined in phase [%s]", action, known.name)
			}
			if strings.Contains(unsupportedActions, " "+action+" ") {
				return nil, eserr.Unsupported("lifecycle action [%s] in phase [%s]", action, known.name)
			}
			if err := checkAction(action, src.Actions[action]); err != nil {
				return nil, err
			}
		}
		out = append(out, ph)
	}
	for name := range p.Phases {
		if !slices.ContainsFunc(out, func(ph phase) bool { return ph.name == name }) {
			return nil, eserr.Illegal("Timeseries lifecycle does not support phase [%s]", name)
		}
	}
	if len(out) > 0 && out[len(out)-1].name == "delete" && len(out[len(out)-1].actions) == 0 {
		return nil, eserr.Illegal("phase [delete] must define actions")
	}
	return out, nil
}

// needRollover are actions that end the writing to an index, in the order in which Elasticsearch names them.
var needRollover = []string{"readonly", "downsample", "shrink", "forcemerge", "searchable_snapshot"}

// checkOrder says of phases what makes sense for none of them alone.
func checkOrder(given []phase) error {
	if len(given) > 0 && given[0].name == "hot" && given[0].actions["rollover"] == nil {
		var ending []string
		for _, action := range needRollover {
			if _, ok := given[0].actions[action]; ok {
				ending = append(ending, action)
			}
		}
		if len(ending) > 0 {
			return eserr.Illegal("the [%s] action(s) may not be used in the [hot] phase without an accompanying [rollover] action", strings.Join(ending, ", "))
		}
	}
	var faults []string
	told := map[string]bool{}
	for i, p := range given {
		if p.minAge == 0 || told[p.name] {
			continue
		}
		var early []string
		for _, later := range given[i+1:] {
			if later.minAge != 0 && later.minAge < p.minAge {
				told[later.name] = true
				early = append(early, fmt.Sprintf("the %s phase (min_age: %s)", later.name, later.given))
			}
		}
		if len(early) == 0 {
			continue
		}
		list := early[len(early)-1]
		if rest := early[:len(early)-1]; len(rest) > 0 {
			list = strings.Join(rest, ", ") + " and " + list
		}
		faults = append(faults, fmt.Sprintf("Your policy is configured to run %s before the %s phase (min_age: %s). You should change the phase timing so that the phases will execute in the order of hot, warm, then cold.", list, p.name, p.given))
	}
	if len(faults) > 0 {
		return eserr.New(400, "action_request_validation_exception", "Validation Failed: 1: %s;", strings.Join(faults, ","))
	}
	return nil
}

// ReadConditions reads a rollover's conditions.
func readConditions(src map[string]any) (conditions, error) {
	c := conditions{given: src}
	for key, v := range src {
		text := fmt.Sprint(v)
		var err error
		switch key {
		case "max_age", "min_age":
			var d time.Duration
			if d, err = dates.Duration(text); key == "max_age" {
				c.maxAge = d
			} else {
				c.minAge = d
			}
		case "max_docs", "min_docs", "max_primary_shard_docs", "min_primary_shard_docs":
			var n float64
			n, err = strconv.ParseFloat(text, 64)
			*map[string]*int64{"max_docs": &c.maxDocs, "min_docs": &c.minDocs, "max_primary_shard_docs": &c.maxShardDocs, "min_primary_shard_docs": &c.minShardDocs}[key] = int64(n)
		case "max_size", "min_size", "max_primary_shard_size", "min_primary_shard_size":
			*map[string]*int64{"max_size": &c.maxSize, "min_size": &c.minSize, "max_primary_shard_size": &c.maxShard, "min_primary_shard_size": &c.minShard}[key], err = parseSize(text)
		default:
			return c, eserr.Illegal("unknown rollover condition [%s]", key)
		}
		if err != nil {
			return c, eserr.Illegal("failed to parse [%s] with value [%s]: %s", key, text, err)
		}
	}
	return c, nil
}

func parseSize(text string) (int64, error) {
	lower := strings.ToLower(text)
	for _, u := range []struct {
		suffix string
		unit   float64
	}{{"pb", 1 << 50}, {"tb", 1 << 40}, {"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}, {"b", 1}} {
		if n, ok := strings.CutSuffix(lower, u.suffix); ok {
			v, err := strconv.ParseFloat(n, 64)
			return int64(v * u.unit), err
		}
	}
	return 0, fmt.Errorf("unit is missing or unrecognized")
}

// met says for each condition whether it is met, and whether the index is to be rolled over.
func (c conditions) met(age time.Duration, docs, size int64) (map[string]bool, bool) {
	out := map[string]bool{}
	anyMax, max, min := false, false, true
	for key, v := range c.given {
		name := fmt.Sprintf("[%s: %v]", key, v)
		ok := false
		switch key {
		case "max_age":
			ok = age >= c.maxAge
		case "min_age":
			ok = age >= c.minAge
		case "max_docs":
			ok = docs >= c.maxDocs
		case "min_docs":
			ok = docs >= c.minDocs
		case "max_primary_shard_docs":
			ok = docs >= c.maxShardDocs
		case "min_primary_shard_docs":
			ok = docs >= c.minShardDocs
		case "max_size":
			ok = size >= c.maxSize
		case "min_size":
			ok = size >= c.minSize
		case "max_primary_shard_size":
			ok = size >= c.maxShard
		case "min_primary_shard_size":
			ok = size >= c.minShard
		}
		out[name] = ok
		if strings.HasPrefix(key, "max_") {
			anyMax, max = true, max || ok
		} else {
			min = min && ok
		}
	}
	return out, min && (max || !anyMax)
}

// PutPolicy adds or replaces a lifecycle policy.
func (c *Cluster) PutPolicy(name string, policy json.RawMessage) error {
	ph, err := readPhases(policy)
	if err != nil {
		return err
	}
	if err := checkOrder(ph); err != nil {
		return err
	}
	for _, p := range ph {
		if src, ok := p.actions["rollover"]; ok {
			cond, err := readConditions(src)
			if err != nil {
				return err
			}
			has := false
			for key := range cond.given {
				has = has || strings.HasPrefix(key, "max_")
			}
			if !has {
				return eserr.Illegal("At least one max_* rollover condition must be set when using min_* conditions.")
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	version := 1
	if old := c.meta.Policies[name]; old != nil {
		version = old.Version + 1
	}
	c.meta.Policies[name] = &Policy{Version: version, Modified: c.Now().UTC(), Policy: policy}
	return c.saveMeta()
}

// Policies are the policies whose names fit a pattern.
func (c *Cluster) Policies(pattern string) map[string]*Policy {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return pick(c.meta.Policies, pattern)
}

// Users are the indices and data streams that use a policy.
func (c *Cluster) Users(policy string) (indices, streams, templates []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	indices, streams, templates = []string{}, []string{}, []string{}
	for _, idx := range c.indices {
		if idx.Setting("lifecycle.name") == policy {
			indices = append(indices, idx.Name)
			if idx.Stream != "" && !slices.Contains(streams, idx.Stream) {
				streams = append(streams, idx.Stream)
			}
		}
	}
	for name, t := range c.meta.Templates {
		if b, err := c.compose(t, name); err == nil && b.Settings["index.lifecycle.name"] == policy {
			templates = append(templates, name)
		}
	}
	slices.Sort(indices)
	slices.Sort(streams)
	slices.Sort(templates)
	return indices, streams, templates
}

// DeletePolicy removes a policy that no index uses.
func (c *Cluster) DeletePolicy(name string) error {
	indices, _, _ := c.Users(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.meta.Policies[name] == nil {
		return eserr.New(404, "resource_not_found_exception", "Lifecycle policy not found: %s", name)
	}
	if len(indices) > 0 {
		return eserr.Illegal("Cannot delete policy [%s]. It is in use by one or more indices: [%s]", name, strings.Join(indices, ", "))
	}
	delete(c.meta.Policies, name)
	return c.saveMeta()
}

// StopILM stops or starts the lifecycle; Stopped says which.
func (c *Cluster) StopILM(stop bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meta.ILMStopped = stop
	return c.saveMeta()
}

// Stopped says whether the lifecycle was stopped.
func (c *Cluster) Stopped() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.meta.ILMStopped
}
