package logstash

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/ports"
)

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 10*time.Millisecond)
}

func TestGeneratorToFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := startPipeline(t, dir, fmt.Sprintf(`
input { generator { lines => ["a", "b"] count => 2 tags => ["g"] add_field => { "x" => "%%{message}!" } } }
output { file { path => "%s/out/%%{message}.log" codec => line { format => "%%{message} %%{[event][sequence]} %%{tags} %%{x}" } } }`, dir))
	eventually(t, func() bool {
		return readFile(t, filepath.Join(dir, "out", "a.log")) == "a 0 g a!\na 1 g a!\n" && readFile(t, filepath.Join(dir, "out", "b.log")) == "b 0 g b!\nb 1 g b!\n"
	})
	r.stop() // all inputs have ended: Run has returned without an error
}

func TestFileOutputStaysInsideItsPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startPipeline(t, dir, fmt.Sprintf(`
input { generator { lines => ["../../evil"] count => 1 } }
output { file { path => "%s/out/%%{message}.log" codec => line { format => "x" } } }`, dir))
	eventually(t, func() bool { return readFile(t, filepath.Join(dir, "out", "_filepath_failures")) == "x\n" })
	require.NoFileExists(t, filepath.Join(dir, "..", "evil.log"))
}

func TestTCPInput(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), ports.Number(t)
	out := filepath.Join(dir, "out.log")
	startPipeline(t, dir, fmt.Sprintf(`
input { tcp { host => "127.0.0.1" port => %d codec => json dns_reverse_lookup_enabled => false } }
output { file { path => "%s" codec => line { format => "%%{a} %%{[@metadata][input][tcp][source][ip]}" } } }`, port, out))
	var conn net.Conn
	eventually(t, func() bool {
		var err error
		conn, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		return err == nil
	})
	_, err := io.WriteString(conn, "{\"a\":1}\n{\"a\"")
	require.NoError(t, err)
	_, err = io.WriteString(conn, ":2}")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	eventually(t, func() bool { return readFile(t, out) == "1 127.0.0.1\n2 127.0.0.1\n" })
}

func TestHTTPInput(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), ports.Number(t)
	out := filepath.Join(dir, "out.log")
	startPipeline(t, dir, fmt.Sprintf(`
input { http { host => "127.0.0.1" port => %d user => "u" password => "p" response_code => 202 max_content_length => 100 } }
output { file { path => "%s" codec => line { format => "%%{message} %%{a} %%{[http][method]} %%{[url][path]} %%{[host][ip]}" } } }`, port, out))
	post := func(kind, body, password string) int {
		req, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/x?y", port), strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", kind)
		req.SetBasicAuth("u", password)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	eventually(t, func() bool { return post("text/plain", "hello", "p") == http.StatusAccepted })
	require.Equal(t, http.StatusUnauthorized, post("text/plain", "hello", "wrong"))
	require.Equal(t, http.StatusRequestEntityTooLarge, post("text/plain", strings.Repeat("x", 101), "p"))
	require.Equal(t, http.StatusAccepted, post("application/json; charset=utf-8", `[{"a":1},{"a":2}]`, "p"))
	eventually(t, func() bool {
		return readFile(t, out) == "hello %{a} POST /x?y 127.0.0.1\n%{message} 1 POST /x?y 127.0.0.1\n%{message} 2 POST /x?y 127.0.0.1\n"
	})
}

func TestFileInputRemembersWhereItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in", "a.log"), filepath.Join(dir, "out.log")
	pipeline := fmt.Sprintf(`
input { file { path => "%s/in/*.log" exclude => "skip*" start_position => "beginning" stat_interval => "10 ms" discover_interval => 1 sincedb_write_interval => "20 ms" } }
output { file { path => "%s" codec => line { format => "%%{message} %%{[log][file][path]}" } } }`, dir, out)
	writeFile(t, in, "one\ntwo\nhal")
	writeFile(t, filepath.Join(dir, "in", "skip.log"), "no\n")
	r := startPipeline(t, dir, pipeline)
	eventually(t, func() bool { return readFile(t, out) == "one "+in+"\ntwo "+in+"\n" })
	appendFile(t, in, "f\n")
	eventually(t, func() bool { return strings.HasSuffix(readFile(t, out), "half "+in+"\n") })
	r.stop()
	appendFile(t, in, "three\n")
	startPipeline(t, dir, pipeline)
	eventually(t, func() bool { return strings.Count(readFile(t, out), "\n") == 4 })
	require.True(t, strings.HasSuffix(readFile(t, out), "three "+in+"\n"), "lines are not read twice: %s", readFile(t, out))
}

func TestFileInputReadsOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in, out, done := filepath.Join(dir, "a.log"), filepath.Join(dir, "out.txt"), filepath.Join(dir, "done.txt")
	writeFile(t, in, "one\n  more\ntwo")
	startPipeline(t, dir, fmt.Sprintf(`
input { file { path => "%s" mode => read exit_after_read => true file_completed_action => log_and_delete file_completed_log_path => "%s" stat_interval => 0.01
  codec => multiline { pattern => "^\s" what => "previous" } } }
output { file { path => "%s" codec => json_lines } }`, in, done, out))
	eventually(t, func() bool { return strings.Count(readFile(t, out), "\n") == 2 })
	require.Contains(t, readFile(t, out), `"message":"one\n  more"`)
	require.Contains(t, readFile(t, out), `"message":"two"`)
	eventually(t, func() bool { _, err := os.Stat(in); return os.IsNotExist(err) })
	require.Equal(t, in+"\n", readFile(t, done))
}

func appendFile(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestKafkaToKafka(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "in", "out-a"))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	addr := cluster.ListenAddrs()[0]
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("out-a"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	record := &kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte(`{"to":"a"}`), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}}
	require.NoError(t, client.ProduceSync(t.Context(), record).FirstErr())
	startPipeline(t, t.TempDir(), fmt.Sprintf(`
input { kafka { bootstrap_servers => "%s" topics_pattern => "^in$" codec => json { ecs_compatibility => disabled } auto_offset_reset => earliest decorate_events => extended } }
output { kafka { bootstrap_servers => "%s" topic_id => "out-%%{to}" message_key => "%%{[@metadata][kafka][key]}" compression_type => snappy acks => all
  codec => line { format => "%%{[@metadata][kafka][headers][h]} %%{[@metadata][kafka][topic]} %%{[@metadata][kafka][consumer_group]}" delimiter => "." } } }`, addr, addr))
	fetches := client.PollFetches(t.Context())
	require.NoError(t, fetches.Err())
	got := fetches.Records()
	require.Len(t, got, 1)
	require.Equal(t, "v in logstash.", string(got[0].Value))
	require.Equal(t, "k", string(got[0].Key))
}
