package stack

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// checkedIn is the repository's own stack with addresses no test depends on.
func checkedIn(t *testing.T) (*Stack, RunContext) {
	t.Helper()
	dir, err := Find(".")
	require.NoError(t, err)
	s, err := Load(dir)
	require.NoError(t, err)
	a := Addresses{Mode: "embedded", StackDir: dir, Components: map[string]map[string]string{}}
	port := 20000
	for _, c := range s.Components {
		a.Components[c.Name] = map[string]string{}
		for _, p := range c.Ports {
			port++
			a.Components[c.Name][p.Name] = "127.0.0.1:" + itoa(port)
		}
	}
	return s, RunContext{Addresses: a, Dir: "/run/sandbox"}
}

func itoa(n int) string {
	const digits = "0123456789"
	if n < 10 {
		return digits[n : n+1]
	}
	return itoa(n/10) + digits[n%10:n%10+1]
}

// changed lists the lines that only one of two texts has, as a diff without context would.
func changed(before, after []byte) string {
	count := map[string]int{}
	for l := range strings.Lines(string(before)) {
		count[l]++
	}
	var out strings.Builder
	for l := range strings.Lines(string(after)) {
		if count[l]--; count[l] < 0 {
			out.WriteString("+" + l)
		}
	}
	for l := range strings.Lines(string(before)) {
		if count[l] > 0 {
			out.WriteString("-" + l)
			count[l]--
		}
	}
	return out.String()
}

func TestRenderChangesOnlyAddressesPathsAndReceivers(t *testing.T) {
	t.Parallel()
	s, run := checkedIn(t)
	for _, component := range []string{"prometheus", "alertmanager", "jaeger"} {
		t.Run(component, func(t *testing.T) {
			t.Parallel()
			files, err := s.Render(component, run)
			require.NoError(t, err)
			var got strings.Builder
			for _, f := range files {
				if f.Rewritten() {
					got.WriteString("--- " + f.Name + "\n" + changed(f.Original, f.Running))
				}
			}
			text := strings.ReplaceAll(got.String(), s.Dir, "/stack")
			golden := filepath.Join("testdata", "render", component+".diff")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), text)
		})
	}
}

func TestRenderRefusesMatchersThatMatchEverything(t *testing.T) {
	t.Parallel()
	own, run := checkedIn(t)
	data, err := os.ReadFile(own.Path("alertmanager/alertmanager.yml"))
	require.NoError(t, err)
	s := *own
	s.Dir = t.TempDir()
	require.NoError(t, os.CopyFS(s.Path("alertmanager"), os.DirFS(own.Path("alertmanager"))))
	broken := replaceOnce(t, string(data), `- severity = "warning"`, `- ""`)
	require.NoError(t, os.WriteFile(s.Path("alertmanager/alertmanager.yml"), []byte(broken), 0o600))
	_, err = s.Render("alertmanager", run)
	assert.ErrorContains(t, err, "alertmanager.yml:58: an empty text stands among target_matchers, and matches every alert")
}

