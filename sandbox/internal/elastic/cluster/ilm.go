package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/eserr"
)

// Policy is a lifecycle policy as it was put, with its version.
type Policy struct {
	Version  int             `json:"version"`
	Modified time.Time       `json:"modified_date"`
	Policy   json.RawMessage `json:"policy"`
}

// ILMState is how far an index has come in its lifecycle.
type ILMState struct {
	Phase      string    `json:"phase,omitempty"`
	Action     string    `json:"action,omitempty"`
	Step       string    `json:"step,omitempty"`
	PhaseTime  time.Time `json:"phase_time,omitzero"`
	ActionTime time.Time `json:"action_time,omitzero"`
	StepTime   time.Time `json:"step_time,omitzero"`
	// Rolled is when the index was rolled over; ages count from then.
	Rolled time.Time `json:"rolled,omitzero"`
	// Error is what stopped the lifecycle, FailedStep where.
	Error      string `json:"error,omitempty"`
	FailedStep string `json:"failed_step,omitempty"`
	// Done are the actions of the phase that are done.
	Done []string `json:"done,omitempty"`
}

// ilmEvery is how often it is looked whether an index has come of age. Elasticsearch looks every ten minutes
// (indices.lifecycle.poll_interval); nothing but the moment depends on it.
const ilmEvery = time.Second

// RunILM carries lifecycles out until ctx ends.
func (c *Cluster) RunILM(ctx context.Context) {
	t := time.NewTicker(ilmEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := c.StepILM(); err != nil {
			c.log.Error("index lifecycle management failed", "err", err)
		}
	}
}

// StepILM does for every index whatever its policy says is due now.
func (c *Cluster) StepILM() error {
	c.mu.RLock()
	stopped := c.meta.ILMStopped
	var managed []*Index
	for _, idx := range c.indices {
		if idx.Setting("lifecycle.name") != "" {
			managed = append(managed, idx)
		}
	}
	c.mu.RUnlock()
	if stopped {
		return nil
	}
	slices.SortFunc(managed, func(a, b *Index) int { return strings.Compare(a.Name, b.Name) })
	for _, idx := range managed {
		if err := c.advance(idx); err != nil {
			return err
		}
	}
	return c.Save()
}

// Age is how old an index is for its lifecycle.
func (i *Index) Age(now time.Time) time.Duration {
	from := i.Created
	if rolled := i.State().ILM.Rolled; !rolled.IsZero() {
		from = rolled
	}
	if ms, err := strconv.ParseInt(i.Setting("lifecycle.origination_date"), 10, 64); err == nil && ms > 0 {
		from = time.UnixMilli(ms)
	}
	return now.Sub(from)
}

// advance moves an index through as many steps as are due.
func (c *Cluster) advance(idx *Index) error {
	c.mu.RLock()
	name := idx.Setting("lifecycle.name")
	policy := c.meta.Policies[name]
	state := idx.State().ILM
	c.mu.RUnlock()
	now := c.Now()
	set := func(s ILMState) {
		c.mu.Lock()
		idx.change(func(st *State) { st.ILM = s })
		c.mu.Unlock()
		c.touch(idx)
	}
	if state.FailedStep != "" {
		return nil // until it is retried
	}
	if policy == nil {
		if want := fmt.Sprintf("policy [%s] does not exist", name); state.Error != want {
			state.Error = want
			set(state)
		}
		return nil
	}
	list, err := readPhases(policy.Policy)
	if err != nil {
		return err
	}
	if state.Phase == "" || state.Error != "" {
		state.Error = ""
		state = enter(state, "new", now)
		set(state)
	}
	at := slices.IndexFunc(list, func(p phase) bool { return p.name == state.Phase })
	for {
		if at >= 0 {
			finished, err := c.actions(idx, list[at], &state, now, set)
			if err != nil || !finished {
				return err
			}
		}
		if at+1 >= len(list) || idx.Age(now) < list[at+1].minAge {
			return nil
		}
		at++
		state = enter(state, list[at].name, now)
		set(state)
	}
}

func enter(s ILMState, phase string, now time.Time) ILMState {
	s.Phase, s.PhaseTime, s.Done = phase, now, nil
	s.Action, s.ActionTime, s.Step, s.StepTime = "complete", now, "complete", now
	return s
}

