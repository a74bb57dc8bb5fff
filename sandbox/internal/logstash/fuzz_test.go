package logstash

import (
	"strings"
	"testing"
	"time"

	"obsandbox/sandbox/internal/logstash/event"
)

// FuzzCompile: whatever stands in a pipeline file, it is compiled or refused with a place, and what compiles runs.
func FuzzCompile(f *testing.F) {
	for _, file := range []string{"logstash.conf", "dead-letters.conf"} {
		f.Add(readText(f, stackDir+"/pipeline/"+file))
	}
	f.Add(`filter { if [a] in ["b","c"] and !([d] =~ /x/) or "e" not in [f] { grok { match => { "a" => "%{INT:b:int}" } } } else if [g] >= 5 { drop { } } else { mutate { gsub => ["a","b","c"] } } }`)
	f.Add(`filter { date { match => ["a", "ISO8601", "yyyy-MM-dd'T'HH:mm:ss.SSSZZ"] } kv { } dissect { mapping => { "message" => "%{a} %{+a/2} %{&b} %{?c->}" } } }`)
	f.Add(`input { stdin { codec => multiline { pattern => "^\s" what => "previous" } } } output { stdout { codec => rubydebug } }`)
	now := func() time.Time { return clock }
	f.Fuzz(func(t *testing.T, text string) {
		s := defaultSettings(".", t.TempDir(), func(string) (string, bool) { return "", false })
		p, err := CompileText("fuzz.conf", text, s, now)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.conf:") {
				t.Fatalf("no place: %v", err)
			}
			return
		}
		p.Filter([]*event.Event{
			event.FromMap(map[string]any{"message": "a=1 b 2024-01-15", "a": int64(1), "l": []any{"x", nil}, "h": map[string]any{"k": 1.5}}, clock),
			event.FromMap(map[string]any{}, clock),
		})
	})
}
