package conformance

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/elastic"
)

var (
	against = flag.String("against", "", "URL of a cluster to run the cases against instead of our own store")
	user    = flag.String("user", "", "name:password for -against")
)

// TestCases runs all cases against our store, or against the cluster that -against names.
func TestCases(t *testing.T) {
	cases, err := Cases()
	require.NoError(t, err)
	require.Greater(t, len(cases), 40)
	url := *against
	if url == "" {
		url = startStore(t)
	}
	for _, c := range cases {
		t.Run(c.File+"/"+c.Name, func(t *testing.T) {
			require.NoError(t, c.Run(t.Context(), url, *user))
		})
	}
}

func startStore(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		done <- elastic.Run(ctx, elastic.Config{Listen: "127.0.0.1:0", Ready: func(a net.Addr) { ready <- a }}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	}()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	select {
	case a := <-ready:
		return "http://" + a.String()
	case err := <-done:
		done <- err
		require.NoError(t, err)
	}
	return ""
}

// TestRunnerCatches shows that each kind of assertion fails where it must, at its line.
func TestRunnerCatches(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, `{"n":3,"list":["a"],"no":false,"text":"abc","nested":{"a.b":1}}`)
	}))
	t.Cleanup(srv.Close)
	good := `"case":
  - do: GET /x
  - match: {n: 3}
  - match: {'nested.a\.b': 1}
  - match: {text: /^a.c$/}
  - length: {list: 1}
  - gt: {n: 2}
  - is_false: no
  - is_true: n
  - close_to: {n: {value: 2.9, error: 0.2}}
  - do: GET /refused
    catch: bad_request
`
	run := func(src string) error {
		cases, err := Load(fstest.MapFS{"a.yml": {Data: []byte(src)}})
		if err != nil {
			return err
		}
		return cases[0].Run(t.Context(), srv.URL, "")
	}
	require.NoError(t, run(good))
	for _, bad := range []string{"- match: {n: 4}", "- match: {n: '3'}", "- match: {none: 1}", "- match: {text: /^x/}", "- length: {list: 2}", "- gt: {n: 3}", "- lte: {n: 2}",
		"- is_true: no", "- is_false: n", "- close_to: {n: {value: 2, error: 0.5}}", "- do: GET /refused", "- {do: GET /x, catch: missing}", "- {do: GET /refused, catch: /other/}", "- frobnicate: 1"} {
		err := run("\"case\":\n  - do: GET /x\n  " + bad + "\n")
		require.ErrorContains(t, err, "a.yml:3:", bad)
	}
}
