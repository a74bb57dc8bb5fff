package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/ci/fake"
	"obsandbox/ci/internal/dagger"
)

// TestMain has the command answer for the session: it plans the stack in containers.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sandbox-")
	if err != nil {
		panic(err)
	}
	command := filepath.Join(dir, "sandbox")
	if out, err := exec.Command("go", "-C", "..", "build", "-o", command, "./sandbox").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the command: %v\n%s", err, out))
	}
	fake.Session.Command = func(args []string) (string, error) {
		out, err := exec.Command(command, append(args, "--stack-dir=../stack")...).CombinedOutput()
		if err != nil {
			err = errors.New(string(out))
		}
		return string(out), err
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// module is the module over this repository in a session that answers as answer says. Tests with it do not run in
// parallel: there is one session.
func module(t *testing.T, answer func(chain, leaf string) any, image ...string) *Obsandbox {
	t.Helper()
	fake.Session.Reset(answer)
	m, err := New(dag.LoadDirectoryFromID(fake.Source), image, "")
	require.NoError(t, err)
	return m
}

// started are the services that were started, in their order.
func started(t *testing.T) (names []string, chains map[string]string) {
	t.Helper()
	chains = map[string]string{}
	for _, call := range fake.Session.Calls() {
		chain, ok := strings.CutSuffix(call, ".start")
		if !ok {
			continue
		}
		name := strings.TrimSuffix(chain[strings.LastIndex(chain, "withHostname(hostname:")+len("withHostname(hostname:"):], ")")
		names = append(names, name)
		chains[name] = chain
	}
	return names, chains
}

func TestSandbox(t *testing.T) {
	m := module(t, nil, "kafka=registry.example.com/kafka:1")
	_, err := m.Sandbox(t.Context(), nil, nil, "single", "300m", 7, []string{"schema-violations", "pod-gone:query-api"}, false, nil, nil)
	require.NoError(t, err)
	names, chains := started(t)
	s, err := m.plan(t.Context(), nil)
	require.NoError(t, err)

	// Everything starts once, the front last, and nothing before what it needs is ready.
	assert.Len(t, names, len(s.Components)+2, "the components, the renderer and the front: %s", names)
	assert.Equal(t, "front", names[len(names)-1])
	calls := strings.Join(fake.Session.Calls(), "\n")
	for _, c := range s.Components {
		for _, need := range c.Needs {
			ready := strings.Index(calls, `"await","--stack=/run/addresses.json","`+need+`"]).sync`)
			require.Positive(t, ready, "%s is waited for", need)
			assert.Greater(t, strings.Index(calls, chains[c.Name]+".start"), ready, "%s starts when %s is ready", c.Name, need)
		}
	}

	for name, want := range map[string][]string{
		"kafka":         {"from(address:registry.example.com/kafka:1)", "KAFKA_HEAP_OPTS, value:-Xms300m -Xmx300m", "PLAINTEXT://kafka:9092,HOST://localhost:9092"},
		"elasticsearch": {"/usr/share/elasticsearch/config", "ES_DISCOVERY_TYPE, value:single-node", "withExposedPort(experimentalSkipHealthcheck:true, port:9200)"},
		"logstash":      {"path:/usr/share/logstash/config", "path:/usr/share/logstash/pipeline", "useEntrypoint:true"},
		"prometheus": {
			"<SOURCE.directory(path:stack/prometheus)>", "path:/etc/prometheus", "alias:kafka-0.kafka", "alias:kubernetes.default.svc",
			"serviceaccount/ca.crt", "KUBERNETES_SERVICE_HOST", "--hosts=8080 --proxy=platform:8089",
		},
		"alertmanager": {"/etc/alertmanager/secrets/slack_api_url", "/etc/alertmanager/secrets/pagerduty_routing_key", "alias:events.pagerduty.com"},
		"grafana":      {"/etc/grafana/provisioning", "/var/lib/grafana/dashboards", "GF_RENDERING_SERVER_URL"},
		"platform":     {`"sandbox","pod"`, `"--seed=7","--fault=schema-violations","--fault=pod-gone:query-api"`, "docker.io/library/golang:1.26-alpine"},
		"jaeger":       {"--config=/etc/jaeger/config.yaml", "port:4317)"},
	} {
		for _, w := range want {
			assert.Contains(t, chains[name], w, name)
		}
	}
	for _, c := range s.Components {
		if image := c.Containers[0].Image; image != "" && c.Name != "kafka" {
			assert.Contains(t, chains[c.Name], "from(address:"+image+")")
		}
	}
	for _, port := range s.Ports {
		assert.Contains(t, chains["front"], fmt.Sprintf("port:%d)", port))
	}
	assert.NotContains(t, chains["jaeger"], "6831", "one UDP port would fail the whole tunnel")
	assert.Contains(t, chains["front"], "--forward=9092=kafka:29092")
}

func TestSandboxSelects(t *testing.T) {
	for name, c := range map[string]struct {
		only, without []string
		want          []string
	}{
		"only":            {only: []string{"prometheus", "alertmanager"}, want: []string{"alertmanager", "prometheus", "front"}},
		"without":         {only: []string{"grafana", "jaeger"}, without: []string{"jaeger", "renderer"}, want: []string{"grafana", "front"}},
		"with a renderer": {only: []string{"grafana"}, want: []string{"grafana", "renderer", "front"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := module(t, nil).Sandbox(t.Context(), c.only, c.without, "single", "1g", 1, nil, false, nil, nil)
			require.NoError(t, err)
			names, chains := started(t)
			assert.ElementsMatch(t, c.want, names)
			assert.NotContains(t, chains["prometheus"], "serviceaccount", "there is no cluster without the platform")
		})
	}
}

func TestSandboxProduction(t *testing.T) {
	_, err := module(t, nil).Sandbox(t.Context(), []string{"kafka", "elasticsearch"}, nil, "production", "1g", 1, nil, false, nil, nil)
	require.NoError(t, err)
	names, chains := started(t)
	assert.ElementsMatch(t, []string{
		"kafka-0.kafka", "kafka-1.kafka", "kafka-2.kafka", "kafka", "es-node-1", "es-node-2", "es-node-3", "elasticsearch", "front",
	}, names)
	assert.Contains(t, chains["kafka-2.kafka"], "KAFKA_NODE_ID, value:2")
	assert.Contains(t, chains["kafka-2.kafka"], "PLAINTEXT://kafka-2.kafka:9092,HOST://localhost:19093")
	assert.Contains(t, chains["es-node-3"], "HOSTNAME, value:es-node-3")
	assert.NotContains(t, chains["es-node-3"], "single-node")
	assert.Contains(t, chains["kafka"], "--forward=9092=kafka-0.kafka:9092")
	assert.Contains(t, chains["front"], "--forward=19093=kafka-2.kafka:29092")
}

func TestSandboxEmbedded(t *testing.T) {
	_, err := module(t, nil).Sandbox(t.Context(), nil, []string{"grafana"}, "single", "1g", 3, []string{"api-timeouts:shipping-collector"}, true, nil, nil)
	require.NoError(t, err)
	names, chains := started(t)
	require.Equal(t, []string{"sandbox"}, names)
	assert.Contains(t, chains["sandbox"], `"sandbox","up","--doors","--seed=3","--fault=api-timeouts:shipping-collector","--only=kafka"`)
	assert.Contains(t, chains["sandbox"], "port:9090)")
	assert.NotContains(t, chains["sandbox"], "--only=grafana")
}

func TestSecretsOfTheUser(t *testing.T) {
	m := module(t, nil)
	_, err := m.Sandbox(t.Context(), nil, nil, "single", "1g", 1, nil, false, nil, dag.SetSecret("mine", "key"))
	require.NoError(t, err)
	_, chains := started(t)
	assert.Contains(t, chains["alertmanager"], "name:mine", "what the user gave")
	assert.Contains(t, chains["alertmanager"], "name:sandbox-slack", "the sandbox's own")
	assert.NotContains(t, chains["alertmanager"], "alias:events.pagerduty.com", "the real one is asked")
}

func TestRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		only     []string
		topology string
		fault    []string
		want     string
	}{
		"a fault":        {topology: "single", fault: []string{"no-such"}, want: `--fault no-such: no fault "no-such"`},
		"a service":      {topology: "single", fault: []string{"api-timeouts:no-such"}, want: "no-such"},
		"no platform":    {only: []string{"kafka"}, topology: "single", fault: []string{"api-timeouts"}, want: "it needs the component platform"},
		"a component":    {only: []string{"zookeeper"}, topology: "single", want: `no component "zookeeper"`},
		"a topology":     {topology: "huge", want: `--topology must be one of "single","production"`},
		"nothing at all": {only: []string{"renderer"}, topology: "single", want: "runs beside a component"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, embedded := range []bool{false, true} {
				_, err := module(t, nil).Sandbox(t.Context(), c.only, nil, c.topology, "1g", 1, c.fault, embedded, nil, nil)
				assert.ErrorContains(t, err, c.want)
				names, _ := started(t)
				assert.Empty(t, names, "nothing starts")
			}
		})
	}
	_, err := New(dag.LoadDirectoryFromID(fake.Source), []string{"prometheus"}, "")
	assert.ErrorContains(t, err, "expected NAME=IMAGE")
}

