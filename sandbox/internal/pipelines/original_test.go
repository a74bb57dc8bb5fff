package pipelines

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/logstash"
	"obsandbox/sandbox/internal/ports"
	"obsandbox/sandbox/internal/report"
)

var against = flag.String("against", "", "run TestAgainst's cases through this program or URL instead of our own runner")

// actsAs makes the test binary act as the program bin/logstash.
const actsAs = "PIPELINES_ACT_AS_LOGSTASH"

func TestMain(m *testing.M) {
	if os.Getenv(actsAs) == "" || len(os.Args) < 2 || os.Args[1] != "--path.settings" {
		os.Exit(m.Run())
	}
	flags := flag.NewFlagSet("logstash", flag.ExitOnError)
	settings, data := flags.String("path.settings", "", ""), flags.String("path.data", "", "")
	flags.String("path.logs", "", "")
	_ = flags.Parse(os.Args[1:])
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := logstash.Run(ctx, logstash.Config{Settings: *settings, API: "127.0.0.1:0", Data: *data}, log); err != nil {
		log.Error("ended", "error", err)
		os.Exit(1)
	}
}

// program is what TestAgainst runs cases through: our own runner, by the same way as the original.
func program(t *testing.T) string {
	t.Helper()
	if *against != "" {
		return *against
	}
	script := filepath.Join(t.TempDir(), "logstash")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nexport "+actsAs+"=1\nexec '"+os.Args[0]+"' \"$@\"\n"), 0o755))
	return script
}

// Our own cases pass by way of another Logstash as they do in this process: the harness changes nothing.
func TestAgainst(t *testing.T) {
	t.Parallel()
	out, err := Run(t.Context(), Options{Settings: ownSettings, Tests: []string{ownTests}, Against: program(t), Root: "../../.."})
	require.NoError(t, err)
	for _, r := range out.Report.Results {
		require.Equal(t, report.Pass, r.Status, "%s: %s", r.Name, r.Detail)
	}
	require.Greater(t, len(out.Report.Results), 20)
}

const harnessed1 = `# a comment with a } brace
input { stdin { id => "in" tags => ["from input"] } tcp { id => "lines" port => 1 codec => multiline { pattern => "^\s" what => "previous" } } }
filter {
  if [message] =~ /^\/\{/ { mutate { add_tag => ['a "quote" and a # sign }'] } }
  else if [n] and [n] > 1 and "x" in [tags] { mutate { add_field => { "[big][y]" => "%{n}" } } }
  else if [message] == "drop" { drop { } }
}
filter { if [message] =~ "split" { split { terminator => "," } } }
output {
  if [n] { file { id => "numbers" path => "/tmp/n-%{n}" } } else { stdout { id => "rest" } }
}`

