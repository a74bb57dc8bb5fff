package pipelines

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/report"
)

// The document's pipeline fails our cases, and by what is known to be wrong with it.
func TestDocument(t *testing.T) {
	t.Parallel()
	out, err := Run(t.Context(), Options{Settings: "testdata/document", Tests: []string{filepath.Join(ownTests, "main")}, Root: "../../.."})
	require.NoError(t, err)
	failed := map[string]string{}
	for _, r := range out.Report.Results {
		if r.Status == report.Fail {
			_, name, _ := strings.Cut(r.Name, ": ")
			failed[name] = r.Detail
		}
	}
	for name, want := range map[string][]string{
		// The level is not in the message: every standard event is tagged.
		"a line of the log standard keeps its fields and their types": {`+ tags: ["_grokparsefailure"]`},
		// The layer becomes a list and the index gets two names.
		"a layer in capitals would be no index name": {`"logs-Collection,collection-2024.01.15"`, `! layer: expected "collection"`, `["Collection","collection"]`},
		// An unknown service writes to an index called logs-%{layer}.
		"an unknown service goes to the fallback, never to an index called logs-%{layer}": {`logs-%{layer}-2024.01.15`},
		// What is missing below kubernetes becomes a literal reference.
		"a namespace without a pod": {`+ pod_name: "%{[kubernetes][pod][name]}"`},
		// A redelivered line gets another id.
		"pod and namespace are found under their short names": {`"document_id":"application-logs-2-42"`},
	} {
		for _, w := range want {
			require.Contains(t, failed[name], w, name)
		}
	}
}

// tree writes files into a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

const small = `input { stdin { id => "in" } }
filter {
  if [message] =~ /^a/ {
    grok { id => "g" match => { "message" => ["a%{INT:n:int}", "a %{WORD:w}"] } }
  } else {
    drop { }
  }
}
output { stdout { id => "out" } }`

func settings(pipeline string) map[string]string {
	return map[string]string{
		"s/logstash.yml": "pipeline.ecs_compatibility: disabled\n", "s/pipelines.yml": "- {pipeline.id: main, path.config: pipeline}\n", "s/pipeline/p.conf": pipeline,
	}
}

// runCases runs case files on a small pipeline.
func runCases(t *testing.T, files map[string]string, change func(*Options)) (*Outcome, string) {
	t.Helper()
	all := settings(small)
	for name, text := range files {
		all["tests/"+name] = text
	}
	dir := tree(t, all)
	opts := Options{Settings: filepath.Join(dir, "s"), Tests: []string{filepath.Join(dir, "tests")}, Root: dir}
	if change != nil {
		change(&opts)
	}
	out, err := Run(t.Context(), opts)
	require.NoError(t, err)
	return out, dir
}

