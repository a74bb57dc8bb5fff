package elastic

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childEnv makes the test binary a node instead of a test.
const childEnv = "OBSANDBOX_ELASTIC_CHILD_DATA"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		err := Run(context.Background(), Config{Listen: "127.0.0.1:0", Data: dir, Ready: func(a net.Addr) { fmt.Println(a.String()) }},
			slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child is a node in a process of its own, which can be killed.
type child struct {
	cmd *exec.Cmd
	url string
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the node does not start")
	return &child{cmd, "http://" + strings.TrimSpace(line)}
}

func (c *child) post(path, body string) ([]byte, error) {
	res, err := http.Post(c.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, raw)
	}
	return raw, err
}

// TestKill kills the node hard while bulk requests flow, several times over the same data, and finds every
// acknowledged document exactly once.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acked := map[string]int{} // id → the last acknowledged round of it
	const writers, perBulk, rounds = 3, 200, 4
	for round := range rounds {
		node := startChild(t, dir)
		var mu sync.Mutex
		var wg sync.WaitGroup
		count := 0
		enough := make(chan struct{})
		for w := range writers {
			wg.Go(func() {
				for n := 0; ; n++ {
					var b strings.Builder
					var ids []string
					for i := range perBulk {
						// Every other document replaces one of an earlier round.
						id := fmt.Sprintf("doc-%d-%d-%d", w, n, i)
						if i%2 == 0 {
							id = fmt.Sprintf("doc-%d-%d-%d-%d", round, w, n, i)
						}
						ids = append(ids, id)
						fmt.Fprintf(&b, `{"index":{"_index":"logs-%d","_id":%q}}`+"\n"+`{"@timestamp":"2024-01-15T10:30:00Z","round":%d,"message":"event %d of %s"}`+"\n", w, id, round, i, id)
					}
					raw, err := node.post("/_bulk", b.String())
					if err != nil {
						return // killed
					}
					var res struct{ Errors bool }
					if json.Unmarshal(raw, &res) != nil || res.Errors {
						t.Errorf("bulk: %s", raw)
						return
					}
					mu.Lock()
					for _, id := range ids {
						acked[id] = round
					}
					if count += perBulk; count >= 6000*(round+1) && count-perBulk < 6000*(round+1) {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(time.Minute):
			require.Fail(t, "the node takes too few documents")
		}
		require.NoError(t, node.cmd.Process.Kill())
		_ = node.cmd.Wait()
		wg.Wait()
	}
	node := startChild(t, dir)
	seen := map[string]int{}
	raw, err := node.post("/logs-*/_search?scroll=1m", `{"size":5000,"sort":["_doc"]}`)
	for {
		require.NoError(t, err)
		var page struct {
			ID   string `json:"_scroll_id"`
			Hits struct {
				Hits []struct {
					ID     string              `json:"_id"`
					Source struct{ Round int } `json:"_source"`
				}
			}
		}
		require.NoError(t, json.Unmarshal(raw, &page))
		if len(page.Hits.Hits) == 0 {
			break
		}
		for _, h := range page.Hits.Hits {
			_, twice := seen[h.ID]
			require.False(t, twice, "%s is there twice", h.ID)
			seen[h.ID] = h.Source.Round
		}
		raw, err = node.post("/_search/scroll", fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, page.ID))
	}
	require.Greater(t, len(acked), 6000)
	for id, round := range acked {
		got, ok := seen[id]
		require.True(t, ok, "%s was acknowledged and is lost", id)
		require.GreaterOrEqual(t, got, round, "%s is older than what was acknowledged", id)
	}
}

// TestRestart finds everything after a clean end: documents, mapping, templates, aliases, versions.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := start(t, Config{Data: dir})
	n.ok("PUT", "/_index_template/t", `{"index_patterns":["logs-*"],"template":{"mappings":{"properties":{"level":{"type":"keyword"}}},"aliases":{"all":{}}}}`)
	n.ok("PUT", "/logs-a/_doc/1", `{"level":"INFO","n":1}`)
	n.ok("PUT", "/logs-a/_doc/1", `{"level":"WARN","n":2}`)
	n.ok("PUT", "/logs-a/_doc/2", `{"level":"WARN","n":3}`)
	n.ok("DELETE", "/logs-a/_doc/2", "")
	require.NoError(t, n.stop())
	n = start(t, Config{Data: dir})
	doc := n.ok("GET", "/all/_doc/1", "")
	require.EqualValues(t, 2, doc["_version"])
	require.Equal(t, "WARN", at(t, doc, "_source", "level"))
	require.EqualValues(t, 1, n.ok("GET", "/logs-a/_count", "")["count"])
	status, _ := n.do("GET", "/logs-a/_doc/2", "")
	require.Equal(t, 404, status)
	m := n.ok("GET", "/logs-a/_mapping", "")
	require.Equal(t, "long", at(t, m, "logs-a", "mappings", "properties", "n", "type"))
	n.ok("GET", "/_index_template/t", "")
	// A second node must not use the same directory.
	err := Run(context.Background(), Config{Listen: "127.0.0.1:0", Data: dir}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.ErrorContains(t, err, "failed to obtain node lock")
}
