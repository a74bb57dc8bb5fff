package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"obsandbox/sandbox/internal/elastic/eserr"
)

// actionField is one field of a lifecycle action.
type actionField struct {
	required bool
	// fault says what is wrong with a value, in Elasticsearch's words; empty where nothing is.
	fault func(v any) string
}

// actionFields are the fields of the lifecycle actions that are carried out here, but for rollover's conditions
// (the parsers of org.elasticsearch.xpack.core.ilm.*Action).
func actionFields() map[string]map[string]actionField {
	return map[string]map[string]actionField{
		"set_priority": {"priority": {required: true, fault: func(v any) string {
			if v == nil { // no priority
				return ""
			}
			return wholeFrom(0, "[priority] must be 0 or greater")(v)
		}}},
		"readonly": {},
		"forcemerge": {
			"max_num_segments": {required: true, fault: wholeFrom(1, "[max_num_segments] must be a positive integer")},
			"index_codec": {fault: func(v any) string {
				if v != "best_compression" {
					return fmt.Sprintf("unknown index codec: [%v]", v)
				}
				return ""
			}},
		},
		"allocate": {
			"number_of_replicas":    {fault: wholeFrom(0, "[number_of_replicas] must be >= 0")},
			"total_shards_per_node": {fault: wholeFrom(-1, "[total_shards_per_node] must be >= -1")},
			"include":               {}, "exclude": {}, "require": {},
		},
		"migrate": {"enabled": {fault: isBool}},
		"freeze":  {},
		"delete":  {"delete_searchable_snapshot": {fault: isBool}},
	}
}

// checkAction refuses fields that an action does not have, values that it cannot read, and what is missing.
func checkAction(action string, src map[string]any) error {
	fields, ok := actionFields()[action]
	if !ok {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(src)) {
		field, ok := fields[name]
		if !ok {
			return eserr.XContent(1, 1, "[%s] unknown field [%s]", action, name)
		}
		if field.fault == nil {
			continue
		}
		if fault := field.fault(src[name]); fault != "" {
			return eserr.XContent(1, 1, "[%s] failed to parse field [%s]: %s", action, name, fault)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if _, ok := src[name]; fields[name].required && !ok {
			return eserr.Illegal("[%s] Required [%s]", action, name)
		}
	}
	return nil
}

// wholeFrom takes whole numbers from least on, also those that are written as text.
func wholeFrom(least int64, otherwise string) func(any) string {
	return func(v any) string {
		text := fmt.Sprint(v)
		if f, ok := v.(float64); ok {
			text = strconv.FormatFloat(f, 'f', -1, 64)
		}
		n, err := strconv.ParseInt(text, 10, 32)
		switch {
		case err != nil:
			return fmt.Sprintf("For input string: \"%s\"", text)
		case n < least:
			return otherwise
		}
		return ""
	}
}

func isBool(v any) string {
	if _, ok := v.(bool); ok || v == "true" || v == "false" {
		return ""
	}
	return fmt.Sprintf("Failed to parse value [%v] as only [true] or [false] are allowed.", v)
}
