package preview

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kind of a change.
type Kind string

// The kinds.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Moved   Kind = "moved"
	Changed Kind = "changed"
)

// Change is what is different about one panel, or about a dashboard where Panel is empty.
type Change struct {
	Kind Kind
	// UID and Board name the dashboard, Panel is the panel's title (its new one), Was its title before.
	UID, Board, Panel, Was string
	// Lines are a diff: each begins with "- ", "+ " or "  ".
	Lines []string
	// Before and After are the places of the panel in the two versions of the dashboard, counted from 0; -1 for none.
	Before, After int
}

// panel is a panel as a tree of JSON, and as what is compared.
type panel struct {
	title string
	pos   position
	facts map[string]string
}

type position struct{ X, Y, W, H int }

func (p position) String() string {
	return fmt.Sprintf("column %d, row %d, %d wide, %d high", p.X, p.Y, p.W, p.H)
}

// Compare lists what differs between two versions, dashboard by dashboard, panels in their order.
func Compare(base, head []Board) ([]Change, error) {
	base, head = slices.Clone(base), slices.Clone(head)
	order(base)
	order(head)
	var all []Change
	find := func(in []Board, uid string) *Board {
		if i := slices.IndexFunc(in, func(b Board) bool { return b.UID == uid }); i >= 0 {
			return &in[i]
		}
		return nil
	}
	for _, h := range head {
		b := find(base, h.UID)
		if b == nil {
			all = append(all, Change{Kind: Added, UID: h.UID, Board: h.Title, Before: -1, After: -1})
			continue
		}
		changes, err := compareBoards(*b, h)
		if err != nil {
			return nil, err
		}
		all = append(all, changes...)
	}
	for _, b := range base {
		if find(head, b.UID) == nil {
			all = append(all, Change{Kind: Removed, UID: b.UID, Board: b.Title, Before: -1, After: -1})
		}
	}
	return all, nil
}

func compareBoards(base, head Board) ([]Change, error) {
	baseFacts, basePanels, err := read(base)
	if err != nil {
		return nil, err
	}
	headFacts, headPanels, err := read(head)
	if err != nil {
		return nil, err
	}
	change := Change{UID: head.UID, Board: head.Title, Before: -1, After: -1}
	var all []Change
	if lines := diff(baseFacts, headFacts); len(lines) > 0 {
		change.Kind, change.Lines = Changed, lines
		all = append(all, change)
		change.Lines = nil
	}
	partner := match(basePanels, headPanels)
	for i, p := range headPanels {
		change.Panel, change.Was, change.After, change.Before, change.Lines = p.title, "", i, partner[i], nil
		if partner[i] < 0 {
			change.Kind, change.Lines = Added, diff(nil, p.facts)
			all = append(all, change)
			continue
		}
		old := basePanels[partner[i]]
		if old.title != p.title {
			change.Was = old.title
		}
		if lines := diff(old.facts, p.facts); len(lines) > 0 {
			change.Kind, change.Lines = Changed, lines
			if old.pos != p.pos {
				change.Lines = append(change.Lines, "- place: "+old.pos.String(), "+ place: "+p.pos.String())
			}
			all = append(all, change)
		} else if old.pos != p.pos {
			change.Kind, change.Lines = Moved, []string{"- place: " + old.pos.String(), "+ place: " + p.pos.String()}
			all = append(all, change)
		}
	}
	for i, p := range basePanels {
		if !slices.Contains(partner, i) {
			change.Kind, change.Panel, change.Was, change.Before, change.After, change.Lines = Removed, p.title, "", i, -1, nil
			all = append(all, change)
		}
	}
	return all, nil
}

// match finds each head panel's former self: the one of its title, else the one that asks the same, else the one in its
// place that has no other partner. -1 is none.
func match(base, head []panel) []int {
	partner := make([]int, len(head))
	taken := map[int]bool{}
	for i := range partner {
		partner[i] = -1
	}
	for _, same := range []func(b, h panel) bool{
		func(b, h panel) bool { return b.title == h.title },
		func(b, h panel) bool { return queries(b) != "" && queries(b) == queries(h) },
		func(b, h panel) bool { return b.pos == h.pos && b.facts["type"] == h.facts["type"] },
	} {
		for i, h := range head {
			for j, b := range base {
				if partner[i] < 0 && !taken[j] && same(b, h) {
					partner[i], taken[j] = j, true
				}
			}
		}
	}
	return partner
}

func queries(p panel) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(p.facts)) {
		if strings.HasPrefix(key, "query ") && strings.Count(key, " ") == 1 {
			all = append(all, p.facts[key])
		}
	}
	return strings.Join(all, "\n")
}

