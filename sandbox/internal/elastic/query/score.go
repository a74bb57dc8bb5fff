package query

import (
	"math"

	"obsandbox/sandbox/internal/elastic/engine"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/segment"
)

// BM25's constants, Elasticsearch's defaults.
const (
	k1 = 1.2
	b  = 0.75
)

type statKey struct{ field, term string }

// stats of a term over the whole index, deleted documents included, as Lucene counts.
type stats struct {
	docFreq, docCount int
	avgLen            float64
}

func (c *Context) termStats(f *mapping.Field, term string) stats {
	key := statKey{f.Name, term}
	c.mu.Lock()
	defer c.mu.Unlock()
	if st, ok := c.stats[key]; ok {
		return st
	}
	var st stats
	var sum int64
	for _, v := range c.Views {
		sf := v.Field(storage(f))
		if sf == nil || !sf.Indexed() {
			continue
		}
		if sf.Norms != nil {
			st.docCount += sf.DocCount
			sum += sf.SumLen
		} else if sf.Ords != nil {
			st.docCount += sf.Ords.Count
			sum += int64(sf.Ords.Values())
		} else {
			st.docCount += v.Docs()
		}
		if ord, ok := sf.Dict.Find(term); ok {
			st.docFreq += sf.DocFreq(ord)
		}
	}
	if st.docCount > 0 {
		st.avgLen = float64(sum) / float64(st.docCount)
	}
	if c.stats == nil {
		c.stats = map[statKey]stats{}
	}
	c.stats[key] = st
	return st
}

// truthWeight is the score of a truth value: booleans are terms to Lucene, other numbers are not.
func (c *Context) truthWeight(f *mapping.Field, value int64) float64 {
	var st stats
	sum := 0
	for _, v := range c.Views {
		sf := v.Field(f.Name)
		if sf == nil || sf.Num == nil {
			continue
		}
		st.docCount += sf.Num.Count
		for _, x := range []int64{0, 1} {
			have := newBits(v)
			sf.Num.Between(x, x, have)
			sum += have.Count()
			if x == value {
				st.docFreq += have.Count()
			}
		}
	}
	if st.docCount == 0 {
		return 1
	}
	return st.idf() * tf(1, nil, 0, float64(sum)/float64(st.docCount))
}

func (s stats) idf() float64 {
	n := float64(s.docFreq)
	return math.Log(1 + (float64(max(s.docCount, s.docFreq))-n+0.5)/(n+0.5))
}

// tf is the part of a score that depends on the document; norms is nil for fields without.
func tf(freq float64, norms *segment.Column, doc int, avgLen float64) float64 {
	norm := k1
	if avgLen > 0 {
		// Without norms every document counts as one term long.
		length := 1
		if norms != nil {
			if raw, ok := norms.First(doc); ok {
				length = segment.NormLength(byte(raw))
			}
		}
		norm = k1 * (1 - b + b*float64(length)/avgLen)
	}
	return (k1 + 1) * freq / (freq + norm)
}

// storage is the name under which a field's values are stored.
func storage(f *mapping.Field) string {
	if f.Key != "" {
		return f.Name[:len(f.Name)-len(f.Key)-1] + "._keyed"
	}
	return f.Name
}

// postingScorer scores one term.
type postingScorer struct {
	docs   []uint32
	at     int
	pos    *segment.Positions
	norms  *segment.Column
	avg    float64
	weight float64
}

func (p *postingScorer) Score(doc int) float64 {
	for p.at < len(p.docs) && int(p.docs[p.at]) < doc {
		if p.pos != nil {
			p.pos.Skip()
		}
		p.at++
	}
	if p.at >= len(p.docs) || int(p.docs[p.at]) != doc {
		return 0
	}
	freq := 1
	if p.pos != nil {
		freq = p.pos.Skip()
		p.at++
	}
	return p.weight * tf(float64(freq), p.norms, doc, p.avg)
}

// constScorer gives every matching document the same score.
type constScorer struct {
	bits  Bits
	score float64
}

func (c constScorer) Score(doc int) float64 {
	if c.bits.Has(doc) {
		return c.score
	}
	return 0
}

func constant(n Node, v *engine.View, score float64) Scorer {
	if score == 0 {
		return nil
	}
	return constScorer{n.Match(v), score}
}

// sumScorer adds up.
type sumScorer []Scorer

func (s sumScorer) Score(doc int) float64 {
	total := 0.0
	for _, part := range s {
		total += part.Score(doc)
	}
	return total
}

// maxScorer is a dis_max: the best and a share of the others.
type maxScorer struct {
	parts []Scorer
	tie   float64
}

func (m maxScorer) Score(doc int) float64 {
	best, sum := 0.0, 0.0
	for _, part := range m.parts {
		s := part.Score(doc)
		sum += s
		best = max(best, s)
	}
	return best + m.tie*(sum-best)
}
