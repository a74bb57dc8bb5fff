package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Prefix is what every name that a case makes begins with.
const Prefix = "conformance-"

// runner runs one case.
type runner struct {
	url   string
	http  *http.Client
	vars  map[string]any
	body  any
	text  string
	code  int
	login func(*http.Request)
}

// Run runs a case against a server and is what did not hold, with file and line. User may be "name:password".
func (c Case) Run(ctx context.Context, url, user string) error {
	r := &runner{url: strings.TrimSuffix(url, "/"), http: &http.Client{Timeout: 30 * time.Second}, vars: map[string]any{}, login: func(req *http.Request) {
		if name, password, ok := strings.Cut(user, ":"); ok {
			req.SetBasicAuth(name, password)
		}
	}}
	if err := r.clean(ctx); err != nil {
		return fmt.Errorf("clean up before %q: %w", c.Name, err)
	}
	for _, s := range c.Steps {
		if err := r.step(ctx, s); err != nil {
			return fmt.Errorf("%s:%d: %w", s.File, s.Line, err)
		}
	}
	if err := r.clean(ctx); err != nil {
		return fmt.Errorf("clean up after %q: %w", c.Name, err)
	}
	return nil
}

// clean removes what cases make.
func (r *runner) clean(ctx context.Context) error {
	remove := func(list string, pick func(any) []string, path string) error {
		if err := r.request(ctx, "GET", list, nil); err != nil {
			return err
		}
		for _, name := range pick(r.body) {
			if !strings.HasPrefix(strings.TrimPrefix(name, ".ds-"), Prefix) {
				continue
			}
			if err := r.request(ctx, "DELETE", path+name, nil); err != nil {
				return err
			}
			if r.code >= 300 && r.code != 404 {
				return fmt.Errorf("DELETE %s%s: %s", path, name, r.text)
			}
		}
		return nil
	}
	named := func(key string) func(any) []string {
		return func(v any) []string {
			var out []string
			list, _ := dig(v, key, nil)
			items, _ := list.([]any)
			for _, item := range items {
				if m, ok := item.(map[string]any); ok {
					name, _ := m["name"].(string)
					out = append(out, name)
				}
			}
			return out
		}
	}
	keys := func(v any) []string {
		var out []string
		m, _ := v.(map[string]any)
		for k := range m {
			out = append(out, k)
		}
		return out
	}
	for _, err := range []error{
		remove("/_data_stream/"+Prefix+"*", named("data_streams"), "/_data_stream/"),
		remove("/"+Prefix+"*?expand_wildcards=all", keys, "/"),
		remove("/_index_template/"+Prefix+"*", named("index_templates"), "/_index_template/"),
		remove("/_component_template/"+Prefix+"*", named("component_templates"), "/_component_template/"),
		remove("/_ilm/policy", keys, "/_ilm/policy/"),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) request(ctx context.Context, method, path string, body []byte) error {
	for name, v := range r.vars {
		path = strings.ReplaceAll(path, "$"+name, fmt.Sprint(v))
		body = bytes.ReplaceAll(body, []byte("$"+name), fmt.Append(nil, v))
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	r.login(req)
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
		if strings.Contains(path, "_bulk") || strings.Contains(path, "_msearch") {
			req.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	res, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	r.code, r.text, r.body = res.StatusCode, string(raw), string(raw)
	if strings.Contains(res.Header.Get("Content-Type"), "json") && len(raw) > 0 {
		r.body = nil
		if err := json.Unmarshal(raw, &r.body); err != nil {
			return fmt.Errorf("the answer is no JSON: %w: %s", err, raw)
		}
	}
	return nil
}

func (r *runner) step(ctx context.Context, s Step) error {
	switch s.Kind {
	case "do":
		if err := r.request(ctx, s.Method, s.Path, s.Body); err != nil {
			return err
		}
		return r.caught(s)
	case "eventually":
		var last error
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
			last = nil
			for _, inner := range s.Steps {
				if last = r.step(ctx, inner); last != nil {
					break
				}
			}
			if last == nil {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
		return fmt.Errorf("not within 15 s: %w", last)
	}
	got, found := dig(r.body, s.At, r.vars)
	if s.At == "$status" {
		got, found = float64(r.code), true
	}
	want := r.substitute(s.Want)
	bad := func(verb string) error {
		return fmt.Errorf("%s: %s %v, but it is %v, in %.2000s", s.At, verb, show(want), show(got), r.text)
	}
	switch s.Kind {
	case "set":
		if !found {
			return bad("must be there")
		}
		r.vars[fmt.Sprint(s.Want)] = got
	case "match":
		if text, ok := want.(string); ok && len(text) > 1 && strings.HasPrefix(strings.TrimSpace(text), "/") && strings.HasSuffix(strings.TrimSpace(text), "/") {
			re, err := regexp.Compile("(?s)" + strings.Trim(strings.TrimSpace(text), "/"))
			if err != nil {
				return fmt.Errorf("bad expression: %w", err)
			}
			if !re.MatchString(fmt.Sprint(got)) {
				return bad("must match")
			}
			return nil
		}
		if !found && want != nil || !equal(got, want) {
			return bad("must be")
		}
	case "is_true":
		if !found || got == nil || got == false || got == "" || got == 0.0 || got == "false" {
			return bad("must be true, not")
		}
	case "is_false":
		if found && got != nil && got != false && got != "" && got != 0.0 && got != "false" {
			return bad("must be false, not")
		}
	case "length":
		n := -1
		switch x := got.(type) {
		case []any:
			n = len(x)
		case map[string]any:
			n = len(x)
		case string:
			n = len(x)
		}
		if float64(n) != toFloat(want) {
			return bad("must have the length")
		}
	case "gt", "gte", "lt", "lte":
		a, b := toFloat(got), toFloat(want)
		if !map[string]bool{"gt": a > b, "gte": a >= b, "lt": a < b, "lte": a <= b}[s.Kind] {
			return bad("must be " + s.Kind)
		}
	case "close_to":
		m, _ := want.(map[string]any)
		if math.Abs(toFloat(got)-toFloat(m["value"])) > toFloat(m["error"]) || math.IsNaN(toFloat(got)) {
			return bad("must be close to")
		}
	}
	return nil
}

// caught compares a request's status, and its error where one is expected: "missing", "conflict", "bad_request",
// "request", a status, or an expression for the answer.
func (r *runner) caught(s Step) error {
	codes := map[string]int{"missing": 404, "conflict": 409, "bad_request": 400, "forbidden": 403}
	switch {
	case s.Catch == "":
		if r.code >= 400 && s.Method != "HEAD" {
			return fmt.Errorf("%s %s: status %d: %s", s.Method, s.Path, r.code, r.text)
		}
		return nil
	case strings.HasPrefix(s.Catch, "/"):
		re, err := regexp.Compile("(?s)" + strings.Trim(s.Catch, "/"))
		if err != nil {
			return fmt.Errorf("bad expression: %w", err)
		}
		if r.code < 400 || !re.MatchString(r.text) {
			return fmt.Errorf("%s %s: must be refused with %s, but the answer is status %d: %s", s.Method, s.Path, s.Catch, r.code, r.text)
		}
		return nil
	}
	want := codes[s.Catch]
	if want == 0 {
		want, _ = strconv.Atoi(s.Catch)
	}
	if r.code != want {
		return fmt.Errorf("%s %s: status must be %d, but it is %d: %s", s.Method, s.Path, want, r.code, r.text)
	}
	return nil
}

func (r *runner) substitute(v any) any {
	if text, ok := v.(string); ok && strings.HasPrefix(text, "$") {
		if x, known := r.vars[text[1:]]; known {
			return x
		}
	}
	return v
}

// dig follows a path of keys and indices; "\." is a dot inside a key, "$body" the whole answer.
func dig(v any, path string, vars map[string]any) (any, bool) {
	if path == "$body" || path == "" {
		return v, true
	}
	const dot = "\x00"
	for _, key := range strings.Split(strings.ReplaceAll(path, `\.`, dot), ".") {
		key = strings.ReplaceAll(key, dot, ".")
		if strings.HasPrefix(key, "$") {
			if x, ok := vars[key[1:]]; ok {
				key = fmt.Sprint(x)
			}
		}
		switch x := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = x[key]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			v = x[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func toFloat(v any) float64 {
	switch x := v.(type) {
	case float64:
		return x
	case int:
		return float64(x)
	case string:
		if f, err := strconv.ParseFloat(x, 64); err == nil {
			return f
		}
	}
	return math.NaN()
}

func equal(got, want any) bool {
	switch w := want.(type) {
	case int, float64:
		if _, text := got.(string); text {
			return false
		}
		return toFloat(got) == toFloat(w)
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(w) {
			return false
		}
		for i := range w {
			if !equal(list[i], w[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		m, ok := got.(map[string]any)
		if !ok || len(m) != len(w) {
			return false
		}
		for k := range w {
			if x, ok := m[k]; !ok || !equal(x, w[k]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, want)
}

func show(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
