package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// document is a hit of a search.
type document struct {
	Index  string         `json:"_index"`
	ID     string         `json:"_id"`
	Source map[string]any `json:"_source"`
}

// field is the text of a field ("kubernetes.pod.name"), written with dots or nested; empty where there is none.
func (d document) field(name string) string {
	return fieldOf(d.Source, name)
}

func fieldOf(source map[string]any, name string) string {
	if v, ok := source[name]; ok {
		return textOf(v)
	}
	for prefix, v := range source {
		rest, ok := strings.CutPrefix(name, prefix+".")
		if nested, isMap := v.(map[string]any); ok && isMap {
			if text := fieldOf(nested, rest); text != "" {
				return text
			}
		}
	}
	return ""
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
		return ""
	default:
		data, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(data)
	}
}

// tags are the document's tags; one tag may stand without an array.
func (d document) tags() []string {
	switch v := d.Source["tags"].(type) {
	case string:
		return []string{v}
	case []any:
		var tags []string
		for _, t := range v {
			tags = append(tags, textOf(t))
		}
		return tags
	}
	return nil
}

// jsonObject is for requests.
type jsonObject map[string]any

func term(field string, value any) jsonObject {
	return jsonObject{"term": jsonObject{field: value}}
}

func match(field, text string) jsonObject {
	return jsonObject{"match": jsonObject{field: text}}
}

func exists(field string) jsonObject { return jsonObject{"exists": jsonObject{"field": field}} }

func between(field string, bounds jsonObject) jsonObject {
	return jsonObject{"range": jsonObject{field: bounds}}
}

// all is the conjunction of clauses that do not score.
func all(clauses ...jsonObject) jsonObject {
	return jsonObject{"bool": jsonObject{"filter": clauses}}
}

// logIndices are the indices that searches look at; also what Grafana's data source names.
const logIndices = "logs-*"

// search finds documents of the log indices, the newest first, and how many there are.
func (e *env) search(ctx context.Context, query jsonObject, size int) ([]document, int, error) {
	var answer struct {
		TimedOut bool `json:"timed_out"`
		Shards   struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
		Hits struct {
			Total struct {
				Value int `json:"value"`
			} `json:"total"`
			Hits []document `json:"hits"`
		} `json:"hits"`
	}
	url := e.addr.URL("elasticsearch", "http") + "/" + logIndices + "/_search"
	body := jsonObject{
		"query": query, "size": size, "track_total_hits": true,
		"sort": []any{jsonObject{"@timestamp": jsonObject{"order": "desc", "unmapped_type": "date"}}},
	}
	if err := e.sendJSON(ctx, http.MethodPost, url, body, &answer); err != nil {
		return nil, 0, err
	}
	if answer.TimedOut || answer.Shards.Failed > 0 {
		return nil, 0, fmt.Errorf("POST %s: %d shards failed, timed out: %t", url, answer.Shards.Failed, answer.TimedOut)
	}
	return answer.Hits.Hits, answer.Hits.Total.Value, nil
}