// read takes a dashboard apart.
func read(b Board) (map[string]string, []panel, error) {
	var root map[string]any
	if err := json.Unmarshal(inner(b.Data), &root); err != nil {
		return nil, nil, fmt.Errorf("compare dashboards: %s: %w", b.File, err)
	}
	var panels []panel
	var collect func(list any)
	collect = func(list any) {
		items, _ := list.([]any)
		for _, item := range items {
			node, _ := item.(map[string]any)
			if node["type"] == "row" {
				collect(node["panels"])
				continue
			}
			panels = append(panels, readPanel(node))
		}
	}
	collect(root["panels"])
	for _, key := range []string{"panels", "id", "version", "iteration"} {
		delete(root, key)
	}
	facts := map[string]string{}
	flatten(facts, "", root)
	return facts, panels, nil
}

func readPanel(node map[string]any) panel {
	p := panel{facts: map[string]string{}}
	p.title, _ = node["title"].(string)
	grid, _ := node["gridPos"].(map[string]any)
	at := func(key string) int { n, _ := grid[key].(float64); return int(n) }
	p.pos = position{at("x"), at("y"), at("w"), at("h")}
	targets, _ := node["targets"].([]any)
	for i, t := range targets {
		target, _ := t.(map[string]any)
		ref, _ := target["refId"].(string)
		if ref == "" {
			ref = strconv.Itoa(i + 1)
		}
		name := "query " + ref
		for _, key := range []string{"expr", "query"} {
			if text, ok := target[key].(string); ok {
				p.facts[name] = text
				delete(target, key)
			}
		}
		delete(target, "refId")
		flatten(p.facts, name, target)
	}
	if steps, ok := dig(node, "fieldConfig", "defaults", "thresholds", "steps").([]any); ok {
		var words []string
		for _, s := range steps {
			step, _ := s.(map[string]any)
			if v, ok := step["value"].(float64); ok {
				words = append(words, fmt.Sprintf("%v from %v", step["color"], v))
			} else {
				words = append(words, fmt.Sprint(step["color"]))
			}
		}
		p.facts["thresholds"] = strings.Join(words, ", ")
		delete(dig(node, "fieldConfig", "defaults", "thresholds").(map[string]any), "steps")
	}
	if unit, ok := dig(node, "fieldConfig", "defaults", "unit").(string); ok {
		p.facts["unit"] = unit
		delete(dig(node, "fieldConfig", "defaults").(map[string]any), "unit")
	}
	for _, key := range []string{"id", "gridPos", "targets"} {
		delete(node, key)
	}
	flatten(p.facts, "", node)
	return p
}

func dig(node any, keys ...string) any {
	for _, key := range keys {
		object, _ := node.(map[string]any)
		node = object[key]
	}
	return node
}

// flatten writes every leaf of a tree under its path.
func flatten(into map[string]string, path string, value any) {
	under := func(key string) string {
		if path == "" {
			return key
		}
		if strings.HasPrefix(path, "query ") && strings.Count(path, " ") == 1 {
			return path + " " + key
		}
		return path + "." + key
	}
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			flatten(into, under(key), item)
		}
	case []any:
		for i, item := range v {
			flatten(into, under(strconv.Itoa(i+1)), item)
		}
	case string:
		into[path] = v
	case nil:
	default:
		data, _ := json.Marshal(v) // it came from JSON
		into[path] = string(data)
	}
}

// rank is where a fact stands in a diff: what people look at first comes first.
func rank(key string) int {
	for i, prefix := range []string{"title", "type", "description", "unit", "thresholds", "query "} {
		if key == strings.TrimSpace(prefix) || strings.HasPrefix(key, prefix) && strings.HasSuffix(prefix, " ") {
			return i
		}
	}
	return 100
}

// diff says what differs, a fact after the other.
func diff(old, new map[string]string) []string {
	keys := map[string]bool{}
	for key := range old {
		keys[key] = true
	}
	for key := range new {
		keys[key] = true
	}
	sorted := slices.Sorted(maps.Keys(keys))
	slices.SortStableFunc(sorted, func(a, b string) int { return rank(a) - rank(b) })
	var lines []string
	write := func(sign, key, value string) {
		for i, line := range strings.Split(value, "\n") {
			if i == 0 {
				line = key + ": " + line
			} else {
				line = "    " + line
			}
			lines = append(lines, sign+" "+line)
		}
	}
	for _, key := range sorted {
		before, was := old[key]
		after, is := new[key]
		if was == is && before == after {
			continue
		}
		if old == nil && rank(key) == 100 { // of a new panel, what people look at
			continue
		}
		if was {
			write("-", key, before)
		}
		if is {
			write("+", key, after)
		}
	}
	return lines
}
