// Package fake is a Dagger session without an engine, for tests: it answers the SDK's queries with ids that say what was
// asked for, and remembers them. Import it and the SDK finds it; its path sorts before the SDK's package, which looks for
// a session when it is initialized, and packages that are ready are initialized in the order of their paths.
package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Session is the only one: the SDK knows no more than one.
var Session = start()

// Recorder is what the session was asked.
type Recorder struct {
	mu    sync.Mutex
	ids   map[string]string
	calls []string
	// Command answers what the sandbox command writes, given its arguments, or an error with what it says.
	Command func(args []string) (string, error)
	// Answer gives the value of a leaf such as exitCode, given what it was asked of; nil for the usual one.
	Answer func(chain, leaf string) any
}

// ExecError is how a program in a container has failed; Answer may give one.
type ExecError struct {
	ExitCode int
	Stderr   string
}

func (e *ExecError) Error() string { return e.Stderr }

// Source is the id of the source directory.
const Source = "source"

func start() *Recorder {
	r := &Recorder{ids: map[string]string{Source: "SOURCE"}}
	server := httptest.NewServer(r)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err == nil {
		err = os.Setenv("DAGGER_SESSION_PORT", port)
	}
	if err == nil {
		err = os.Setenv("DAGGER_SESSION_TOKEN", "fake")
	}
	if err != nil {
		panic(err)
	}
	return r
}

// Reset forgets what was asked.
func (r *Recorder) Reset(answer func(chain, leaf string) any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls, r.Answer = nil, answer
}

// Calls are the chains that were evaluated, in their order: `container.from(docker.io/prom/prometheus:v3)…`.
func (r *Recorder) Calls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.calls...)
}

// Chain is what an id stands for.
func (r *Recorder) Chain(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ids[id]
}

// ServeHTTP answers one query.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Query string `json:"query"`
	}
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := map[string]any{}
	if data, err := r.answer(body.Query); err != nil {
		exec := &ExecError{ExitCode: 2, Stderr: err.Error()}
		errors.As(err, &exec)
		answer["errors"] = []any{map[string]any{"message": "exit code", "extensions": map[string]any{
			"_type": "EXEC_ERROR", "cmd": []string{}, "exitCode": exec.ExitCode, "stdout": "", "stderr": exec.Stderr,
		}}}
	} else {
		answer["data"] = data
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a client that has gone reads no answer
}

func (r *Recorder) answer(query string) (any, error) {
	doc, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	chain := ""
	selection := doc.Operations[0].SelectionSet
	for len(selection) > 0 {
		f := selection[0].(*ast.Field)
		names = append(names, f.Alias)
		selection = f.SelectionSet
		if len(selection) == 0 {
			value := r.leaf(chain, f)
			if err, failed := value.(error); failed {
				return nil, err
			}
			for i := len(names) - 1; i >= 0; i-- {
				value = map[string]any{names[i]: value}
			}
			return value, nil
		}
		if strings.HasPrefix(f.Name, "load") && strings.HasSuffix(f.Name, "FromID") {
			chain = r.ids[f.Arguments[0].Value.Raw]
			continue
		}
		chain = strings.TrimPrefix(chain+"."+r.call(f), ".")
	}
	return nil, fmt.Errorf("nothing is selected in %s", query)
}

// call is a field with its arguments as people read them.
func (r *Recorder) call(f *ast.Field) string {
	var args []string
	for _, a := range f.Arguments {
		text := a.Value.String()
		if chain, ok := r.ids[a.Value.Raw]; ok {
			text = "<" + chain + ">"
		} else if a.Value.Kind == ast.StringValue {
			text = a.Value.Raw
		}
		args = append(args, a.Name+":"+text)
	}
	slices.Sort(args) // the SDK's order is another one each time
	if len(args) == 0 {
		return f.Name
	}
	return f.Name + "(" + strings.Join(args, ", ") + ")"
}

func (r *Recorder) leaf(chain string, f *ast.Field) any {
	if f.Name != "id" {
		r.calls = append(r.calls, chain+"."+f.Name)
	}
	if r.Answer != nil {
		if value := r.Answer(chain, f.Name); value != nil {
			return value
		}
	}
	switch f.Name {
	case "id", "sync", "start", "stop":
		id := fmt.Sprintf("id-%d", len(r.ids))
		r.ids[id] = chain
		return id
	case "exitCode":
		return 0
	case "stdout":
		_, text, _ := strings.Cut(strings.TrimSuffix(chain[strings.LastIndex(chain, "withExec("):], ")"), "args:")
		var args []string
		if err := json.Unmarshal([]byte(text), &args); err != nil || len(args) == 0 || args[0] != "sandbox" {
			return fmt.Errorf("no command: %s", text)
		}
		out, err := r.Command(args[1:])
		if err != nil {
			return err
		}
		return out
	case "entrypoint", "defaultArgs":
		return []string{"program"}
	}
	return ""
}
