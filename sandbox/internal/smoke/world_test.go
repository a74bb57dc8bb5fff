package smoke

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

// world is a whole stack in this process, every part of it fake and well behaved. A test breaks one thing of it before
// the run and sees which checks notice.
type world struct {
	t     *testing.T
	stack *stack.Stack
	addr  stack.Addresses

	mu sync.Mutex
	fakePrometheus
	fakeLogs
	fakeJaeger
	fakeAlerts
	fakePlatform
	// answers replaces what a path answers: "component/port path".
	answers map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := stack.Load(filepath.Join("..", "..", "..", "stack"))
	require.NoError(t, err)
	w := &world{t: t, stack: s, answers: map[string]string{}, addr: stack.Addresses{
		Mode: "embedded", StackDir: s.Dir, Components: map[string]map[string]string{},
	}}
	w.startPlatform()
	w.startPrometheus()
	w.startJaeger()
	w.startLogs()
	w.startAlerts()
	w.serve("grafana", "http", map[string]handler{
		"GET /api/health": func(*http.Request) (any, error) {
			return jsonObject{"database": "ok", "version": "13.2.2"}, nil
		},
	})
	return w
}

// handler answers with JSON, or with text where the answer is a string.
type handler func(*http.Request) (any, error)

// httpError is an answer other than 200.
type httpError int

func (e httpError) Error() string { return http.StatusText(int(e)) }

// serve listens for a component's port; handlers run one at a time, with the world locked.
func (w *world) serve(component, port string, handlers map[string]handler) {
	mux := http.NewServeMux()
	for pattern, handle := range handlers {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if text, ok := w.answers[component+"/"+port+" "+r.URL.Path]; ok {
				fmt.Fprint(rw, text)
				return
			}
			value, err := handle(r)
			if component == "elasticsearch" {
				rw.Header().Set("X-Elastic-Product", "Elasticsearch")
			}
			if err != nil {
				status := http.StatusInternalServerError
				if code, ok := err.(httpError); ok {
					status = int(code)
				}
				rw.WriteHeader(status)
				_ = json.NewEncoder(rw).Encode(jsonObject{"status": "error", "error": err.Error()})
				return
			}
			if text, ok := value.(string); ok {
				fmt.Fprint(rw, text)
				return
			}
			_ = json.NewEncoder(rw).Encode(value)
		})
	}
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	w.listens(component, port, strings.TrimPrefix(server.URL, "http://"))
}

func (w *world) listens(component, port, address string) {
	if w.addr.Components[component] == nil {
		w.addr.Components[component] = map[string]string{}
	}
	w.addr.Components[component][port] = address
}

// checksIn gives the world a stack directory of its own, in which one place of a file says something else.
func (w *world) checksIn(name, old, with string) {
	own := *w.stack
	own.Dir = filepath.Join(w.t.TempDir(), "stack")
	require.NoError(w.t, os.CopyFS(own.Dir, os.DirFS(w.stack.Dir)))
	w.stack = &own
	data, err := os.ReadFile(own.Path(name))
	require.NoError(w.t, err)
	require.Contains(w.t, string(data), old)
	require.NoError(w.t, os.WriteFile(own.Path(name), []byte(strings.Replace(string(data), old, with, 1)), 0o644))
}

// checkedIn is a JSON file of the stack directory.
func (w *world) checkedIn(name string) any {
	data, err := os.ReadFile(w.stack.Path(name))
	require.NoError(w.t, err)
	var value any
	require.NoError(w.t, json.Unmarshal(data, &value))
	return value
}

// put changes one value of nested JSON.
func put(value any, value1 any, path ...string) {
	for _, key := range path[:len(path)-1] {
		value = value.(map[string]any)[key]
	}
	object := value.(map[string]any)
	if value1 == nil {
		delete(object, path[len(path)-1])
		return
	}
	object[path[len(path)-1]] = value1
}