// exit answers the exit codes of commands.
func exit(codes map[string]int) func(chain, leaf string) any {
	return func(chain, leaf string) any {
		last := chain[max(0, strings.LastIndex(chain, "withExec")):]
		for command, code := range codes {
			if leaf == "exitCode" && strings.Contains(last, command) {
				return code
			}
		}
		switch leaf {
		case "combinedOutput", "stderr":
			return "what " + leaf + " says"
		}
		return nil
	}
}

func TestChecks(t *testing.T) {
	checks := map[string]func(m *Obsandbox) error{
		"configuration": func(m *Obsandbox) error { return m.Configuration(t.Context()) },
		"rules":         func(m *Obsandbox) error { return m.Rules(t.Context()) },
		"routes":        func(m *Obsandbox) error { return m.Routes(t.Context()) },
	}
	for kind, check := range checks {
		t.Run(kind, func(t *testing.T) {
			require.NoError(t, check(module(t, nil)))
			calls := strings.Join(fake.Session.Calls(), "\n")
			assert.Regexp(t, `withExec\(args:\["sandbox",\s*"test",\s*"`+kind+`",\s*"--format=json"\]`, calls)

			assert.EqualError(t, check(module(t, exit(map[string]int{"reports": 1}))), "what combinedOutput says", "checks failed")
			assert.ErrorContains(t, check(module(t, exit(map[string]int{"--format=json": 2}))), "what stderr says", "it could not judge")
		})
	}
	require.ErrorContains(t, module(t, nil).Kind(t.Context(), "nothing"), "no such kind of test (there are: configuration, ")

	require.NoError(t, module(t, nil).Rules(t.Context()))
	calls := strings.Join(fake.Session.Calls(), "\n")
	at := strings.Index(calls, `"test","rules"`)
	rules := calls[strings.LastIndex(calls[:at], "\n"):at]
	for _, read := range []string{"stack/stack.yaml", "stack/prometheus/", "stack/grafana/provisioning/", "tests/rules/", "tools/"} {
		assert.Contains(t, rules, "path:"+read+")>", "the rules' tests read it")
	}
	for _, unread := range []string{"path:stack/)>", "directory(path:stack/grafana/dashboards", "file(path:stack/grafana/dashboards", "path:stack/grafana/)", "path:tests/)", "tests/routes"} {
		assert.NotContains(t, rules, unread, "a change of it does not run them again")
	}
	assert.Contains(t, rules, "path:/src/stack/grafana/dashboards/slo.json", "stack.yaml names it: it has to be there, with nothing in it")
}

