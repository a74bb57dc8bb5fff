package conformance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"obsandbox/sandbox/internal/elastic"
)

var (
	seed      = flag.Uint64("seed", 1, "of the questions of TestDiffer")
	questions = flag.Int("questions", 150, "number of questions of TestDiffer")
	modules   = flag.Bool("modules", true, "whether TestDiffer asks for aggregations and scripts that are modules of Elasticsearch")
	pipelines = flag.Bool("pipelines", false, "whether TestDiffer asks for pipeline aggregations only")
	plain     = flag.Bool("plain", false, "whether TestDiffer leaves out flattened fields, which the open distribution of old versions has not")
	shown     = flag.Int("differences", 20, "number of differences that TestDiffer shows at most")
)

// TestDiffer asks two servers the same random questions. With -against the other is a real cluster; else it is our own
// store with the same documents in many segments, replaced and deleted ones among them, after a restart.
func TestDiffer(t *testing.T) {
	a := startStore(t)
	fill(t, a, false)
	b := *against
	if b == "" {
		b = scattered(t)
	} else {
		fill(t, b, false)
	}
	g := differGenerator()
	n := 0
	compare(t, a, b, func() question {
		if n++; *modules && (*pipelines || n%5 == 0) {
			return g.pipelineSearch()
		}
		return g.search()
	})
}

func differGenerator() *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(*seed, 7)), modules: *modules, scores: *against != "", keep: "keep_values"}
	if *plain {
		g.keep = "skip"
	}
	return g
}

func compare(t *testing.T, a, b string, next func() question) {
	compareEach(t, a, b, *questions, next)
}

var seenDifferences = map[string]bool{}