// actions does a phase's actions in order; it is finished when all are done and the index is still there.
func (c *Cluster) actions(idx *Index, p phase, state *ILMState, now time.Time, set func(ILMState)) (bool, error) {
	var order []string
	for _, known := range phases {
		if known.name == p.name {
			order = known.actions
		}
	}
	for _, action := range order {
		src, ok := p.actions[action]
		if !ok || slices.Contains(state.Done, action) {
			continue
		}
		if state.Action != action {
			state.Action, state.ActionTime, state.Step, state.StepTime = action, now, action, now
			if action == "rollover" {
				state.Step = "check-rollover-ready"
			}
			set(*state)
		}
		done, err := c.act(idx, action, src, now)
		if err != nil {
			e := eserr.From(err)
			if e.Code() >= 500 {
				return false, err
			}
			state.FailedStep, state.Step, state.StepTime, state.Error = state.Step, "ERROR", now, e.Error()
			set(*state)
			return false, nil
		}
		if !done {
			return false, nil
		}
		if action == "delete" {
			return false, nil // there is nothing left to advance
		}
		c.mu.RLock()
		state.Rolled = idx.State().ILM.Rolled
		c.mu.RUnlock()
		state.Done = append(slices.Clone(state.Done), action)
		state.Action, state.ActionTime, state.Step, state.StepTime = "complete", now, "complete", now
		set(*state)
	}
	return true, nil
}

func (c *Cluster) act(idx *Index, action string, src map[string]any, now time.Time) (bool, error) {
	setting := func(m map[string]any) (bool, error) {
		return true, c.UpdateSettings([]*Index{idx}, m, false)
	}
	switch action {
	case "set_priority":
		return setting(map[string]any{"index.priority": src["priority"]})
	case "readonly":
		return setting(map[string]any{"index.blocks.write": true})
	case "allocate":
		if n, ok := src["number_of_replicas"]; ok {
			return setting(map[string]any{"index.number_of_replicas": n})
		}
		return true, nil
	case "migrate", "freeze":
		return true, nil // one node, one tier
	case "forcemerge":
		return true, idx.Shard.ForceMerge()
	case "delete":
		return true, c.retire(idx)
	case "rollover":
		if idx.Setting("lifecycle.indexing_complete") == "true" {
			return true, nil
		}
		cond, err := readConditions(src)
		if err != nil {
			return false, err
		}
		name := idx.Setting("lifecycle.rollover_alias")
		if idx.Stream != "" {
			name = idx.Stream
		}
		if name == "" {
			return false, eserr.Illegal("setting [index.lifecycle.rollover_alias] for index [%s] is empty or not defined", idx.Name)
		}
		c.mu.RLock()
		rolled := !idx.State().ILM.Rolled.IsZero()
		c.mu.RUnlock()
		if rolled {
			return true, nil
		}
		st := idx.Shard.Stats()
		if _, due := cond.met(now.Sub(idx.Created), int64(st.Docs), st.Bytes); !due || st.Docs == 0 {
			return false, nil
		}
		_, err = c.Rollover(name, "", Body{}, nil, false)
		return err == nil, err
	}
	return true, nil
}

// retire deletes an index whose time has come. The write index of a data stream is rolled over first.
func (c *Cluster) retire(idx *Index) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.meta.Streams[idx.Stream]; s != nil && s.Indices[len(s.Indices)-1] == idx.Name {
		if _, err := c.nextBacking(s); err != nil {
			return err
		}
		if err := c.saveMeta(); err != nil {
			return err
		}
	}
	return c.remove(idx)
}

// RolloverResult is what a rollover did.
type RolloverResult struct {
	Old, New   string
	Rolled     bool
	Conditions map[string]bool
}

var counter = regexp.MustCompile(`^(.*)-(\d+)$`)