// Every kind of test that the command has is run by one check, and by the test of everything.
func TestAllKindsAreRun(t *testing.T) {
	var kinds []struct{ Name string }
	require.NoError(t, module(t, nil).ask(t.Context(), &kinds, "kinds"))
	require.Greater(t, len(kinds), 6)
	ran := func(kind string) int {
		return strings.Count(strings.Join(fake.Session.Calls(), "\n"), `"test","`+kind+`","--format=json"],expect:ANY`) +
			strings.Count(strings.Join(fake.Session.Calls(), "\n"), `"test","`+kind+`","--format=json"], expect:ANY`)
	}
	m := module(t, nil)
	for _, check := range []func() error{
		func() error { return m.Configuration(t.Context()) }, func() error { return m.Rules(t.Context()) },
		func() error { return m.Routes(t.Context()) }, func() error { return m.OtherKinds(t.Context()) },
	} {
		require.NoError(t, check())
	}
	for _, k := range kinds {
		assert.Positive(t, ran(k.Name), "a check runs %s", k.Name)
	}
	m = module(t, nil)
	_, err := m.Test(t.Context(), false, true, false)
	require.NoError(t, err)
	for _, k := range kinds {
		assert.Positive(t, ran(k.Name), "test runs %s", k.Name)
	}
}

