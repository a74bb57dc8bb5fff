package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/elastic"
	"obsandbox/sandbox/internal/kafka"
	"obsandbox/sandbox/internal/logstash"
	"obsandbox/sandbox/internal/ports"
)

const stackDir = "../../../stack"

// eventsEnv sets how many events flow: docs/logstash.md promises it of 500000.
const eventsEnv = "DELIVERY_EVENTS"

// standstill is how long no event may arrive: a killed member of the group holds its partitions for 6 s, or several of
// them do one after the other, and the machine may have other work.
const standstill = 2 * time.Minute

// TestMain runs the test, or, where the test has started itself again, one of the components.
func TestMain(m *testing.M) {
	role := os.Getenv("DELIVERY_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	listen, data := os.Getenv("DELIVERY_LISTEN"), os.Getenv("DELIVERY_DATA")
	var err error
	switch role {
	case "kafka":
		err = kafka.Run(ctx, kafka.Config{Listen: listen, Data: data, Topics: filepath.Join(stackDir, "kafka", "topics.yml")}, log)
	case "elasticsearch":
		err = elastic.Run(ctx, elastic.Config{Listen: listen, Data: data}, log)
	case "kcat":
		err = kcat(ctx, os.Args[1:], os.Stdin, os.Stdout)
	case "logstash":
		err = logstash.Run(ctx, logstash.Config{Settings: os.Getenv("DELIVERY_SETTINGS"), API: listen, Data: data}, log)
	}
	if err != nil {
		log.Error("ended", "error", err)
		os.Exit(1)
	}
}

// component is a process that is killed and started again.
type component struct {
	role, addr, data string
	env              []string
	log              *os.File
	process          *exec.Cmd
}

func (c *component) start(t testing.TB) {
	t.Helper()
	c.process = exec.Command(os.Args[0])
	c.process.Env = append(os.Environ(), append([]string{"DELIVERY_ROLE=" + c.role, "DELIVERY_LISTEN=" + c.addr, "DELIVERY_DATA=" + c.data}, c.env...)...)
	c.process.Stdout, c.process.Stderr = c.log, c.log
	require.NoError(t, c.process.Start())
}

func (c *component) kill() {
	if c.process != nil {
		_ = c.process.Process.Kill()
		_ = c.process.Wait()
	}
}

// settings is a copy of our settings that waits less before it sends again.
func settings(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(stackDir, "logstash"))))
	name := filepath.Join(dir, "pipeline", "logstash.conf")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	quick := strings.NewReplacer(
		"ilm_enabled => false", "ilm_enabled => false\n    retry_initial_interval => 1\n    retry_max_interval => 1",
		// A killed member of the group holds its partitions until its session is over, and one that was killed while it
		// joined until the group gives up waiting for it.
		"decorate_events =>", "session_timeout_ms => 6000\n    max_poll_interval_ms => 4000\n    decorate_events =>",
	).Replace(string(text))
	require.Contains(t, quick, "session_timeout_ms")
	require.NoError(t, os.WriteFile(name, []byte(quick), 0o644))
	return dir
}

// components are Kafka and the store, which run and are set up, and the runner, which does not run yet. All end with the
// test.
func components(t testing.TB, settings string) []*component {
	t.Helper()
	dir := t.TempDir()
	broker, store := ports.Address(t), ports.Address(t)
	env := []string{"KAFKA_BOOTSTRAP_SERVERS=" + broker, "ELASTICSEARCH_HOSTS=http://" + store, "DELIVERY_SETTINGS=" + settings}
	log, err := os.Create(filepath.Join(dir, "components.log"))
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the components' last words:\n%s", text[max(0, len(text)-8000):])
		}
		_ = log.Close()
	})
	all := []*component{
		{role: "kafka", addr: broker}, {role: "elasticsearch", addr: store}, {role: "logstash", addr: ports.Address(t)},
	}
	for _, c := range all {
		c.data, c.env, c.log = filepath.Join(dir, c.role), env, log
		t.Cleanup(c.kill)
	}
	all[0].start(t)
	all[1].start(t)
	put(t, store, "/_ilm/policy/application-logs", "ilm-policy.json")
	put(t, store, "/_index_template/application-logs", "index-template.json")
	return all
}