func compareEach(t *testing.T, a, b string, n int, next func() question) {
	seen := seenDifferences
	refused, count, good := map[string]int{}, 0, 0
	type answered struct {
		question
		ours, theirs any
	}
	all := make([]answered, n)
	var g errgroup.Group
	g.SetLimit(6)
	for i := range all {
		x := &all[i]
		x.question = next()
		g.Go(func() (err error) {
			x.bare = *against == "" // replaced documents count in scores until they are merged away
			if x.ours, err = ask(t, a, x.question); err == nil {
				x.theirs, err = ask(t, b, x.question)
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	for _, q := range all {
		ours, theirs := q.ours, q.theirs
		if text := encode(ours); strings.Contains(text, "supported by this store") {
			refused[unsupported.FindString(text)]++
			continue
		}
		diff := difference("", ours, theirs)
		if strings.HasPrefix(diff, ".answer") {
			diff += fmt.Sprintf(" (here %.300s, there %.400s)", encode(brief(ours)), encode(brief(theirs)))
		}
		if diff == "" {
			good++
			continue
		}
		sign := regexp.MustCompile(`[0-9]+(\.[0-9]+)?(E-?[0-9]+)?`).ReplaceAllString(diff, "#")
		if len(sign) > 150 {
			sign = sign[:150]
		}
		if count++; seen[sign] || len(seen) >= *shown {
			continue
		}
		seen[sign] = true
		t.Errorf("%s\n  %s %s %s", diff, q.Method, q.Path, q.Body)
	}
	if n == 1 {
		return
	}
	t.Logf("%d alike, %d different, refused here: %v", good, count, refused)
}

var unsupported = regexp.MustCompile(`[^"]*supported by this store`)

func fill(t *testing.T, url string, scatter bool) {
	t.Helper()
	must := func(q question) {
		answer, err := ask(t, url, q)
		require.NoError(t, err)
		res := answer.(obj)
		require.Contains(t, []any{200, 404}, res["answer"], "%v", res)
		if items, ok := res["body"].(obj); ok && items["errors"] == true {
			require.Fail(t, "bulk", "%.2000s", encode(items))
		}
	}
	g := &generator{Rand: rand.New(rand.NewPCG(42, 7))}
	for _, index := range []string{differA, differB} {
		must(question{Method: "DELETE", Path: "/" + index})
		mappings := differMappings[index]
		if *plain {
			mappings = strings.ReplaceAll(mappings, `"flattened"`, `"object"`)
		}
		must(question{Method: "PUT", Path: "/" + index, Body: `{"settings":{"number_of_shards":1,"number_of_replicas":0},"mappings":` + mappings + `}`})
		n := map[string]int{differA: 300, differB: 80}[index]
		var bulk strings.Builder
		for i := range n {
			doc := encode(g.document(index, i))
			if scatter && i%20 == 0 {
				fmt.Fprintf(&bulk, "{\"index\":{\"_id\":\"%d\"}}\n%s\n{\"index\":{\"_id\":\"gone-%d\"}}\n%s\n", i, encode(obj{"id": "old", "level": "OLD", "n": 7, "at": "2024-03-30T00:00:00.000Z"}), i, doc)
				must(question{Method: "POST", Path: "/" + index + "/_bulk?refresh=true", Body: bulk.String()})
				bulk.Reset()
				fmt.Fprintf(&bulk, "{\"delete\":{\"_id\":\"gone-%d\"}}\n", i)
			}
			fmt.Fprintf(&bulk, "{\"index\":{\"_id\":\"%d\"}}\n%s\n", i, doc)
		}
		must(question{Method: "POST", Path: "/" + index + "/_bulk?refresh=true", Body: bulk.String()})
		if !scatter {
			must(question{Method: "POST", Path: "/" + index + "/_forcemerge?max_num_segments=1"})
		}
	}
}

// scattered is a store whose documents came in many refreshes and that was started again since.
func scattered(t *testing.T) string {
	dir := t.TempDir()
	run := func() (string, func()) {
		ctx, cancel := context.WithCancel(context.Background())
		ready, done := make(chan net.Addr, 1), make(chan error, 1)
		go func() {
			done <- elastic.Run(ctx, elastic.Config{Listen: "127.0.0.1:0", Data: dir, Ready: func(a net.Addr) { ready <- a }}, slog.New(slog.NewTextHandler(io.Discard, nil)))
		}()
		select {
		case at := <-ready:
			return "http://" + at.String(), func() { cancel(); require.NoError(t, <-done) }
		case err := <-done:
			cancel()
			require.NoError(t, err)
		}
		return "", nil
	}
	url, stop := run()
	fill(t, url, true)
	stop()
	url, stop = run()
	t.Cleanup(stop)
	return url
}

func ask(t *testing.T, url string, q question) (any, error) {
	req, err := http.NewRequestWithContext(t.Context(), q.Method, url+q.Path, bytes.NewBufferString(q.Body))
	if err != nil {
		return nil, err
	}
	if q.Body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var body any
	if json.Unmarshal(raw, &body) != nil {
		body = string(raw)
	}
	if q.bare {
		unscored(body)
	}
	return obj{"answer": res.StatusCode, "body": tidy("", body)}, nil
}

// unscored removes scores and what else tells the order of writing.
func unscored(v any) {
	switch x := v.(type) {
	case obj:
		for _, name := range []string{"_score", "max_score", "_seq_no", "_version"} {
			delete(x, name)
		}
		for _, child := range x {
			unscored(child)
		}
	case list:
		for _, child := range x {
			unscored(child)
		}
	}
}

// tidy removes what two servers cannot have in common and orders what has no order.
func tidy(key string, v any) any {
	switch x := v.(type) {
	case obj:
		if key == "root_cause" || x["root_cause"] == nil && x["type"] != nil && x["reason"] != nil {
			delete(x, "index")
		}
		for _, name := range []string{"took", "_shards", "index_uuid", "node", "shard", "stack_trace", "grouped", "failed_shards", "caused_by", "doc_count_error_upper_bound", "_seq_no"} {
			delete(x, name)
		}
		for k := range x {
			x[k] = tidy(k, x[k])
		}
		if reason, ok := x["reason"].(string); ok {
			x["reason"], _, _ = strings.Cut(reason, "\n")
		}
	case list:
		for i := range x {
			x[i] = tidy("", x[i])
		}
		if key == "root_cause" && len(x) > 1 {
			return x[:1]
		}
		if key == "hits" {
			slices.SortStableFunc(x, func(a, b any) int {
				return strings.Compare(fmt.Sprint(a.(obj)["_index"], a.(obj)["_id"]), fmt.Sprint(b.(obj)["_index"], b.(obj)["_id"]))
			})
		}
	}
	return v
}

// difference is the first place where two answers are not alike; empty where they are.
func difference(at string, a, b any) string {
	here := func() string {
		return fmt.Sprintf("%s: here %.600s, there %.600s", at, encode(a), encode(b))
	}
	switch x := a.(type) {
	case obj:
		y, ok := b.(obj)
		if !ok {
			return here()
		}
		keys := map[string]bool{}
		for k := range x {
			keys[k] = true
		}
		for k := range y {
			keys[k] = true
		}
		names := []string{}
		for k := range keys {
			names = append(names, k)
		}
		// How many hits there are says more than which.
		slices.SortFunc(names, func(a, b string) int {
			rank := map[string]int{"total": -3, "doc_count": -2, "hits": -1}
			return cmp.Or(rank[a]-rank[b], strings.Compare(a, b))
		})
		for _, k := range names {
			va, ina := x[k]
			vb, inb := y[k]
			if ina != inb {
				return fmt.Sprintf("%s.%s: here %.500s, there %.500s", at, k, presence(va, ina), presence(vb, inb))
			}
			if d := difference(at+"."+k, va, vb); d != "" {
				return d
			}
		}
		return ""
	case list:
		y, ok := b.(list)
		if !ok || len(x) != len(y) {
			return here()
		}
		for i := range x {
			if d := difference(fmt.Sprintf("%s.%d", at, i), x[i], y[i]); d != "" {
				return d
			}
		}
		return ""
	case float64:
		y, ok := b.(float64)
		if !ok || math.Abs(x-y) > 2e-6*max(math.Abs(x), math.Abs(y), 1e-6) {
			return here()
		}
		return ""
	}
	if encode(a) != encode(b) {
		return here()
	}
	return ""
}

// brief is an answer's error, or the answer where there is none.
func brief(v any) any {
	body, _ := v.(obj)["body"].(obj)
	if e, ok := body["error"].(obj); ok {
		if roots, ok := e["root_cause"].(list); ok && len(roots) > 0 {
			return roots[0]
		}
		return e
	}
	return v
}

func presence(v any, there bool) string {
	if !there {
		return "nothing"
	}
	return encode(v)
}