func TestOriginals(t *testing.T) {
	require.NoError(t, module(t, nil).Originals(t.Context()))
	calls := strings.Join(fake.Session.Calls(), "\n")
	for _, command := range []string{`"promtool","check","config"`, "promtool test rules", `"amtool","check-config"`, "--config.test_and_exit", `"validate"`, "_simulate_index"} {
		assert.Contains(t, calls, command)
	}

	assert.Contains(t, calls, `"judge","--suite=originals","--name=amtool check-config"`, "what fails is a result like any other")
	assert.Contains(t, calls, `"--","sandbox","await","--stack=/run/addresses.json","elasticsearch"`, "so is what does not get ready")
	assert.Contains(t, calls, `"--","program","validate"`, "the program of an image without a shell")

	err := module(t, exit(map[string]int{"judge": 2})).Originals(t.Context())
	assert.ErrorContains(t, err, "what stderr says", "it could not judge")
}

func TestConformance(t *testing.T) {
	require.NoError(t, module(t, nil).Conformance(t.Context()))
	calls := strings.Join(fake.Session.Calls(), "\n")
	assert.Contains(t, calls, `"sandbox","conformance","http://elasticsearch:9200","--format=json"`)
	assert.Contains(t, calls, `"sandbox","test","pipelines","--against","logstash","--format=json"`)
	assert.Contains(t, calls, `"judge","--suite=originals","--name=elasticsearch gets ready and takes what it is set up with"`)
	at := strings.Index(calls, `"--against","logstash"`)
	logstash := calls[strings.LastIndex(calls[:at], "\n"):at]
	assert.Contains(t, logstash, "docker.elastic.co/logstash/logstash:", "in the image that will run")
	assert.Contains(t, logstash, "path:tests/pipelines/)>", "with the cases")
	assert.NotContains(t, calls, "amtool", "the programs' own checks are another part")

	assert.EqualError(t, module(t, exit(map[string]int{"reports": 1})).Conformance(t.Context()), "what combinedOutput says")
	assert.ErrorContains(t, module(t, exit(map[string]int{`"conformance"`: 2})).Conformance(t.Context()), "what stderr says", "there is no Elasticsearch")

	_, err := module(t, nil).Test(t.Context(), false, false, false)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(fake.Session.Calls(), "\n"), `"--against","logstash","--format=json"`, "part of the test")
}

func TestPreview(t *testing.T) {
	m := module(t, nil)
	_, err := m.Preview(t.Context(), "main", dag.LoadGitRepositoryFromID("repository"))
	require.NoError(t, err)
	names, chains := started(t)
	assert.ElementsMatch(t, []string{"prometheus", "elasticsearch", "grafana", "renderer"}, names)
	assert.Contains(t, chains["prometheus"], "--web.enable-remote-write-receiver")
	assert.NotContains(t, chains["prometheus"], "/etc/prometheus", "it scrapes nothing")
	calls := fake.Session.Calls()
	last := calls[len(calls)-1]
	assert.Contains(t, last, `"sandbox","preview","--out=/preview","--grafana=/run/addresses.json","--base=main","--base-dir=/before"`)
	assert.Contains(t, last, "ref(name:main).tree.directory(path:stack/grafana/dashboards)")
}

