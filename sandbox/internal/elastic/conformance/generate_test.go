package conformance

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// obj and list make JSON.
type (
	obj  = map[string]any
	list = []any
)

// question is a request that two servers must answer alike.
type question struct {
	Method, Path, Body string
	bare               bool // scores are not compared
}

// generator makes random questions about the indices that setUp makes.
type generator struct {
	*rand.Rand
	wide    bool   // several indices are asked: shards hand on different buckets
	keep    string // keep_values, where the server has that
	scores  bool   // whether what depends on scores is asked for
	modules bool   // whether aggregations and scripts that are modules of Elasticsearch are asked for
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

const (
	differA = Prefix + "differ-a"
	differB = Prefix + "differ-b"
)

var differMappings = map[string]string{
	differA: `{"properties":{"id":{"type":"keyword"},"level":{"type":"keyword"},"tags":{"type":"keyword","ignore_above":6},"t":{"type":"text","fields":{"raw":{"type":"keyword","null_value":"none"}}},
		"u":{"type":"text","norms":false},"n":{"type":"long"},"i":{"type":"integer"},"by":{"type":"byte"},"d":{"type":"double"},"f":{"type":"float"},"h":{"type":"half_float"},"ok":{"type":"boolean"},"at":{"type":"date"},
		"day":{"type":"date","format":"yyyy-MM-dd||epoch_second"},"nano":{"type":"date_nanos"},"ip":{"type":"ip"},"o":{"properties":{"k":{"type":"keyword"},"n":{"type":"short"},"t":{"type":"text"}}},
		"fl":{"type":"flattened"},"al":{"type":"alias","path":"level"},"nd":{"type":"keyword","doc_values":false},"ni":{"type":"long","index":false},
		"calls":{"type":"nested","properties":{"svc":{"type":"keyword"},"ms":{"type":"long"},"note":{"type":"text"},"at":{"type":"date"},"tries":{"type":"nested","properties":{"code":{"type":"keyword"},"ms":{"type":"double"}}}}}}}`,
	differB: `{"properties":{"id":{"type":"keyword"},"level":{"type":"keyword"},"t":{"type":"text"},"n":{"type":"integer"},"d":{"type":"float"},"at":{"type":"date","format":"strict_date_time||epoch_millis"},"only":{"type":"keyword"}}}`,
}

var (
	words  = []string{"event", "processed", "error", "timeout", "connection", "refused", "slow", "fast", "kafka", "broker", "the", "a", "retry", "Retry", "user-42", "x1", "10.5", "don't", "foo_bar", "日本", "ümlaut"}
	levels = []string{"INFO", "WARN", "ERROR", "DEBUG"}
	zones  = []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "+05:30", "-03:00", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Casablanca", "Asia/Beirut", "America/Havana"}
)

func (g *generator) text() string {
	n := 1 + g.IntN(9)
	out := make([]string, n)
	for i := range out {
		out[i] = words[min(g.IntN(len(words)), g.IntN(len(words)))]
	}
	return strings.Join(out, pick(g, " ", " ", " ", ", ", ". "))
}

// moment is around the changes of clocks of several places.
func (g *generator) moment() time.Time {
	base := pick(g, time.Date(2024, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2024, 10, 25, 0, 0, 0, 0, time.UTC), time.Date(2023, 12, 30, 0, 0, 0, 0, time.UTC), time.Date(2024, 3, 8, 0, 0, 0, 0, time.UTC))
	return base.Add(time.Duration(g.Int64N(4*24*3600*1000)) * time.Millisecond)
}

func (g *generator) number() any {
	switch g.IntN(5) {
	case 0:
		return g.IntN(10)
	case 1:
		return g.IntN(2000) - 1000
	case 2:
		return float64(g.IntN(4000)-2000) / 8
	case 3:
		return g.IntN(100)
	}
	return float64(g.IntN(100000)) / 1000
}

func (g *generator) ip() string {
	return pick(g, fmt.Sprintf("10.%d.%d.%d", g.IntN(2), g.IntN(4), g.IntN(6)), fmt.Sprintf("10.0.0.%d", g.IntN(4)), fmt.Sprintf("fd00::%x", g.IntN(8)), "::1")
}

// document is for an index of differMappings.
func (g *generator) document(index string, id int) obj {
	d := obj{"id": fmt.Sprintf("%05d", id)}
	put := func(percent int, key string, v func() any) {
		if !g.chance(percent) {
			if g.chance(5) {
				d[key] = pick[any](g, nil, list{})
			}
			return
		}
		if g.chance(12) {
			l := list{}
			for range 1 + g.IntN(3) {
				l = append(l, v())
			}
			d[key] = l
			return
		}
		d[key] = v()
	}
	put(90, "level", func() any { return levels[min(g.IntN(4), g.IntN(4))] })
	put(80, "t", func() any { return g.text() })
	put(85, "n", func() any { return g.IntN(200) - 20 })
	put(70, "d", func() any { return g.number() })
	d["at"] = g.moment().Format("2006-01-02T15:04:05.000Z")
	if index == differB {
		put(70, "only", func() any { return pick(g, "x", "y") })
		return d
	}
	put(70, "tags", func() any { return pick(g, "red", "green", "blue", "a b", "longer than six", "") })
	put(60, "u", func() any { return g.text() })
	put(60, "i", func() any { return g.IntN(1000) })
	put(60, "by", func() any { return g.IntN(256) - 128 })
	put(60, "f", func() any { return g.number() })
	put(60, "h", func() any { return float64(g.IntN(64)) / 4 })
	put(70, "ok", func() any { return pick[any](g, true, false, "true", "false") })
	put(60, "day", func() any {
		m := g.moment()
		return pick[any](g, m.Format("2006-01-02"), m.Unix())
	})
	put(60, "nano", func() any {
		return g.moment().Add(time.Duration(g.IntN(999999))).Format("2006-01-02T15:04:05.999999999Z")
	})
	put(60, "ip", func() any { return g.ip() })
	put(60, "o", func() any {
		o := obj{}
		if g.chance(80) {
			o["k"] = pick(g, "a", "b", "c")
		}
		if g.chance(80) {
			o["n"] = g.IntN(50)
		}
		if g.chance(50) {
			o["t"] = g.text()
		}
		return o
	})
	put(50, "fl", func() any { return obj{"carrier": pick(g, "ups", "dhl"), "deep": obj{"id": fmt.Sprint(g.IntN(5))}} })
	put(50, "nd", func() any { return pick(g, "p", "q") })
	put(50, "ni", func() any { return g.IntN(10) })
	put(60, "calls", g.call)
	return d
}

// field names of a kind; now and then one that nothing has.
func (g *generator) keyword() string {
	return pick(g, "level", "level", "tags", "o.k", "fl.carrier", "fl.deep.id", "fl", "al", "t.raw", "id", "nd", "none")
}
func (g *generator) numeric() string {
	return pick(g, "n", "n", "i", "by", "d", "f", "h", "o.n", "none", "ni")
}
func (g *generator) textField() string { return pick(g, "t", "t", "u", "o.t", "none") }
func (g *generator) date() string      { return pick(g, "at", "at", "at", "day", "nano") }
func (g *generator) field() string {
	return pick(g, g.keyword(), g.numeric(), g.textField(), g.date(), "ok", "ip")
}

func (g *generator) valueOf(field string) any {
	switch field {
	case "level", "al":
		return pick(g, "INFO", "WARN", "ERROR", "info", "NONE")
	case "tags":
		return pick(g, "red", "green", "a b", "longer than six", "")
	case "o.k":
		return pick(g, "a", "b", "z")
	case "fl.carrier":
		return pick(g, "ups", "dhl")
	case "fl", "fl.deep.id":
		return pick(g, "ups", "1", "2")
	case "t.raw":
		return pick(g, "event", "none", g.text())
	case "id":
		return fmt.Sprintf("%05d", g.IntN(300))
	case "nd":
		return "p"
	case "t", "u", "o.t":
		return g.text()
	case "ok":
		return pick[any](g, true, "false", "true")
	case "ip":
		return pick(g, g.ip(), "10.0.0.0/24", "fd00::/16", "10.0.0.0/8")
	case "at", "nano":
		return g.moment().Format(pick(g, "2006-01-02T15:04:05.000Z", "2006-01-02", "2006-01-02T15:04", "2006-01"))
	case "day":
		return g.moment().Format("2006-01-02")
	case "none":
		return "x"
	}
	return g.number()
}

// dateBound is a date with or without arithmetic.
func (g *generator) dateBound(field string) string {
	m := g.moment()
	if field == "day" {
		return pick(g, m.Format("2006-01-02"), m.Format("2006-01-02")+"||"+g.math())
	}
	return pick(g, m.Format("2006-01-02T15:04:05.000Z"), m.Format("2006-01-02"), m.Format("2006-01-02T15"), m.Format("2006-01-02T15:04:05Z")+"||"+g.math(), m.Format("2006-01-02")+"||"+g.math(), m.Format("2006"),
		m.Format("2006-01-02T15:04:05+02:00"), fmt.Sprint(m.UnixMilli()))
}

func (g *generator) math() string {
	var b strings.Builder
	for range 1 + g.IntN(2) {
		b.WriteString(pick(g, "+1d", "-1d", "/d", "/w", "/M", "/h", "+2h", "-30m", "/y", "+1M", "-1w", "/m", "+1y", "/s"))
	}
	return b.String()
}

func (g *generator) rangeQuery() obj {
	field := pick(g, "n", "d", "at", "at", "day", "nano", "level", "ip", "i", "h", "f", "by", "ok", "t", "o.n", "none", "fl.carrier")
	r := obj{}
	for _, op := range []string{pick(g, "gt", "gte"), pick(g, "lt", "lte")} {
		if g.chance(25) {
			continue
		}
		switch field {
		case "at", "day", "nano":
			r[op] = g.dateBound(field)
		case "level", "t", "fl.carrier":
			r[op] = pick(g, "E", "INFO", "a", "event", "e", "z")
		case "ip":
			r[op] = g.ip()
		case "ok":
			r[op] = pick(g, "true", "false")
		default:
			r[op] = g.number()
		}
	}
	if (field == "at" || field == "nano") && g.chance(30) {
		r["time_zone"] = pick(g, zones...)
	}
	if g.chance(10) {
		r["boost"] = 2.5
	}
	return obj{"range": obj{field: r}}
}

// query is a random query of some depth.
func (g *generator) query(depth int) obj {
	if depth > 0 && g.chance(6) {
		return g.nestedQuery("calls", true)
	}
	if depth > 0 && g.chance(35) {
		switch g.IntN(6) {
		case 0, 1, 2:
			b := obj{}
			for _, key := range []string{"must", "filter", "should", "must_not"} {
				if g.chance(45) {
					l := list{}
					for range 1 + g.IntN(2) {
						l = append(l, g.query(depth-1))
					}
					b[key] = l
				}
			}
			if g.chance(20) {
				b["minimum_should_match"] = pick[any](g, 1, "50%", "-1", 2, "2<75%")
			}
			return obj{"bool": b}
		case 3:
			return obj{"constant_score": obj{"filter": g.query(depth - 1), "boost": 1.5}}
		case 4:
			return obj{"dis_max": obj{"queries": list{g.query(depth - 1), g.query(depth - 1)}, "tie_breaker": 0.3}}
		}
		return obj{"boosting": obj{"positive": g.query(depth - 1), "negative": g.query(0), "negative_boost": 0.4}}
	}
	switch g.IntN(20) {
	case 0, 1:
		f := g.field()
		if g.chance(30) {
			return obj{"term": obj{f: obj{"value": g.valueOf(f), "boost": 2}}}
		}
		return obj{"term": obj{f: g.valueOf(f)}}
	case 2:
		f := g.field()
		return obj{"terms": obj{f: list{g.valueOf(f), g.valueOf(f), g.valueOf(f)}}}
	case 3, 4:
		f := pick(g, g.textField(), g.field())
		m := obj{"query": g.valueOf(f)}
		if g.chance(30) {
			m["operator"] = pick(g, "and", "or")
		}
		if g.chance(20) {
			m["minimum_should_match"] = pick[any](g, 2, "60%", "-1", "1<2")
		}
		if g.chance(15) && strings.Contains("t u o.t", f) {
			m["fuzziness"] = pick[any](g, "AUTO", 1)
		}
		return obj{"match": obj{f: m}}
	case 5:
		f := g.textField()
		return obj{"match_phrase": obj{f: obj{"query": pick(g, words...) + " " + pick(g, words...), "slop": g.IntN(4)}}}
	case 6:
		return obj{"match_phrase_prefix": obj{g.textField(): pick(g, words...) + " " + pick(g, "e", "pro", "re", "t", "ti")}}
	case 7, 8, 9:
		return g.rangeQuery()
	case 10:
		return obj{"exists": obj{"field": pick(g, g.field(), "o", "fl", "t*", "_id", "_ignored")}}
	case 11:
		return obj{"prefix": obj{pick(g, g.keyword(), g.textField()): obj{"value": pick(g, "e", "E", "I", "r", "a", ""), "case_insensitive": g.chance(30)}}}
	case 12:
		return obj{"wildcard": obj{pick(g, g.keyword(), g.textField()): obj{"value": pick(g, "e*", "*or*", "?NFO", "*", "i*", "pro?essed", "r*d"), "case_insensitive": g.chance(30)}}}
	case 13:
		return obj{"regexp": obj{pick(g, g.keyword(), g.textField()): obj{"value": pick(g, "e.*", ".*or.*", "(INFO|WARN)", "[a-f]+.*", "re{1,2}d", "pro.{2}ssed", "[^e].*", "a|b", "@", "\"event\"", "e.?ent", "")}}}
	case 14:
		return obj{"fuzzy": obj{pick(g, "level", "t", "u"): obj{"value": pick(g, "INFA", "evnt", "proccessed", "kafak", "errro"), "fuzziness": pick[any](g, "AUTO", 1, 2), "prefix_length": g.IntN(2)}}}
	case 15:
		return obj{"ids": obj{"values": list{fmt.Sprint(g.IntN(300)), fmt.Sprint(g.IntN(300)), "zz"}}}
	case 16:
		m := obj{"query": g.text(), "fields": list{"t", pick(g, "u^2", "o.t", "level", "t*", "none"), pick(g, "u", "tags", "o.*")}, "type": pick(g, "best_fields", "most_fields", "phrase", "phrase_prefix")}
		if g.chance(30) {
			m["tie_breaker"] = 0.5
		}
		return obj{"multi_match": m}
	}
	return g.queryString()
}

// lucene is a query in Lucene's syntax.
func (g *generator) lucene(depth int) string {
	if depth > 0 && g.chance(50) {
		a, b := g.lucene(depth-1), g.lucene(depth-1)
		switch g.IntN(8) {
		case 0:
			return a + " AND " + b
		case 1:
			return a + " OR " + b
		case 2:
			return a + " " + b
		case 3:
			return "(" + a + ") " + pick(g, "AND", "OR", "&&", "||") + " (" + b + ")"
		case 4:
			return "+" + a + " -" + b
		case 5:
			return "NOT " + a
		case 6:
			return "(" + a + " OR " + b + ")^" + fmt.Sprint(1+g.IntN(3))
		}
		return a + " AND NOT " + b + " OR " + g.lucene(0)
	}
	word := pick(g, words...)
	switch g.IntN(24) {
	case 0, 1:
		return word
	case 2:
		return `"` + word + " " + pick(g, words...) + `"`
	case 3:
		return `"` + word + " " + pick(g, words...) + `"~` + fmt.Sprint(1+g.IntN(4))
	case 4:
		return "level:" + pick(g, "INFO", "WARN", "info", "(INFO OR ERROR)", "I*", "/I.*/", `"INFO"`, "INF?")
	case 5:
		return "t:" + word + pick(g, "", "~", "~1", "^2", "*", "~0.5")
	case 6:
		return pick(g, "n", "d", "i", "h") + ":" + pick(g, "[10 TO 50]", "{10 TO 50}", "[10 TO 50}", ">20", ">=20", "<5", "<=5.5", "[* TO 20]", "[20 TO *]", "{* TO 20}", "7", "(7 OR 8 OR 9)")
	case 7:
		return "at:" + pick(g, "[2024-03-30 TO 2024-03-31]", `["2024-03-30T10:00:00" TO *]`, ">2024-03-30", "<=2024-03-31", "{2024-03-30 TO 2024-10-27}", "[2024-03-30||/w TO 2024-03-30||+1M]", `"2024-03-30"`, "2024-03-30")
	case 8:
		return pick(g, "_exists_:", "_exists_:") + pick(g, "n", "d", "ip", "o", "o.k", "fl", "none", "t.raw")
	case 9:
		return "o." + pick(g, "k:a", `\*:a`, "k:(a b)", "n:>10", "t:event")
	case 10:
		return "ip:" + pick(g, `"10.0.0.0/8"`, "[10.0.0.0 TO 10.0.0.5]", `10.0.0.1`, `fd00\:\:1`, `"fd00::/16"`)
	case 11:
		return "ok:" + pick(g, "true", "false")
	case 12:
		return "/" + pick(g, "e.*", "pro[ck]e.*", "(slow|fast)") + "/"
	case 13:
		return "tags:" + pick(g, `a\ b`, `"a b"`, "re*", "r?d", "*", "(red green)", "red~", `"longer than six"`, `""`)
	case 14:
		return pick(g, "*:*", "*", "t:*", "none:x", "none:*", "_id:5", "fl.carrier:ups", "fl:ups", "al:INFO", "fl.deep.id:[1 TO 3]")
	case 15:
		return word + "~"
	case 16:
		return pick(g, "ev*", "*ed", "k?fka", "re*y", "E*", "PRO*")
	case 17:
		return "-" + word
	case 18:
		return "!" + word
	case 19:
		return "+" + word
	case 20:
		return pick(g, `user\-42`, `don't`, `x1\!`, `\(event\)`, `10.5`, `foo\_bar`, `日本`, `and`, `or`, `not`)
	case 21:
		return "t:(" + word + " " + pick(g, "AND ", "OR ", "", "+", "-") + pick(g, words...) + ")"
	case 22:
		return "level:[" + pick(g, "A", "E", "*") + " TO " + pick(g, "J", "Z", "*") + pick(g, "]", "}")
	}
	return pick(g, "t.raw:event", "day:2024-03-30", "nano:>2024-03-30", "nano:[2024-03-30 TO 2024-03-31]", "by:<0", "level:INFO~1", "level:[INFO TO WARN]", "o.n:[1 TO 9]", "u:(event -error)^3", "day:[2024-03-01 TO 2024-03-31||/M]")
}

func (g *generator) queryString() obj {
	q := obj{"query": g.lucene(2)}
	if g.chance(40) {
		q["default_field"] = pick(g, "t", "t", "u", "level", "*")
	} else if g.chance(40) {
		q["fields"] = pick(g, list{"t", "u"}, list{"t^2", "level"}, list{"o.*", "t"}, list{"t"}, list{"n", "t"})
		if _, ok := q["fields"]; ok && g.chance(60) {
			q["lenient"] = true
		}
	}
	if g.chance(40) {
		q["default_operator"] = pick(g, "AND", "OR", "and")
	}
	if g.chance(25) {
		q["analyze_wildcard"] = true
	}
	if g.chance(10) {
		q["minimum_should_match"] = pick[any](g, 1, "75%", 2)
	}
	if g.chance(10) {
		q["phrase_slop"] = 1
	}
	if g.chance(10) {
		q["time_zone"] = pick(g, zones...)
	}
	if g.chance(8) {
		q["allow_leading_wildcard"] = false
	}
	if g.chance(8) {
		q["fuzziness"] = 1
	}
	if g.chance(12) {
		return obj{"simple_query_string": obj{"query": pick(g, "event + error", "event | slow -kafka", `"event processed"~2`, "re*", "kafak~1", "+event -(slow fast)", g.text(), "level:INFO"), "fields": pick(g, list{"t"}, list{"t", "u^2"}), "default_operator": pick(g, "and", "or")}}
	}
	return obj{"query_string": q}
}

// metric is an aggregation without buckets.
func (g *generator) metric() obj {
	typ := pick(g, "avg", "min", "max", "sum", "stats", "extended_stats", "value_count", "cardinality", "percentiles", "percentile_ranks", "median_absolute_deviation", "weighted_avg", "top_hits")
	field := pick(g, g.numeric(), g.numeric(), g.date(), "ok")
	body := obj{"field": field}
	if g.chance(20) && field != "day" && field != "nano" && field != "at" && field != "ok" {
		body["missing"] = g.IntN(50)
	}
	switch typ {
	case "value_count", "cardinality":
		body = obj{"field": pick(g, field, g.keyword(), "ip", "level")}
		if typ == "cardinality" && g.chance(20) {
			body["precision_threshold"] = 3000
		}
	case "percentiles":
		if g.chance(60) {
			body["percents"] = pick(g, list{50}, list{95, 99.9}, list{0, 25, 100})
		}
		if g.chance(30) {
			body["keyed"] = false
		}
	case "percentile_ranks":
		body["values"] = list{g.IntN(50), 60}
		if g.chance(30) {
			body["keyed"] = false
		}
	case "extended_stats":
		if field == "at" || field == "day" || field == "nano" {
			body["field"] = "n" // sums of squares of dates are no numbers to compare
		}
		if g.chance(40) {
			body["sigma"] = 3
		}
	case "weighted_avg":
		body = obj{"value": obj{"field": pick(g, "n", "d", "i"), "missing": 2}, "weight": obj{"field": pick(g, "h", "i"), "missing": 1}}
	case "top_hits":
		body = obj{"size": 1 + g.IntN(3), "sort": list{obj{pick(g, "n", "at", "level"): pick(g, "asc", "desc")}, obj{"id": "asc"}}, "_source": pick[any](g, false, list{"n", "level"}, "o.*")}
	}
	return obj{typ: body}
}

func (g *generator) dateHistogram() obj {
	b := obj{"field": g.date()}
	if g.chance(60) {
		b["calendar_interval"] = pick(g, "hour", "day", "week", "month", "quarter", "year", "1d", "1w", "1M", "1h", "minute")
	} else {
		b["fixed_interval"] = pick(g, "1h", "30m", "6h", "12h", "1d", "3d", "7d", "90m", "36h")
	}
	if b["calendar_interval"] == "minute" || b["fixed_interval"] == "30m" {
		b["min_doc_count"] = 1
	}
	if g.chance(60) {
		b["time_zone"] = pick(g, zones...)
	}
	if g.chance(25) {
		b["offset"] = pick(g, "+1h", "-6h", "+30m", "1d", "+6h")
	}
	if g.chance(40) {
		b["min_doc_count"] = g.IntN(3)
	}
	if g.chance(25) {
		b["format"] = pick(g, "yyyy-MM-dd", "epoch_millis", "yyyy-MM-dd'T'HH:mm:ssXXX", "epoch_second", "strict_date_optional_time", "e", "yyyy/ww", "EEE dd MMM", "yyyy-MM-dd HH:mm z", "xxxx-'W'ww")
	}
	if g.chance(15) && b["format"] == nil {
		b["keyed"] = true
	}
	if g.chance(15) {
		b["order"] = obj{pick(g, "_key", "_count"): pick(g, "asc", "desc")}
	}
	if g.chance(15) && b["field"] == "at" && b["format"] == nil {
		b["min_doc_count"] = 0
		b[pick(g, "extended_bounds", "hard_bounds")] = obj{"min": "2024-03-25", "max": "2024-04-02"}
	}
	if g.chance(10) && b["field"] != "nano" && b["format"] == nil {
		b["missing"] = "2024-03-30"
	}
	return obj{"date_histogram": b}
}

// bucket is an aggregation with buckets.
func (g *generator) bucket() obj {
	switch g.IntN(12) {
	case 0, 1, 2:
		f := pick(g, g.keyword(), "level", g.numeric(), "ok", "ip", g.date())
		b := obj{"field": f}
		if g.wide {
			b["size"] = 500
		} else if g.chance(30) {
			b["size"] = 1 + g.IntN(4)
		}
		if g.chance(30) {
			b["order"] = pick[any](g, obj{"_key": pick(g, "asc", "desc")}, obj{"_count": "asc"}, list{obj{"_count": "desc"}, obj{"_key": "desc"}})
		}
		if g.chance(20) {
			b["min_doc_count"] = g.IntN(3)
		}
		if g.chance(15) && (f == "level" || f == "o.k") {
			b["missing"] = "N/A"
		}
		if g.chance(15) && (f == "level" || f == "tags") {
			b[pick(g, "include", "exclude")] = pick[any](g, "I.*", "[A-M].*", list{"INFO", "red"}, "r.*|b.*")
		}
		if g.chance(8) {
			b["show_term_doc_count_error"] = true
		}
		return obj{"terms": b}
	case 3, 4, 5:
		return g.dateHistogram()
	case 6:
		b := obj{"field": pick(g, "n", "d", "i", "h", "o.n", "none"), "interval": pick[any](g, 5, 10, 50, 2.5, 0.5)}
		if (b["interval"] == 0.5 || b["field"] == "d") && g.chance(60) {
			b["min_doc_count"] = 1
		} else if g.chance(40) {
			b["min_doc_count"] = g.IntN(3)
		}
		if g.chance(30) {
			b["offset"] = pick[any](g, 1, 2.5)
		}
		if g.chance(15) {
			b["keyed"] = true
		}
		if g.chance(15) {
			b["missing"] = 3
		}
		if g.chance(15) {
			b["extended_bounds"] = obj{"min": -5, "max": 60}
		}
		if g.chance(15) {
			b["order"] = obj{"_count": "desc"}
		}
		return obj{"histogram": b}
	case 7:
		return obj{"filter": g.query(1)}
	case 8:
		fs := obj{"filters": obj{"one": g.query(0), "two": g.query(1)}}
		if g.chance(40) {
			fs["other_bucket"] = true
		}
		if g.chance(30) {
			fs["filters"] = list{g.query(0), g.query(1)}
		}
		return obj{"filters": fs}
	case 9:
		b := obj{"field": pick(g, "n", "d", "i"), "ranges": list{obj{"to": 10}, obj{"from": 10, "to": 50.5}, obj{"from": 50, "key": "big"}}}
		if g.chance(30) {
			b["keyed"] = true
		}
		return obj{"range": b}
	case 10:
		b := obj{"field": "at", "ranges": list{obj{"to": "2024-03-30"}, obj{"from": "2024-03-30||/M", "to": "2024-03-31T12:00:00Z"}, obj{"from": "2024-06-01"}}}
		if g.chance(40) {
			b["format"] = pick(g, "yyyy-MM-dd||strict_date_optional_time", "strict_date_optional_time")
		}
		if g.chance(40) {
			b["time_zone"] = pick(g, zones...)
		}
		return obj{"date_range": b}
	}
	return pick(g, obj{"missing": obj{"field": g.field()}}, obj{"global": obj{}})
}

// aggs is a level of aggregations.
func (g *generator) aggs(depth int) obj {
	out := obj{}
	for i := range 1 + g.IntN(2) {
		name := fmt.Sprintf("%c%d", 'a'+depth, i)
		if depth == 0 || g.chance(30) {
			out[name] = g.metric()
			continue
		}
		if g.chance(10) {
			out[name] = g.nestedAgg()
			continue
		}
		b := g.bucket()
		if _, ok := b["global"]; ok && depth != 2 {
			b = obj{"missing": obj{"field": "n"}}
		}
		if g.chance(60) {
			subs := g.aggs(depth - 1)
			g.pipelines(b, subs)
			b["aggs"] = subs
		}
		out[name] = b
	}
	return out
}

// pipelines adds aggregations over the buckets of a parent, and an order by a metric.
func (g *generator) pipelines(parent, subs obj) {
	terms, _ := parent["terms"].(obj)
	hist := parent["date_histogram"]
	if hist == nil {
		hist = parent["histogram"]
	}
	if terms == nil && hist == nil || !g.chance(60) {
		return
	}
	subs["m"] = obj{pick(g, "sum", "avg", "max", "min"): obj{"field": pick(g, "n", "d", "i")}}
	subs["s"] = obj{"stats": obj{"field": "n"}}
	if terms != nil {
		if g.chance(60) {
			terms["order"] = obj{pick(g, "m", "s.max", "s.avg", "m.value"): pick(g, "asc", "desc")}
		}
		if g.modules && g.chance(50) {
			subs["bs"] = obj{"bucket_sort": obj{"sort": list{obj{"m": obj{"order": pick(g, "asc", "desc")}}, obj{"_key": "asc"}}, "size": 2, "from": g.IntN(2)}}
		}
	}
	gap := func(b obj) obj {
		if g.chance(40) {
			b["gap_policy"] = pick(g, "skip", "insert_zeros", g.keep)
		}
		if g.chance(15) {
			b["format"] = pick(g, "0.00", "#,##0.0", "0")
		}
		return b
	}
	path := func() string {
		if subs["cum"] != nil && g.chance(20) {
			return "cum"
		}
		return pick(g, "m", "m", "_count", "s.avg", "s.max")
	}
	if g.modules {
		if hist != nil {
			for range 1 + g.IntN(2) {
				switch g.IntN(5) {
				case 0:
					d := gap(obj{"buckets_path": path()})
					if parent["date_histogram"] != nil && g.chance(30) {
						d["unit"] = pick(g, "1h", "day", "1m")
					}
					subs["der"] = obj{"derivative": d}
				case 1:
					subs["cum"] = obj{"cumulative_sum": obj{"buckets_path": path()}}
				case 2:
					subs["diff"] = obj{"serial_diff": gap(obj{"buckets_path": path(), "lag": 1 + g.IntN(3)})}
				case 3:
					m := gap(obj{"buckets_path": path(), "window": 1 + g.IntN(5), "script": "MovingFunctions." + pick(g, "unweightedAvg(values)", "max(values)", "min(values)", "sum(values)", "stdDev(values, MovingFunctions.unweightedAvg(values))",
						"linearWeightedAvg(values)", "ewma(values, 0.3)", "holt(values, 0.3, 0.1)")})
					if g.chance(30) {
						m["shift"] = g.IntN(3)
					}
					subs["mov"] = obj{"moving_fn": m}
				}
			}
		}
		if g.chance(60) {
			subs["script"] = obj{"bucket_script": gap(obj{"buckets_path": obj{"a": path(), "c": "_count"}, "script": pick(g, "params.a / params.c", "params.a * 2 + 1", "Math.abs(params.a)", "params.a > 10 ? params.a : -1", "params.c == 0 ? 0 : params.a / params.c",
				"(params.a - params.c) % 7", "Math.max(params.a, params.c)", "Math.round(params.a)", "-params.a", "params.a > 5 && params.c < 10 ? 1 : 0", "params['a'] / 3", "Math.pow(params.a, 2)")})}
		}
		if g.chance(30) {
			subs["sel"] = obj{"bucket_selector": (obj{"buckets_path": obj{"a": path()}, "script": pick(g, "params.a > 10", "params.a >= 1 && params.a < 60", "params.a != null && params.a > 0", "!(params.a < 5)")})}
		}
		return
	}
	if hist != nil && g.chance(50) {
		subs["cum"] = obj{"cumulative_sum": obj{"buckets_path": path()}}
	}
}

// pipelineSearch is about pipeline aggregations.
func (g *generator) pipelineSearch() question {
	var bucket obj
	switch g.IntN(4) {
	case 0:
		bucket = obj{"terms": obj{"field": pick(g, "level", "o.k", "by", "i"), "size": 1 + g.IntN(8)}}
	case 1:
		bucket = obj{"histogram": obj{"field": pick(g, "n", "i", "h", "o.n"), "interval": pick[any](g, 10, 50, 100)}}
	default:
		bucket = obj{"date_histogram": obj{"field": "at", "calendar_interval": pick(g, "day", "week", "month", "1h")}}
	}
	subs := obj{}
	for len(subs) < 3 {
		g.pipelines(bucket, subs)
	}
	bucket["aggs"] = subs
	body := obj{"size": 0, "aggs": obj{"a": bucket}}
	if g.chance(60) {
		body["query"] = obj{"range": obj{"n": obj{"gte": g.IntN(150)}}}
	}
	for _, kind := range []string{"avg_bucket", "max_bucket", "min_bucket", "sum_bucket", "stats_bucket", "extended_stats_bucket", "percentiles_bucket"} {
		if g.chance(25) {
			b := obj{"buckets_path": "a>" + pick(g, "m", "_count", "s.max", "s.avg")}
			if g.chance(30) {
				b["gap_policy"] = pick(g, "skip", "insert_zeros")
			}
			if g.chance(20) {
				b["format"] = "0.00"
			}
			body["aggs"].(obj)[kind] = obj{kind: b}
		}
	}
	return question{Method: "POST", Path: "/" + differA + "/_search", Body: encode(body)}
}

// search is a search about everything but errors of form.
func (g *generator) search() question {
	body := obj{"size": 600, "track_total_hits": true}
	index := pick(g, differA, differA, differA, differA+","+differB, Prefix+"differ-*", differB)
	if g.chance(85) {
		body["query"] = g.query(2)
	}
	if g.chance(60) {
		body["size"] = 0
		g.wide = strings.ContainsAny(index, ",*")
		body["aggs"] = g.aggs(pick(g, 0, 1, 1, 1, 2))
		if g.chance(30) {
			aggs := body["aggs"].(obj)
			for name, a := range aggs {
				sub := a.(obj)["aggs"]
				_, terms := a.(obj)["terms"]
				_, hist := a.(obj)["date_histogram"]
				if sub != nil && sub.(obj)["m"] != nil && (terms || hist) {
					b := obj{"buckets_path": name + ">" + pick(g, "m", "_count")}
					if g.chance(30) {
						b["gap_policy"] = pick(g, "skip", "insert_zeros")
					}
					aggs["sib"] = obj{pick(g, "avg_bucket", "max_bucket", "min_bucket", "sum_bucket", "stats_bucket", "extended_stats_bucket", "percentiles_bucket"): b}
					break
				}
			}
		}
	} else if g.chance(50) {
		l := list{}
		for range 1 + g.IntN(2) {
			f := pick(g, "n", "d", "level", "at", "day", "nano", "ip", "ok", "h", "o.k", "o.n", "tags", "none", "_score", "t.raw")
			s := obj{"order": pick(g, "asc", "desc")}
			if f == "_score" && !g.scores {
				f = "n"
			}
			if f != "_score" {
				if g.chance(30) {
					s["missing"] = pick(g, "_first", "_last")
				}
				if f == "none" || g.chance(50) {
					s["unmapped_type"] = map[string]string{"n": "long", "d": "double", "at": "date", "day": "date", "nano": "date_nanos", "ip": "ip", "ok": "boolean", "h": "half_float", "o.n": "short"}[f]
					if s["unmapped_type"] == "" {
						s["unmapped_type"] = pick(g, "keyword", "keyword", "long", "date")
					}
				}
				if g.chance(20) {
					s["mode"] = pick(g, "min", "max", "avg", "sum", "median")
				}
				if f == "at" && g.chance(40) {
					s["format"] = pick(g, "yyyy-MM-dd", "strict_date_optional_time_nanos", "epoch_millis")
				}
			}
			l = append(l, obj{f: s})
		}
		body["sort"] = append(l, obj{"id": "asc"})
		if g.chance(50) {
			body["size"] = 1 + g.IntN(20)
			body["from"] = g.IntN(10)
		}
	}
	if g.chance(20) {
		body["_source"] = pick[any](g, false, list{"n", "o.*"}, obj{"includes": list{"o.*", "t"}, "excludes": list{"*.n"}}, "fl.carrier")
	}
	if body["size"] != 0 {
		if g.chance(15) {
			body["fields"] = list{pick[any](g, "n", "o.*", "t*", obj{"field": "at", "format": "yyyy/MM/dd"}, "fl.carrier", "ip", "day", "nano", "h", "al", "tags")}
		}
		if g.chance(12) {
			body["docvalue_fields"] = list{pick[any](g, "n", "level", obj{"field": "at", "format": "epoch_millis"}, "ip", "ok", "day", "nano", "d", "h", "tags")}
		}
		if g.chance(15) {
			body["highlight"] = obj{"fields": obj{pick(g, "t", "u", "level", "t*", "*"): pick(g, obj{}, obj{"number_of_fragments": 0})}, "require_field_match": g.chance(60)}
		}
		if g.chance(8) {
			body["post_filter"] = g.query(0)
		}
		if g.scores && g.chance(8) {
			body["min_score"] = 0.8
		}
		if g.chance(8) {
			body["version"], body["seq_no_primary_term"] = true, true
		}
	}
	return question{Method: "POST", Path: "/" + index + "/_search", Body: encode(body)}
}

func encode(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
