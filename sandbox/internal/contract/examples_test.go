package contract_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/contract"
	"obsandbox/sandbox/internal/ports"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// build compiles a command of this repository.
func build(t *testing.T, pkg string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(pkg))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", to, pkg).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return to
}

// begin starts a program that ends with the test, and returns its stdout.
func begin(t *testing.T, dir string, env []string, name string, args ...string) *bufio.Scanner {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	return bufio.NewScanner(out)
}

// python is an interpreter with the example's packages. They come from the package index, so only who asks gets them.
func python(t *testing.T, dir string) string {
	t.Helper()
	if os.Getenv("OBSANDBOX_PYTHON") == "" {
		t.Skip("OBSANDBOX_PYTHON is not set, so examples/python is NOT tried: set it to 1 to let the test make a virtual environment and fetch requirements.txt from the package index")
	}
	venv := t.TempDir()
	for _, args := range [][]string{{"python3", "-m", "venv", venv}, {filepath.Join(venv, "bin", "pip"), "install", "-q", "-r", filepath.Join(dir, "requirements.txt")}} {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return filepath.Join(venv, "bin", "python")
}

// TestExamplesInTheStack runs each example in the simulated pods' place, in a stack of its own: Prometheus scrapes it,
// its probes are run, and it keeps the whole contract, also when a dependency goes.
func TestExamplesInTheStack(t *testing.T) {
	s := checkedIn(t)
	for _, example := range []string{"go", "python"} {
		t.Run(example, func(t *testing.T) {
			dir := filepath.Join(s.Root(), "examples", example)
			address := ports.Address(t)
			_, port, err := net.SplitHostPort(address)
			require.NoError(t, err)
			program, args := "", []string{}
			if example == "python" {
				program, args = python(t, dir), []string{"-m", "uvicorn", "app:app", "--port", port, "--no-access-log", "--log-level", "warning"}
			} else {
				program = build(t, "obsandbox/examples/go")
			}
			events := begin(t, s.Root(), nil, build(t, "obsandbox/sandbox"), "up", "--json", "--ports", "auto", "--replace", "shipping-collector="+address)
			var ready struct {
				Event       string   `json:"event"`
				Addresses   string   `json:"addresses_file"`
				Environment []string `json:"environment"`
			}
			for ready.Event != "all ready" && events.Scan() {
				require.NoError(t, json.Unmarshal(events.Bytes(), &ready), events.Text())
			}
			require.Equal(t, "all ready", ready.Event)
			a, err := stack.ReadAddresses(ready.Addresses)
			require.NoError(t, err)
			go func() { // so that it can go on writing
				for events.Scan() {
				}
			}()
			cache, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { cache.Close() })
			lines := begin(t, dir, append(ready.Environment, "LISTEN="+address, "CACHE_ADDRESS="+cache.Addr().String(), "PYTHONDONTWRITEBYTECODE=1"), program, args...)
			go func() {
				for lines.Scan() {
				}
			}()
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				up := query(c, a, `up{service="shipping-collector"}`)
				require.Equal(c, []string{"shipping-collector-local-1=1"}, up, "the example alone, scraped with the relabelling of production")
			}, time.Minute, 200*time.Millisecond)

			check := func(failing string) *report.Report {
				r, err := contract.Check(t.Context(), s, contract.Options{
					Address: address, Service: "shipping-collector", Failing: failing, Kafka: a.Of("kafka", "broker"), Jaeger: a.URL("jaeger", "query"), Wait: 20 * time.Second,
				})
				require.NoError(t, err)
				return r
			}
			r := check("")
			require.Empty(t, failures(r))
			require.Equal(t, 23, r.Count(report.Pass))
			require.EventuallyWithT(t, func(c *assert.CollectT) { require.True(c, podReady(c, a)) }, time.Minute, 100*time.Millisecond)

			require.NoError(t, cache.Close())
			r = check("cache")
			require.Empty(t, failures(r))
			require.Equal(t, 24, r.Count(report.Pass), "that it says 503 is shown now")
			require.EventuallyWithT(t, func(c *assert.CollectT) { require.False(c, podReady(c, a)) }, time.Minute, 100*time.Millisecond)
		})
	}
}

// query is a PromQL query; each series is pod=value.
func query(t require.TestingT, a stack.Addresses, text string) []string {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  []any             `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	getJSON(t, a.URL("prometheus", "http")+"/api/v1/query?query="+url.QueryEscape(text), &answer)
	var all []string
	for _, r := range answer.Data.Result {
		value, _ := r.Value[1].(string)
		all = append(all, r.Metric["pod"]+"="+value)
	}
	return all
}

// podReady is what the platform's kubelet says of the example.
func podReady(t require.TestingT, a stack.Addresses) bool {
	var state struct {
		Pods []struct {
			Name  string `json:"name"`
			Ready bool   `json:"ready"`
		} `json:"pods"`
	}
	getJSON(t, a.URL("platform", "api")+"/api/state", &state)
	for _, p := range state.Pods {
		if strings.HasPrefix(p.Name, "shipping-collector-local-") {
			return p.Ready
		}
	}
	require.Fail(t, "the pod is not there")
	return false
}

func getJSON(t require.TestingT, address string, to any) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, to), "%s", data)
}