// Rollover makes a new write index for an alias or a data stream where the conditions (nil: none) are met.
func (c *Cluster) Rollover(name, newName string, body Body, conds map[string]any, dryRun bool) (*RolloverResult, error) {
	cond, err := readConditions(conds)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	res := &RolloverResult{}
	s := c.meta.Streams[name]
	var old *Index
	if s != nil {
		if newName != "" {
			c.mu.Unlock()
			return nil, eserr.Illegal("new index name may not be specified when rolling over a data stream")
		}
		old = c.indices[s.Indices[len(s.Indices)-1]]
		res.New = fmt.Sprintf(".ds-%s-%s-%06d", s.Name, c.Now().UTC().Format("2006.01.02"), s.Generation+1)
	} else {
		if c.indices[name] != nil {
			c.mu.Unlock()
			return nil, eserr.Illegal("rollover target is a [concrete index] but one of [alias,data_stream] was expected")
		}
		if old, err = c.forWrite(name, false, true, false); err != nil || old == nil {
			c.mu.Unlock()
			if err == nil {
				err = eserr.Illegal("rollover target [%s] does not exist", name)
			}
			return nil, err
		}
		if res.New = newName; newName == "" {
			m := counter.FindStringSubmatch(old.Name)
			if m == nil {
				c.mu.Unlock()
				return nil, eserr.Illegal("index name [%s] does not match pattern '^.*-\\d+$'", old.Name)
			}
			n, _ := strconv.Atoi(m[2])
			res.New = fmt.Sprintf("%s-%06d", m[1], n+1)
		}
	}
	res.Old = old.Name
	c.mu.Unlock()
	if err := old.Shard.Refresh(); err != nil {
		return nil, err
	}
	st := old.Shard.Stats()
	due := false
	res.Conditions, due = cond.met(c.Now().Sub(old.Created), int64(st.Docs), st.Bytes)
	if dryRun || len(conds) > 0 && !due {
		return res, nil
	}
	c.mu.Lock()
	err = c.roll(name, s, old, res, body)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	res.Rolled = true
	return res, c.Save()
}

// roll makes the new index and points the name at it; c.mu is held.
func (c *Cluster) roll(name string, s *DataStream, old *Index, res *RolloverResult, body Body) error {
	if s != nil {
		next, err := c.nextBacking(s)
		if err != nil {
			return err
		}
		res.New = next.Name
		if err := c.saveMeta(); err != nil {
			return err
		}
	} else {
		next, err := c.create(res.New, body, "")
		if err != nil {
			return err
		}
		alias := old.State().Aliases[name]
		yes, no := true, false
		nextAliases, oldAliases := maps.Clone(next.State().Aliases), maps.Clone(old.State().Aliases)
		if alias.IsWriteIndex != nil && *alias.IsWriteIndex {
			was := alias
			was.IsWriteIndex = &no
			oldAliases[name] = was
			alias.IsWriteIndex = &yes
		} else {
			delete(oldAliases, name)
		}
		nextAliases[name] = alias
		next.change(func(st *State) { st.Aliases = nextAliases })
		old.change(func(st *State) { st.Aliases = oldAliases })
		c.touch(next)
	}
	old.change(func(st *State) { st.ILM.Rolled = c.Now() })
	c.touch(old)
	return nil
}

// Retry lets a lifecycle that failed go on.
func (c *Cluster) Retry(indices []*Index) error {
	c.mu.Lock()
	for _, idx := range indices {
		if idx.State().ILM.FailedStep == "" {
			c.mu.Unlock()
			return eserr.Illegal("cannot retry an action for an index [%s] that has not encountered an error when running a Lifecycle Policy", idx.Name)
		}
		idx.change(func(st *State) { st.ILM.Step, st.ILM.FailedStep, st.ILM.Error = st.ILM.FailedStep, "", "" })
		c.touch(idx)
	}
	c.mu.Unlock()
	return c.Save()
}

// Unmanage takes the policy away from indices.
func (c *Cluster) Unmanage(indices []*Index) error {
	c.mu.Lock()
	for _, idx := range indices {
		settings := maps.Clone(idx.State().Settings)
		delete(settings, "index.lifecycle.name")
		delete(settings, "index.lifecycle.rollover_alias")
		idx.change(func(st *State) { st.Settings, st.ILM = settings, ILMState{} })
		c.touch(idx)
	}
	c.mu.Unlock()
	return c.Save()
}
