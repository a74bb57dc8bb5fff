package elastic

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/eserr"
)

func (s *server) ilmRoutes() {
	s.on("PUT /_ilm/policy/{name}", masterParams, (*request).putPolicy)
	s.on("GET /_ilm/policy", masterParams, (*request).getPolicy)
	s.on("GET /_ilm/policy/{name}", masterParams, (*request).getPolicy)
	s.on("DELETE /_ilm/policy/{name}", masterParams, func(r *request) (any, error) {
		return acknowledged(), r.s.c.DeletePolicy(r.vars["name"])
	})
	s.on("GET /{index}/_ilm/explain", masterParams+"only_managed only_errors", (*request).explainILM)
	s.on("POST /{index}/_ilm/retry", masterParams, (*request).retryILM)
	s.on("POST /{index}/_ilm/remove", masterParams, (*request).removeILM)
	s.on("POST /_ilm/start", masterParams, func(r *request) (any, error) { return acknowledged(), r.s.c.StopILM(false) })
	s.on("POST /_ilm/stop", masterParams, func(r *request) (any, error) { return acknowledged(), r.s.c.StopILM(true) })
	s.on("GET /_ilm/status", masterParams, func(r *request) (any, error) {
		mode := "RUNNING"
		if r.s.c.Stopped() {
			mode = "STOPPED"
		}
		return map[string]any{"operation_mode": mode}, nil
	})
	rollover := masterParams + "dry_run wait_for_active_shards lazy"
	s.on("POST /{index}/_rollover", rollover, (*request).rollover)
	s.on("POST /{index}/_rollover/{new}", rollover, (*request).rollover)
}

func (r *request) putPolicy() (any, error) {
	var body struct {
		Policy json.RawMessage `json:"policy"`
	}
	if err := r.strict("put_lifecycle_request", &body); err != nil {
		return nil, err
	}
	var policy struct {
		Phases     map[string]json.RawMessage `json:"phases"`
		Meta       json.RawMessage            `json:"_meta"`
		Deprecated *bool                      `json:"deprecated"`
	}
	dec := json.NewDecoder(strings.NewReader(string(body.Policy)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&policy); err != nil {
		return nil, eserr.XContent(1, 1, "[put_lifecycle_request] failed to parse field [policy]: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if policy.Phases == nil {
		return nil, eserr.XContent(1, 1, "[put_lifecycle_request] failed to parse field [policy]: Required [phases]")
	}
	if err := r.s.c.PutPolicy(r.vars["name"], body.Policy); err != nil {
		return nil, err
	}
	return acknowledged(), nil
}

// stamp prints a time as Elasticsearch prints dates.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (r *request) getPolicy() (any, error) {
	name := r.vars["name"]
	found := r.s.c.Policies(name)
	if len(found) == 0 && name != "" && !strings.Contains(name, "*") {
		return nil, eserr.New(404, "resource_not_found_exception", "Lifecycle policy not found: %s", name)
	}
	out := map[string]any{}
	for name, p := range found {
		var policy map[string]any
		if err := json.Unmarshal(p.Policy, &policy); err != nil {
			return nil, fmt.Errorf("read the policy %s: %w", name, err)
		}
		phases, _ := policy["phases"].(map[string]any)
		for _, ph := range phases {
			obj, _ := ph.(map[string]any)
			if obj["min_age"] == nil {
				obj["min_age"] = "0ms"
			}
			if obj["actions"] == nil {
				obj["actions"] = map[string]any{}
			}
			actions, _ := obj["actions"].(map[string]any)
			if del, ok := actions["delete"].(map[string]any); ok && del["delete_searchable_snapshot"] == nil {
				del["delete_searchable_snapshot"] = true
			}
		}
		indices, streams, templates := r.s.c.Users(name)
		out[name] = map[string]any{"version": p.Version, "modified_date": stamp(p.Modified), "policy": policy,
			"in_use_by": map[string]any{"indices": indices, "data_streams": streams, "composable_templates": templates}}
	}
	return out, nil
}

func (r *request) explainILM() (any, error) {
	list, err := r.resolve(cluster.Options{Open: true, Closed: true, Hidden: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	onlyManaged, err := r.flag("only_managed", false)
	if err != nil {
		return nil, err
	}
	onlyErrors, err := r.flag("only_errors", false)
	if err != nil {
		return nil, err
	}
	now := r.s.c.Now()
	out := map[string]any{}
	for _, res := range list {
		idx := res.Index
		policy := idx.Setting("lifecycle.name")
		if policy == "" {
			if !onlyManaged && !onlyErrors {
				out[idx.Name] = map[string]any{"index": idx.Name, "managed": false}
			}
			continue
		}
		st := idx.State().ILM
		if onlyErrors && st.Error == "" {
			continue
		}
		obj := map[string]any{"index": idx.Name, "managed": true, "policy": policy, "index_creation_date_millis": idx.Created.UnixMilli(),
			"time_since_index_creation": age(now.Sub(idx.Created))}
		if st.Phase != "" {
			from := idx.Created
			if !st.Rolled.IsZero() {
				from = st.Rolled
			}
			obj["lifecycle_date_millis"], obj["age"] = from.UnixMilli(), age(idx.Age(now))
			obj["phase"], obj["phase_time_millis"] = st.Phase, st.PhaseTime.UnixMilli()
			obj["action"], obj["action_time_millis"] = st.Action, st.ActionTime.UnixMilli()
			obj["step"], obj["step_time_millis"] = st.Step, st.StepTime.UnixMilli()
		}
		if st.Error != "" {
			obj["step_info"] = map[string]any{"type": "illegal_argument_exception", "reason": st.Error}
			if st.FailedStep != "" {
				obj["failed_step"], obj["step"] = st.FailedStep, "ERROR"
			}
		}
		out[idx.Name] = obj
	}
	return map[string]any{"indices": out}, nil
}

// age prints a duration as Elasticsearch does: in the largest unit, with two digits.
func age(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= u.unit {
			text := fmt.Sprintf("%.2f", float64(d)/float64(u.unit))
			return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + u.name
		}
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}

func (r *request) retryILM() (any, error) {
	list, err := r.resolve(cluster.Options{Open: true, Closed: true, Hidden: true})
	if err != nil {
		return nil, err
	}
	return acknowledged(), r.s.c.Retry(indicesOf(list))
}

func (r *request) removeILM() (any, error) {
	list, err := r.resolve(cluster.Options{Open: true, Closed: true, Hidden: true})
	if err != nil {
		return nil, err
	}
	if err := r.s.c.Unmanage(indicesOf(list)); err != nil {
		return nil, err
	}
	return map[string]any{"has_failures": false, "failed_indexes": []any{}}, nil
}

func (r *request) rollover() (any, error) {
	m := map[string]any{}
	if len(r.body) > 0 {
		var err error
		if m, err = r.object(); err != nil {
			return nil, err
		}
	}
	conds, _ := m["conditions"].(map[string]any)
	delete(m, "conditions")
	body, err := parseBody(m, "")
	if err != nil {
		return nil, err
	}
	dry, err := r.flag("dry_run", false)
	if err != nil {
		return nil, err
	}
	res, err := r.s.c.Rollover(r.vars["index"], r.vars["new"], body, conds, dry)
	if err != nil {
		return nil, err
	}
	met := map[string]any{}
	for k, v := range res.Conditions {
		met[k] = v
	}
	return map[string]any{"acknowledged": res.Rolled, "shards_acknowledged": res.Rolled, "old_index": res.Old, "new_index": res.New,
		"rolled_over": res.Rolled, "dry_run": dry, "lazy": false, "conditions": met}, nil
}
