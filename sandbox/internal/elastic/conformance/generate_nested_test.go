package conformance

// call is a nested object of differA's documents.
func (g *generator) call() any {
	c := obj{}
	if g.chance(90) {
		c["svc"] = pick(g, "db", "web", "auth")
	}
	if g.chance(80) {
		c["ms"] = g.IntN(100)
	}
	if g.chance(60) {
		c["note"] = g.text()
	}
	if g.chance(40) {
		c["at"] = g.moment().Format("2006-01-02T15:04:05.000Z")
	}
	if g.chance(50) {
		l := list{}
		for range g.IntN(4) {
			l = append(l, obj{"code": pick(g, "200", "404", "500"), "ms": float64(g.IntN(40)) / 4})
		}
		c["tries"] = l
	}
	return c
}

// nestedQuery asks for the nested objects of a path; outside says that the query is not itself inside one.
func (g *generator) nestedQuery(path string, outside bool) obj {
	if outside && g.chance(25) {
		path = "calls.tries"
	}
	n := obj{"path": path, "query": g.inside(path, 2), "ignore_unmapped": true}
	if g.chance(50) {
		n["score_mode"] = pick(g, "avg", "sum", "min", "max", "none")
	}
	if g.chance(15) {
		n["boost"] = 2
	}
	return obj{"nested": n}
}

// inside is a query about one nested object.
func (g *generator) inside(path string, depth int) obj {
	if depth > 0 && g.chance(40) {
		b := obj{}
		for _, key := range []string{"must", "filter", "should", "must_not"} {
			if g.chance(45) {
				b[key] = list{g.inside(path, depth-1)}
			}
		}
		return obj{"bool": b}
	}
	if path == "calls.tries" {
		return pick(g, obj{"term": obj{"calls.tries.code": pick(g, "200", "404", "500")}}, obj{"range": obj{"calls.tries.ms": obj{"gte": g.IntN(10)}}}, obj{"match_all": obj{}})
	}
	return pick(g,
		obj{"term": obj{"calls.svc": pick(g, "db", "web", "none")}},
		obj{"terms": obj{"calls.svc": list{"db", "auth"}}},
		obj{"range": obj{"calls.ms": obj{"gte": g.IntN(60), "lt": 80}}},
		obj{"match": obj{"calls.note": g.text()}},
		obj{"match_phrase": obj{"calls.note": pick(g, "event processed", "error timeout", "event event")}},
		obj{"exists": obj{"field": pick(g, "calls.svc", "calls.note", "calls", "level")}},
		obj{"query_string": obj{"query": "calls.svc:d* AND calls.ms:>20"}},
		obj{"prefix": obj{"calls.svc": "a"}},
		obj{"match_all": obj{}},
		obj{"term": obj{"level": "INFO"}},
		obj{"nested": obj{"path": "calls.tries", "query": g.inside("calls.tries", 1), "ignore_unmapped": true}},
	)
}

// nestedAgg goes into the nested objects, often into those inside them, and often back again.
func (g *generator) nestedAgg() obj {
	back := func(path string) obj {
		r := obj{"reverse_nested": obj{}}
		switch {
		case path != "":
			r["reverse_nested"] = obj{"path": path}
			r["aggs"] = obj{"ms": obj{"max": obj{"field": "calls.ms"}}}
		case g.chance(70):
			r["aggs"] = obj{"l": obj{"terms": obj{"field": pick(g, "level", "n", "tags"), "size": 500}}, "n": obj{"sum": obj{"field": "n"}}}
		}
		return r
	}
	bucket := pick(g,
		obj{"terms": obj{"field": "calls.svc", "size": 10}},
		obj{"terms": obj{"field": "calls.ms", "size": 200}},
		obj{"histogram": obj{"field": "calls.ms", "interval": 20}},
		obj{"date_histogram": obj{"field": "calls.at", "calendar_interval": "day", "time_zone": pick(g, zones...)}},
		obj{"filter": g.inside("calls", 1)},
		obj{"filters": obj{"filters": obj{"a": g.inside("calls", 1), "b": g.inside("calls", 1)}, "other_bucket": true}},
		obj{"missing": obj{"field": "calls.svc"}},
		obj{"range": obj{"field": "calls.ms", "ranges": list{obj{"to": 20}, obj{"from": 20}}}},
	)
	subs := obj{"s": obj{"stats": obj{"field": "calls.ms"}}}
	if g.chance(50) {
		subs["back"] = back("")
	}
	if g.chance(40) {
		subs["in"] = obj{"nested": obj{"path": "calls.tries"}, "aggs": obj{"c": obj{"terms": obj{"field": "calls.tries.code"}, "aggs": obj{"up": back("calls"), "root": back("")}}}}
	}
	bucket["aggs"] = subs
	return obj{"nested": obj{"path": "calls"}, "aggs": obj{"b": bucket, "c": obj{"cardinality": obj{"field": "calls.svc"}}}}
}