func TestFormatsAndVerdicts(t *testing.T) {
	t.Parallel()
	const time1 = `"ignore": ["@timestamp"], `
	for _, c := range []struct {
		name  string
		files map[string]string
		// want are "status name|detail" of each result; detail is a part of it.
		want []string
	}{
		{"verifier, with fields and nested names to ignore", map[string]string{"c.json": `{` + time1 + `"fields": {"[x][y]": 1, "tags": ["t"]}, "testcases": [
			{"description": "number", "input": ["a1"], "expected": [{"message": "a1", "n": 1, "x": {"y": 1}, "tags": ["t"]}]},
			{"input": ["a1", "b"], "fields": {"z": "2"}, "expected": [{"message": "a1", "n": 1, "x": {"y": 1}, "z": "2", "tags": ["t"], "@version": "9"}]}]}`},
			[]string{"pass tests/c.json: number|", "pass tests/c.json: case 2|"}},
		{"verifier in YAML", map[string]string{"c.yml": "ignore: ['@timestamp']\ntestcases:\n  - input: [a1]\n    expected: [{message: a1, n: 1}]\n"}, []string{"pass tests/c.yml: case 1|"}},
		{"verifier, old form", map[string]string{"c.json": `{` + time1 + `"input": ["a1"], "expected": [{"message":"a1","n":1}]}`}, []string{"pass tests/c.json: case 1|"}},
		{"verifier, json_lines", map[string]string{"c.json": `{"codec": "json_lines", ` + time1 + `"testcases": [{"input": ["{\"message\":\"a1\",\"k\":1.5}"], "expected": [{"message":"a1","n":1,"k":1.5}]}]}`}, []string{"pass tests/c.json: case 1|"}},
		{"verifier, by the input's codec, metadata and outputs", map[string]string{"c.json": `{"input_plugin": "in", "export_metadata": true, "export_outputs": true, ` + time1 + `"fields": {"[@metadata][m]": 1}, "testcases": [
			{"input": ["a1"], "expected": [{"message":"a1","n":1,"@metadata":{"m":1},"_lfv_out_passed":"out"}]}]}`}, []string{"pass tests/c.json: case 1|"}},
		{"a difference", map[string]string{"c.json": "{" + time1 + "\n\"testcases\": [\n{\"description\": \"d\", \"input\": [\"a1\"], \"expected\": [{\"message\": \"a1\", \"n\": \"1\", \"m\": {\"k\": 1}}]}]}"},
			[]string{"fail tests/c.json: d|event 1:\n  - m: {\"k\":1}\n  ! n: expected \"1\"\n       but was 1"}},
		{"too few and too many", map[string]string{"c.json": `{` + time1 + `"testcases": [{"input": ["a1"], "expected": []}, {"description": "e", "input": ["b"], "expected": [{"message": "b"}]}]}`},
			[]string{"fail tests/c.json: case 1|0 events are expected, 1 came out\nevent 1:\n  + message: \"a1\"\n  + n: 1", "fail tests/c.json: e|1 events are expected, 0 came out\nevent 1:\n  - message: \"b\""}},
		{"sidecar: a value that changes", map[string]string{
			"c.json":        `{"testcases": [{"input": ["a1"], "expected": [{"message": "a1", "n": 1, "@timestamp": "any"}]}]}`,
			"c-config.yml":  "dynamic_fields: {\"@timestamp\": '\\d{4}-\\d\\d-\\d\\dT.*Z', n: '\\d'}\n",
			"d.json":        `{"testcases": [{"input": ["a12"], "expected": [{"message": "a12", "n": 1, "@timestamp": "any"}]}]}`,
			"d-config.yml":  "dynamic_fields: {\"@timestamp\": '.*', n: '\\d'}\n",
			"e.json":        `{"testcases": [{"input": ["a1"], "expected": []}]}`,
			"e-config.yml":  "skip: {reason: later, link: \"https://example.com/1\"}\n",
			"f.json":        `{` + time1 + `"testcases": [{"input": ["a7"], "expected": [{"message": "a7", "n": "7"}]}]}`,
			"f-config.yml":  "numeric_keyword_fields: [n]\n",
			"g.json":        `{"testcases": [{"input": ["a7"], "expected": []}]}`,
			"g-config.yml":  "dynamic_field: {}\n",
			"ignored.txt":   "no case file",
			".hidden.json":  "{",
			"h/x-other.log": "no case file either",
		}, []string{"pass tests/c.json: case 1|", "fail tests/d.json: case 1|! n: 12 does not match ^(?:\\d)$", "skip tests/e.json: case 1|later https://example.com/1", "pass tests/f.json: case 1|", "fail tests/g.json: the file can be read|unknown key \"dynamic_field\""}},
		{"elastic-package's events", map[string]string{
			"test-a.json":               `{"events": [{"message": "a1", "@timestamp": "2024-01-15T10:30:00Z"}, {"message": "b"}]}`,
			"test-a.json-expected.json": `{"expected": [{"message": "a1", "n": 1, "@timestamp": "2024-01-15T10:30:00.000Z"}, null]}`,
		}, []string{"pass tests/test-a.json: test-a.json|"}},
		{"each input is an event of its own, line ends and all", map[string]string{"c.json": `{"input_plugin": "in", ` + time1 + `"testcases": [{"input": ["a1\n\"x\"", "a2"], "expected": [{"message":"a1\n\"x\"","n":1},{"message":"a2","n":2}]}]}`}, []string{"pass tests/c.json: case 1|"}},
		{"elastic-package's configuration of a directory", map[string]string{
			"test-common-config.yml":    "fields: {k: 1}\ndynamic_fields: {\"@timestamp\": '.*'}\n",
			"test-a.json":               `{"events": [{"message": "a1"}]}`,
			"test-a.json-config.yml":    "fields: {l: 2}\n",
			"test-a.json-expected.json": `{"expected": [{"message": "a1", "n": 1, "k": 1, "l": 2}]}`,
		}, []string{"pass tests/test-a.json: test-a.json|"}},
		{"elastic-package's lines", map[string]string{
			"test-b.log":               "a1\n  more\na xy\n",
			"test-b.log-config.yml":    "multiline: {first_line_pattern: '^a'}\ndynamic_fields: {\"@timestamp\": '.*'}\n",
			"test-b.log-expected.json": `{"expected": [{"message": "a1\n  more", "n": 1}, {"message": "a xy", "w": "xy"}]}`,
		}, []string{"pass tests/test-b.log: test-b.log|"}},
		{"unknown keys and broken files say where", map[string]string{
			"a.json": "{\n\"testcase\": []}", "b.json": "{\n\n", "c.json": "{\"testcases\": [\n{\"input\": [\"a\"], \"expected\": [1]}]}", "d.json": "{}", "e.json": `{"testcases": [{"expected": []}]}`,
		}, []string{"fail tests/a.json: the file can be read|unknown key \"testcase\"", "fail tests/b.json: the file can be read|unexpected EOF", "fail tests/c.json: the file can be read|expected: expected an object", "fail tests/d.json: the file can be read|the file has no cases", "fail tests/e.json: the file can be read|the case has no input"}},
		{"no such input", map[string]string{"a.json": `{"input_plugin": "x", "testcases": [{"input": ["a"], "expected": []}]}`}, []string{"fail tests/a.json: the file names its pipeline|no pipeline for the cases"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, _ := runCases(t, c.files, nil)
			var got []string
			for i, r := range out.Report.Results {
				line := string(r.Status) + " " + r.Name
				if i < len(c.want) {
					head, detail, _ := strings.Cut(c.want[i], "|")
					require.Contains(t, r.Detail, detail, head)
					line += "|" + detail
				}
				got = append(got, line)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	out, _ := runCases(t, map[string]string{
		"a.json": "{\n\"testcases\": [\n{\"input\": [\"a1\"],\n\"expected\": []},\n\n{\"input\": [\"a1\"],\n\"expected\": []}]}", "b.yml": "ignore: []\ntestcases:\n  - {input: [a], expected: []}\n\n  - {description: two, input: [a], expected: []}\n",
		"c.json": "{\n\"testcase\": []}",
	}, nil)
	var places []string
	for _, r := range out.Report.Results {
		places = append(places, fmt.Sprintf("%s:%d", r.File, r.Line))
	}
	require.Equal(t, []string{"tests/a.json:3", "tests/a.json:6", "tests/b.yml:3", "tests/b.yml:5", "tests/c.json:2"}, places)
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.json": `{"ignore": ["@timestamp"], "testcases": [{"input": ["a1"], "expected": [{"message": "a1", "n": 1}]}]}`}
	out, _ := runCases(t, files, func(o *Options) { o.Coverage = 80 })
	last := out.Report.Results[len(out.Report.Results)-1]
	require.Equal(t, report.Fail, last.Status)
	require.Equal(t, "s/pipeline/p.conf", last.File)
	require.Contains(t, last.Detail, "42.9% of 7 filters, branches, patterns and outputs; no case reaches\ns/pipeline/p.conf:4: pattern a %{WORD:w}\ns/pipeline/p.conf:5: branch else\ns/pipeline/p.conf:6: filter drop\ns/pipeline/p.conf:9: output stdout out")
	// The cases that reach the rest.
	files["b.json"] = `{"ignore": ["@timestamp"], "export_outputs": true, "testcases": [{"input": ["a b", "b"], "expected": [{"message": "a b", "w": "b", "_lfv_out_passed": "out"}]}]}`
	out, _ = runCases(t, files, func(o *Options) { o.Coverage = 100 })
	require.True(t, out.Report.OK(), "%+v", out.Report.Results)
	require.Empty(t, out.Coverage.Missing())
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"a.json":      `{"ignore": ["@timestamp"], "testcases": [{"description": "<d>", "input": ["a1"], "expected": [{"old": 1}]}]}`,
		"test-b.json": `{"events": [{"message": "a2", "@timestamp": "2024-01-15T10:30:00Z"}]}`,
	}
	out, dir := runCases(t, files, func(o *Options) { o.Update = true })
	require.True(t, out.Report.OK())
	require.Len(t, out.Updated, 2)
	again, err := Run(t.Context(), Options{Settings: filepath.Join(dir, "s"), Tests: []string{filepath.Join(dir, "tests")}, Root: dir})
	require.NoError(t, err)
	require.True(t, again.Report.OK(), "%+v", again.Report.Results)
	data, err := os.ReadFile(filepath.Join(dir, "tests", "a.json"))
	require.NoError(t, err)
	require.Equal(t, "{\n  \"ignore\": [\n    \"@timestamp\"\n  ],\n  \"testcases\": [\n    {\n      \"description\": \"<d>\",\n      \"input\": [\n        \"a1\"\n      ],\n      \"expected\": [\n        {\n          \"message\": \"a1\",\n          \"n\": 1\n        }\n      ]\n    }\n  ]\n}\n", string(data))
}

func TestRunSelects(t *testing.T) {
	t.Parallel()
	out, _ := runCases(t, map[string]string{"a.json": `{"testcases": [{"description": "x", "input": ["b"], "expected": []}, {"description": "y", "input": ["b"], "expected": []}]}`},
		func(o *Options) { o.Run = regexp.MustCompile("a.json: y"); o.Coverage = 100 })
	require.Len(t, out.Report.Results, 1)
}

func TestCannotRun(t *testing.T) {
	t.Parallel()
	dir := tree(t, settings("filter { nothing { } }"))
	_, err := Run(t.Context(), Options{Settings: filepath.Join(dir, "s"), Tests: []string{dir}})
	require.ErrorContains(t, err, "unknown filter plugin")
	dir = tree(t, settings(small))
	_, err = Run(t.Context(), Options{Settings: filepath.Join(dir, "s"), Tests: []string{filepath.Join(dir, "none")}})
	require.ErrorContains(t, err, "find case files")
	_, err = Run(t.Context(), Options{Settings: filepath.Join(dir, "s"), Tests: []string{filepath.Join(dir, "s", "pipeline")}})
	require.ErrorContains(t, err, "no case files")
}

// BenchmarkThousandCases is a thousand cases of our own pipeline, files read and pipelines compiled each time.
func BenchmarkThousandCases(b *testing.B) {
	var cases []string
	for i := range 1000 {
		cases = append(cases, fmt.Sprintf(`{"description": "case %d", "input": ["{\"service\":\"query-api\",\"message\":\"m%d\"}"], "expected": [{"message":"m%d","service":"query-api","layer":"storage"}]}`, i, i, i))
	}
	dir := b.TempDir()
	file := filepath.Join(dir, "cases.json")
	require.NoError(b, os.WriteFile(file, []byte(`{"input_plugin": "application-logs", "ignore": ["@timestamp"], "testcases": [`+strings.Join(cases, ",")+`]}`), 0o644))
	for b.Loop() {
		start := time.Now()
		out, err := Run(b.Context(), Options{Settings: ownSettings, Tests: []string{file}})
		require.NoError(b, err)
		require.Equal(b, 1000, out.Report.Count(report.Pass), "%+v", out.Report.Results[0])
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/1000-cases")
	}
}