func TestNothingIsLostNorDoubled(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: kills processes for some ten seconds")
	}
	events := 20000
	if s := os.Getenv(eventsEnv); s != "" {
		var err error
		events, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	all := components(t, settings(t))
	broker, store := all[0].addr, all[1].addr
	produce(t, broker, events)
	all[2].start(t)

	seed := uint64(time.Now().UnixNano())
	t.Logf("%d events, seed %d", events, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := map[string]int{}
	most, since := 0, time.Now()
	// look counts, and fails where nothing has come for too long: a slow machine may take its time, but may not stand still.
	look := func() int {
		n := count(store)
		if n > most {
			most, since = n, time.Now()
		}
		require.Less(t, time.Since(since), standstill, "%d of %d events after %v, and then no more", most, events, kills)
		return n
	}
	for look() < events || len(kills) < len(all) {
		c := all[random.IntN(len(all))]
		c.kill()
		kills[c.role]++
		wait(t, time.Duration(random.IntN(100))*time.Millisecond)
		c.start(t)
		// Every other time the next one is killed while this one may still be starting; else it has to get somewhere first,
		// or no run would end.
		wait(t, time.Duration(100+random.IntN(1500))*time.Millisecond)
		for before, patient := most, random.IntN(2) == 0; patient && most < min(before+1, events); look() {
			wait(t, 50*time.Millisecond)
		}
	}
	t.Logf("killed %v", kills)
	seen := ids(t, store)
	require.Len(t, seen, events)
	for i := range events {
		require.Equal(t, 1, seen[eventID(i)], "how often %s is there", eventID(i))
	}
}

// wait lets time pass; what happens meanwhile is the test.
func wait(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func eventID(i int) string { return fmt.Sprintf("evt-%07d", i) }

func produce(t testing.TB, broker string, events int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	require.NoError(t, err)
	defer client.Close()
	var mu sync.Mutex
	var failed error
	for i := range events {
		line := fmt.Sprintf(`{"timestamp":"2024-01-15T10:30:00.%03dZ","level":"INFO","service":"storage-router","layer":"storage","message":"event %d","event_id":%q}`, i%1000, i, eventID(i))
		if i%1000 == 7 {
			// Refused by the store: it has to arrive as a dead letter, which has no event_id.
			line = fmt.Sprintf(`{"timestamp":"2024-01-15T10:30:00Z","service":"storage-router","message":"event %d","event_id":%q,"metadata":"no hash"}`, i, eventID(i))
		}
		client.Produce(t.Context(), &kgo.Record{Topic: "application-logs", Value: []byte(line)}, func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	require.NoError(t, client.Flush(t.Context()))
	mu.Lock()
	defer mu.Unlock()
	require.NoError(t, failed)
}

func put(t testing.TB, store, path, file string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(stackDir, "elasticsearch", file))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		req, err := http.NewRequest(http.MethodPut, "http://"+store+path, bytes.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, time.Minute, 20*time.Millisecond, path)
}

// ask sends a request to the store; false where the store is not there.
func ask(store, path, body string, answer any) bool {
	res, err := http.Post("http://"+store+path, "application/json", strings.NewReader(body))
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK && json.NewDecoder(res.Body).Decode(answer) == nil
}

// count is the number of documents; 0 while the store does not answer.
func count(store string) int {
	var answer struct{ Count int }
	ask(store, "/logs-*/_count", `{"query":{"match_all":{}}}`, &answer)
	return answer.Count
}

// ids counts how often each event is in the store, as a document or as a dead letter.
func ids(t *testing.T, store string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	var refresh map[string]any
	require.True(t, ask(store, "/logs-*/_refresh", "", &refresh))
	for _, index := range []string{"logs-storage-*", "logs-unknown-*"} {
		for after := ""; ; {
			var answer struct {
				Hits struct {
					Hits []struct {
						Source struct {
							EventID string `json:"event_id"`
							Message string
							Tags    []string
						} `json:"_source"`
						Sort []any
					}
				}
			}
			sortBy := "_doc"
			if index == "logs-storage-*" {
				sortBy = "event_id"
			}
			require.True(t, ask(store, "/"+index+"/_search", `{"size":5000,"sort":["`+sortBy+`"]`+after+`}`, &answer))
			for _, h := range answer.Hits.Hits {
				id := h.Source.EventID
				if id == "" {
					require.Equal(t, []string{"_dead_letter"}, h.Source.Tags)
					var line struct {
						EventID string `json:"event_id"`
					}
					require.NoError(t, json.Unmarshal([]byte(h.Source.Message), &line))
					id = line.EventID
				}
				seen[id]++
			}
			if len(answer.Hits.Hits) < 5000 {
				break
			}
			last, err := json.Marshal(answer.Hits.Hits[len(answer.Hits.Hits)-1].Sort)
			require.NoError(t, err)
			after = `,"search_after":` + string(last)
		}
	}
	return seen
}