// What a harness has to carry: fields of all types, metadata, lines that belong together, events that become none or
// several, text that looks like syntax, outputs.
func TestAgainstCarriesEverything(t *testing.T) {
	t.Parallel()
	all := settings(harnessed1)
	all["tests/a.json"] = `{"ignore": ["@timestamp"], "export_metadata": true, "export_outputs": true, "testcases": [
		{"description": "types", "input": ["m ä"], "fields": {"n": 2, "tags": ["x"], "[a][b]": {"c": [1.5, true, null, "€ 𝄞"]}, "@metadata": {"k": {"l": 1}}},
		 "expected": [{"message": "m ä", "n": 2, "tags": ["x"], "a": {"b": {"c": [1.5, true, null, "€ 𝄞"]}}, "big": {"y": "2"}, "@metadata": {"k": {"l": 1}}, "_lfv_out_passed": "numbers"}]},
		{"description": "dropped and split", "input": ["drop", "split,b"], "expected": [
			{"message": "split", "@metadata": {}, "_lfv_out_passed": "rest"}, {"message": "b", "@metadata": {}, "_lfv_out_passed": "rest"}]},
		{"description": "syntax in strings", "input": ["/{"], "expected": [{"message": "/{", "tags": ["a \"quote\" and a # sign }"], "@metadata": {}, "_lfv_out_passed": "rest"}]}]}`
	all["tests/b.json"] = `{"ignore": ["@timestamp"], "input_plugin": "lines", "testcases": [{"input": ["a", " b", "c"], "expected": [{"message": "a\n b", "tags": ["multiline"]}, {"message": "c"}]}]}`
	all["tests/c.json"] = `{"ignore": ["@timestamp"], "input_plugin": "in", "testcases": [{"input": ["a"], "expected": [{"message": "a", "tags": ["from input"]}]}]}`
	all["tests/test-d.json"] = `{"events": [{"message": "a", "@timestamp": "2024-01-15T10:30:00.123Z"}, {"message": "drop"}]}`
	all["tests/test-d.json-expected.json"] = `{"expected": [{"message": "a", "@timestamp": "2024-01-15T10:30:00.123Z"}]}`
	all["tests/wrong.json"] = `{"ignore": ["@timestamp"], "testcases": [{"input": ["a"], "expected": [{"message": "b"}]}]}`
	dir := tree(t, all)
	opts := Options{Settings: filepath.Join(dir, "s"), Tests: []string{filepath.Join(dir, "tests")}, Root: dir}
	for _, by := range []string{"", program(t)} {
		opts.Against = by
		out, err := Run(t.Context(), opts)
		require.NoError(t, err)
		require.Len(t, out.Report.Results, 7)
		for _, r := range out.Report.Results {
			if r.File == "tests/wrong.json" {
				require.Equal(t, report.Fail, r.Status)
				require.Equal(t, "event 1:\n  ! message: expected \"b\"\n             but was \"a\"", r.Detail)
				continue
			}
			require.Equal(t, report.Pass, r.Status, "%q: %s: %s", by, r.Name, r.Detail)
		}
	}
}

// twoPorts is the first of two in a row that nobody has.
func twoPorts(t *testing.T) int {
	t.Helper()
	for {
		claim, err := ports.Take(t.Context(), false)
		require.NoError(t, err)
		t.Cleanup(func() { _ = claim.Close() })
		next, err := ports.Hold(t.Context(), claim.Number+1, false)
		require.NoError(t, claim.Let())
		if err == nil {
			require.NoError(t, next.Close())
			return claim.Number
		}
	}
}

// A Logstash that runs elsewhere: its settings are written, and it is found by its URL.
func TestAgainstURL(t *testing.T) {
	t.Parallel()
	dir := tree(t, settings(small))
	tests := tree(t, map[string]string{"a.json": `{"ignore": ["@timestamp"], "testcases": [{"input": ["a1"], "expected": [{"message": "a1", "n": 1}]}]}`})
	url := "http://127.0.0.1:" + strconv.Itoa(twoPorts(t))
	opts := Options{Settings: filepath.Join(dir, "s"), Tests: []string{tests}}
	harness := t.TempDir()
	require.NoError(t, WriteHarness(harness, url, opts))
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- logstash.Run(ctx, logstash.Config{Settings: harness, API: "127.0.0.1:0", Data: t.TempDir()}, slog.New(slog.DiscardHandler))
	}()
	opts.Against = url
	out, err := Run(t.Context(), opts)
	require.NoError(t, err)
	require.True(t, out.Report.OK(), "%+v", out.Report.Results)
	cancel()
	require.NoError(t, <-ended)
}

func TestAgainstNothing(t *testing.T) {
	t.Parallel()
	dir := tree(t, settings(small))
	tests := tree(t, map[string]string{"a.json": `{"testcases": [{"input": ["a1"], "expected": []}]}`})
	opts := Options{Settings: filepath.Join(dir, "s"), Tests: []string{tests}}
	for name, want := range map[string]string{
		"/nowhere/logstash": "start the other Logstash: fork/exec /nowhere/logstash: no such file or directory",
		"/bin/false":        "the other Logstash ended: exit status 1",
		"ftp://x":           "expected http://HOST:PORT",
	} {
		opts.Against = name
		_, err := Run(t.Context(), opts)
		require.ErrorContains(t, err, want, name)
	}
	opts.Against = "http://127.0.0.1:1"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, opts)
	require.ErrorContains(t, err, "connect to the results of the pipeline main")
}