func TestTest(t *testing.T) {
	_, err := module(t, nil).Test(t.Context(), true, false, false)
	require.NoError(t, err)
	names, _ := started(t)
	assert.Contains(t, names, "grafana", "the stack is run")
	assert.Contains(t, strings.Join(fake.Session.Calls(), "\n"), "results-12.json", "all parts are reported")

	_, err = module(t, nil).Test(t.Context(), true, true, false)
	require.NoError(t, err)
	names, _ = started(t)
	assert.Empty(t, names, "without images")

	_, err = module(t, exit(map[string]int{"reports": 1})).Test(t.Context(), false, true, false)
	assert.EqualError(t, err, "what combinedOutput says")
	_, err = module(t, exit(map[string]int{"reports": 1})).Test(t.Context(), false, true, true)
	assert.NoError(t, err, "the reports are there all the same")
}

func TestGoVersion(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	_, version, ok := strings.Cut(golangImage, ":")
	require.True(t, ok)
	assert.Contains(t, string(mod), "\ngo "+strings.TrimSuffix(version, "-alpine")+".")
}

func TestVersions(t *testing.T) {
	m := module(t, nil, "jaeger=registry.example.com/jaeger:9")
	m.Registry = "mirror.example.com/hub"
	text, err := m.Versions(t.Context())
	require.NoError(t, err)
	assert.Contains(t, text, "mirror.example.com/hub/prom/prometheus:")
	assert.Contains(t, text, "registry.example.com/jaeger:9")
	assert.Contains(t, text, "mirror.example.com/hub/library/golang:1.26-alpine")
	assert.NotContains(t, text, "docker.io")
}

func TestComponentAndLogs(t *testing.T) {
	ctr, err := module(t, nil).Component(t.Context(), "logstash")
	require.NoError(t, err)
	_, err = ctr.Sync(t.Context())
	require.NoError(t, err)
	assert.Contains(t, fake.Session.Calls()[len(fake.Session.Calls())-1], "docker.elastic.co/logstash/logstash:")

	_, err = module(t, nil).Logs(t.Context(), "logstash", 5)
	require.NoError(t, err)
	names, _ := started(t)
	assert.ElementsMatch(t, []string{"kafka", "elasticsearch"}, names, "what it needs")
	assert.Contains(t, strings.Join(fake.Session.Calls(), "\n"), `["timeout","5","program"`)
}

// An engine forgets what is only being started when a session ends.
func TestAStartThatHasBegunIsWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	began := false
	m := module(t, func(chain, leaf string) any {
		if leaf == "start" {
			cancel()
			time.Sleep(50 * time.Millisecond)
			began = true
		}
		return nil
	})
	s, err := m.plan(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, s.launch(ctx, s.component("elasticsearch")))
	assert.True(t, began)

	_, chains := started(t)
	calls := strings.Join(fake.Session.Calls(), "\n")
	image, _, _ := strings.Cut(chains["elasticsearch"], ".withExposedPort(")
	pulled := strings.Index(calls, image+".sync")
	require.GreaterOrEqual(t, pulled, 0, "the image is there before")
	assert.Less(t, pulled, strings.Index(calls, chains["elasticsearch"]+".start"))

	require.ErrorIs(t, s.launch(ctx, s.component("kafka")), context.Canceled)
	names, _ := started(t)
	assert.Equal(t, []string{"elasticsearch"}, names, "nothing begins after that")
}

// What ended before it was ready is started once more, so that the error has what it wrote.
func TestWhyItEnded(t *testing.T) {
	m := module(t, func(chain, leaf string) any {
		switch last := chain[max(0, strings.LastIndex(chain, ".with")):]; {
		case leaf == "sync" && strings.Contains(last, `"await"`):
			return &fake.ExecError{ExitCode: 1, Stderr: "sandbox: its container has ended"}
		case leaf == "start" && !strings.Contains(chain, "experimentalSkipHealthcheck"):
			return &fake.ExecError{ExitCode: 3, Stderr: "kafka: no such directory"}
		}
		return nil
	})
	_, err := m.Sandbox(t.Context(), []string{"kafka"}, nil, "single", "1g", 1, nil, false, nil, nil)
	assert.EqualError(t, err, "kafka did not get ready: kafka: no such directory")
}

func TestPlain(t *testing.T) {
	assert.EqualError(t, plain(&dagger.ExecError{Stderr: "no such topic\n"}), "no such topic")
	assert.EqualError(t, plain(errors.New("as it is")), "as it is")
}