// What Jaeger takes without a word, of a storage that is another one here.
func TestRenderJudgesJaegersStorage(t *testing.T) {
	t.Parallel()
	own, run := checkedIn(t)
	data, err := os.ReadFile(own.Path("jaeger/config.yaml"))
	require.NoError(t, err)
	for _, c := range []struct{ old, new, want string }{
		{"rollover_frequency: day", "rollover_frequency: dai", `config.yaml:42: rollover_frequency of spans is "dai", expected day or hour`},
		{"rollover_frequency: day", "rollover_frequency: hour", `config.yaml:41: date_layout of spans is "2006-01-02", which gives indices of different times the name 2026-01-10`},
		{`date_layout: "2006-01-02"`, "date_layout: YYYY-MM-dd", `config.yaml:41: date_layout of spans is "YYYY-MM-dd"`},
		{`date_layout: "2006-01-02"`, `date_layout: "2006-01"`, `config.yaml:41: date_layout of spans is "2006-01"`},
		{`date_layout: "2006-01-02"`, `date_layout: "2006-Jan-02"`, "no upper-case letters"},
		{"use_v2: true", "use_v2: false", "config.yaml:20: use_v2 is false, and healthcheckv2 reads http only where it is true"},
		{"    use_v2: true\n", "", "config.yaml:19: healthcheckv2 has no use_v2: true, without which it does not read http"},
		{"endpoint: 0.0.0.0:4318", "endpoint: localhost:4318", "config.yaml:57: endpoint localhost:4318 is Jaeger's own loopback, where no other reaches it; 0.0.0.0:4318 listens everywhere"},
		{"endpoint: 0.0.0.0:16686", "endpoint: 127.0.0.1:16686", "config.yaml:27: endpoint 127.0.0.1:16686 is Jaeger's own loopback"},
		{"        endpoint: 0.0.0.0:6831\n", "", "config.yaml:65: receiver jaeger: protocol thrift_compact has no endpoint"},
		{"      endpoint: 0.0.0.0:13133\n", "", "config.yaml:19: no endpoint has port 13133 (health of jaeger in stack.yaml)"},
		{"    http:\n      endpoint: 0.0.0.0:16686\n", "", "config.yaml:19: no endpoint has port 16686 (query of jaeger in stack.yaml)"},
		{"jaeger_query, healthcheckv2]", "jaeger_query]", "config.yaml:19: extension healthcheckv2 is not among service.extensions: Jaeger does not start it"},
		{"index_prefix: jaeger", "index_prefix: Jaeger", `config.yaml:39: index_prefix is "Jaeger", and an index's name has no upper-case letters`},
		{"shards: 1", "shards: 0", "config.yaml:43: shards of spans is 0, expected at least 1"},
		{"replicas: 1", "replicas: -1", "config.yaml:44: replicas of spans is -1, expected at least 0"},
		{"http://elasticsearch:9200", "http://elasticsearch:9201", "config.yaml:37: elasticsearch has no port 9201"},
	} {
		s := *own
		s.Dir = t.TempDir()
		require.NoError(t, os.CopyFS(s.Path("jaeger"), os.DirFS(own.Path("jaeger"))))
		require.Contains(t, string(data), c.old)
		require.NoError(t, os.WriteFile(s.Path("jaeger/config.yaml"), []byte(strings.Replace(string(data), c.old, c.new, 1)), 0o600))
		_, err := s.Render("jaeger", run)
		assert.ErrorContains(t, err, c.want)
	}
}

// TestAHastenedRunHasShorterTimes holds every line that a factor changes; all times of a file change alike.
func TestAHastenedRunHasShorterTimes(t *testing.T) {
	t.Parallel()
	s, run := checkedIn(t)
	for _, component := range []string{"prometheus", "alertmanager"} {
		t.Run(component, func(t *testing.T) {
			t.Parallel()
			usual, err := s.Render(component, run)
			require.NoError(t, err)
			fast := run
			fast.Factor = 10
			files, err := s.Render(component, fast)
			require.NoError(t, err)
			var got strings.Builder
			for i, f := range files {
				before := f.Original
				if i < len(usual) {
					before = usual[i].Running
				}
				if diff := changed(before, f.Running); diff != "" {
					got.WriteString("--- " + f.Name + "\n" + diff)
					assert.True(t, strings.HasPrefix(f.Path, "/run/sandbox/config/"), f.Path)
				}
			}
			text := strings.ReplaceAll(got.String(), s.Dir, "/stack")
			golden := filepath.Join("testdata", "render", component+"-10-times.diff")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), text)
		})
	}
}

func TestWindowsAreShortenedAndNothingElse(t *testing.T) {
	t.Parallel()
	run := RunContext{Factor: 10}
	for expr, want := range map[string]string{
		`rate(a[5m]) > 10`:          `rate(a[30s]) > 10`,
		`a > 5m`:                    `a > 5m`,
		`a{b="[5m] offset 1h"}[5m]`: `a{b="[5m] offset 1h"}[30s]`,
		`max_over_time(rate(a[5m] offset 1h)[1d:1m])`:              `max_over_time(rate(a[30s] offset 6m)[2h24m:6s])`,
		`a offset -10m # of [5m]`:                                  `a offset -1m # of [5m]`,
		`rate(a[300]) + 300`:                                       `rate(a[30s]) + 300`,
		`rate(a[15s])`:                                             `rate(a[1s500ms])`,
		`time() - a > 300 and a offset 1m > 2 and rate(b[1m]) > 1`: `time() - a > 300 and a offset 6s > 2 and rate(b[6s]) > 1`,
	} {
		got, err := run.windows(expr)
		require.NoError(t, err, expr)
		assert.Equal(t, want, got)
	}
	for _, expr := range []string{`rate(a[5m * 2])`, `rate(a[5m`, `a"`} {
		_, err := run.windows(expr)
		assert.Error(t, err, expr)
	}
}
