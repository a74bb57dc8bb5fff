package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// value is anything that a document may have for a field, fitting or not.
func (g *generator) value(depth int) any {
	switch g.IntN(22) {
	case 0:
		return g.IntN(300) - 100
	case 1:
		return float64(g.IntN(1000)) / 8
	case 2:
		return pick(g, "12", "12.5", "-3", " 7 ", "1e3", "0x1f", "1,000", "", "abc")
	case 3:
		return pick[any](g, true, false, "true", "yes", "")
	case 4:
		return pick(g, "2024-03-30", "2024-03-30T10:00:00Z", "2024/03/30", "30.03.2024", "1711800000000", "2024-13-01", "now")
	case 5:
		return pick[any](g, 1711800000000, 9223372036854775807, 1e19, -1e300, 70000, 2147483648)
	case 6:
		return pick(g, "10.0.0.1", "fd00::1", "300.1.1.1", "10.0.0.0/8")
	case 7:
		return nil
	case 8:
		if depth > 0 {
			return obj{pick(g, "a", "b", "x.y"): g.value(depth - 1), "k": g.value(depth - 1)}
		}
		return "x"
	case 9, 10:
		if depth > 0 {
			return list{g.value(depth - 1), g.value(depth - 1)}
		}
		return list{}
	case 11:
		return strings.Repeat("long ", 60)
	}
	return pick[any](g, "text of some words", "word", 5, 2.5, "true", "INFO")
}

const writeIndex = Prefix + "differ-w"

var writeMapping = `{"settings":{"number_of_shards":1,"number_of_replicas":0},"mappings":{"dynamic_templates":[{"ids":{"match":"*_id","mapping":{"type":"keyword"}}},
	{"longs":{"match_mapping_type":"long","path_match":"m.*","mapping":{"type":"integer"}}},{"strings":{"match_mapping_type":"string","path_match":"s.*","mapping":{"type":"text","fields":{"raw":{"type":"keyword"}}}}}],
	"properties":{"n":{"type":"long"},"i":{"type":"integer"},"sh":{"type":"short","coerce":false},"by":{"type":"byte"},"d":{"type":"double"},"f":{"type":"float"},"h":{"type":"half_float","ignore_malformed":true},
	"ok":{"type":"boolean"},"at":{"type":"date"},"day":{"type":"date","format":"yyyy-MM-dd"},"nano":{"type":"date_nanos"},"ip":{"type":"ip"},"k":{"type":"keyword","ignore_above":20},"t":{"type":"text"},
	"im":{"type":"integer","ignore_malformed":true},"fl":{"type":"flattened"},"o":{"properties":{"a":{"type":"keyword"}}},"st":{"type":"object","dynamic":"strict","properties":{"a":{"type":"long"}}},
	"off":{"type":"object","enabled":false},"no":{"type":"object","dynamic":"false"}}}}`

// TestDifferWrites gives two servers the same random documents and compares what they say of each, the mapping that
// comes out and what is found afterwards. Without -against the second is our own store started anew.
func TestDifferWrites(t *testing.T) {
	a := startStore(t)
	b := *against
	if b == "" {
		b = startStore(t)
	}
	g := differGenerator()
	for round := range max(*questions/15, 1) {
		for _, url := range []string{a, b} {
			_, err := ask(t, url, question{Method: "DELETE", Path: "/" + writeIndex})
			require.NoError(t, err)
			_, err = ask(t, url, question{Method: "PUT", Path: "/" + writeIndex, Body: writeMapping})
			require.NoError(t, err)
		}
		var all []question
		for range 12 {
			all = append(all, g.write())
		}
		fields := []string{"n", "i", "sh", "by", "d", "f", "h", "ok", "at", "day", "nano", "ip", "k", "im", "_ignored"}
		all = append(all, question{Method: "GET", Path: "/" + writeIndex + "/_mapping"},
			question{Method: "POST", Path: "/" + writeIndex + "/_search", Body: encode(obj{"size": 100, "query": obj{"match_all": obj{}}, "fields": list{"*"}, "docvalue_fields": fields[:14]})},
			question{Method: "GET", Path: "/" + writeIndex + "/_field_caps?fields=*"})
		i := 0
		refresh := question{Method: "POST", Path: "/" + writeIndex + "/_refresh"}
		for _, q := range all {
			for _, url := range []string{a, b} {
				_, err := ask(t, url, refresh)
				require.NoError(t, err)
			}
			compareEach(t, a, b, 1, func() question { i++; return q })
			if t.Failed() && round > *questions/15 {
				return
			}
		}
	}
}

// write is a bulk request or a change of the mapping.
func (g *generator) write() question {
	if g.chance(15) {
		typ := pick(g, "long", "keyword", "text", "date", "object", "integer", "boolean", "frobnicate", "flattened")
		field := pick(g, "n", "k", "t", "new", "o.a", "o", "d", "x")
		spec := obj{"type": typ}
		if g.chance(20) {
			spec[pick(g, "ignore_above", "frob", "format", "fields", "null_value", "index", "coerce")] = pick[any](g, 5, "x", true, obj{"raw": obj{"type": "keyword"}})
		}
		return question{Method: "PUT", Path: "/" + writeIndex + "/_mapping", Body: encode(obj{"properties": obj{field: spec}})}
	}
	var b strings.Builder
	for range 1 + g.IntN(3) {
		action := pick(g, "index", "index", "create", "update", "delete")
		head := obj{"_id": fmt.Sprint(g.IntN(6))}
		if g.chance(5) {
			key := pick(g, "_index", "if_seq_no", "require_alias", "version", "frob")
			head[key] = map[string]any{"_index": "conformance-none", "if_seq_no": 3, "require_alias": true, "version": 3, "frob": 1}[key]
		}
		b.WriteString(encode(obj{action: head}) + "\n")
		if action == "delete" {
			continue
		}
		doc := obj{}
		for range 1 + g.IntN(3) {
			doc[pick(g, "n", "i", "sh", "by", "d", "f", "h", "ok", "at", "day", "nano", "ip", "k", "t", "im", "fl", "o", "st", "off", "no", "new", "some_id", "m", "s", "x.y", "dyn")] = g.value(2)
		}
		if action == "update" {
			up := obj{"doc": doc}
			if g.chance(40) {
				up["doc_as_upsert"] = true
			}
			b.WriteString(encode(up) + "\n")
			continue
		}
		b.WriteString(encode(doc) + "\n")
	}
	return question{Method: "POST", Path: "/" + writeIndex + "/_bulk", Body: b.String()}
}
