package containers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/stack"
)

const stackDir = "../../../stack"

func plan(t *testing.T, opt Options) *Plan {
	t.Helper()
	s, err := stack.Load(stackDir)
	require.NoError(t, err)
	p, err := New(s, opt)
	require.NoError(t, err)
	return p
}

func find(t *testing.T, p *Plan, host string) Container {
	t.Helper()
	for _, c := range p.Components {
		if i := slices.IndexFunc(c.Containers, func(ctr Container) bool { return ctr.Host == host }); i >= 0 {
			return c.Containers[i]
		}
	}
	require.Fail(t, "no container "+host)
	return Container{}
}

func hosts(p *Plan) []string {
	var all []string
	for _, c := range p.Components {
		for _, ctr := range c.Containers {
			all = append(all, ctr.Host)
		}
	}
	return all
}

func TestPlan(t *testing.T) {
	t.Parallel()
	s, err := stack.Load(stackDir)
	require.NoError(t, err)
	p := plan(t, Options{Memory: "300m", Seed: 7, Faults: []string{"pod-gone:query-api"}})
	assert.ElementsMatch(t, append(s.Names(), "renderer"), hosts(p))
	for _, c := range s.Components {
		ctr := find(t, p, c.Name)
		assert.Equal(t, c.Image, ctr.Image)
		for _, port := range c.Ports {
			assert.Equal(t, !port.UDP, slices.Contains(ctr.Ports, port.Number), "%s %s", c.Name, port.Name)
			assert.Equal(t, !port.UDP, slices.Contains(p.Ports, port.Number), "%s %s", c.Name, port.Name)
			assert.Equal(t, c.Name, strings.Split(p.Addresses.Of(c.Name, port.Name), ":")[0])
		}
		for _, file := range c.Config { // every checked-in file is where the program looks for it
			if c.Image != "" {
				assert.True(t, slices.ContainsFunc(keys(ctr.Mounts), func(dir string) bool { return strings.HasPrefix(file, dir+"/") }), "%s has %s", c.Name, file)
			}
		}
	}
	kafka := find(t, p, "kafka")
	assert.Equal(t, "-Xms300m -Xmx300m", kafka.Env["KAFKA_HEAP_OPTS"])
	assert.Equal(t, "PLAINTEXT://kafka:9092,HOST://localhost:9092", kafka.Env["KAFKA_ADVERTISED_LISTENERS"])
	assert.Contains(t, p.Forwards, "--forward=9092=kafka:29092")
	assert.Subset(t, find(t, p, "platform").Args, []string{"--seed=7", "--fault=pod-gone:query-api"})
	assert.Equal(t, []string{"sandbox", "up", "--doors", "--seed=7", "--fault=pod-gone:query-api"}, p.Embedded[:5])
	assert.Subset(t, p.Embedded, []string{"--only=kafka", "--only=grafana"})

	prometheus := find(t, p, "prometheus")
	assert.Subset(t, prometheus.Names, []string{"kubernetes.default.svc", "kafka-0.kafka", "flink-jobmanager"}, "the cluster's hosts, as prometheus.yml names them")
	assert.NotContains(t, prometheus.Names, "kafka", "components are what they are")
	assert.True(t, prometheus.Command)
	assert.Contains(t, prometheus.Args, `/usr/local/bin/sandbox cluster --hosts=8080 --proxy=platform:8089 & exec prometheus "$@"`)
	assert.Contains(t, find(t, p, "alertmanager").Names, "events.pagerduty.com")
	assert.NotContains(t, find(t, plan(t, Options{Given: []string{"pagerduty"}}), "alertmanager").Names, "events.pagerduty.com", "the real one is asked")
}

func keys(m map[string]string) []string {
	var all []string
	for key := range m {
		all = append(all, key)
	}
	return all
}

func TestPlanOfAPart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opt  Options
		want []string
	}{
		"only":            {Options{Only: []string{"prometheus", "alertmanager"}}, []string{"alertmanager", "prometheus"}},
		"without":         {Options{Only: []string{"grafana", "jaeger"}, Without: []string{"jaeger", "renderer"}}, []string{"grafana"}},
		"with a renderer": {Options{Only: []string{"grafana"}}, []string{"grafana", "renderer"}},
		"a preview":       {Options{Preview: true}, []string{"elasticsearch", "prometheus", "grafana", "renderer"}},
		"production": {Options{Only: []string{"kafka", "elasticsearch"}, Production: true}, []string{
			"kafka-0.kafka", "kafka-1.kafka", "kafka-2.kafka", "kafka", "es-node-1", "es-node-2", "es-node-3", "elasticsearch",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, c.opt)
			assert.Equal(t, c.want, hosts(p))
			for _, part := range p.Components {
				for _, need := range part.Needs {
					assert.NotEmpty(t, p.Addresses.Components[need], "%s waits for what runs", part.Name)
				}
			}
		})
	}
	p := plan(t, Options{Only: []string{"prometheus"}})
	prometheus := find(t, p, "prometheus")
	assert.Empty(t, prometheus.Files, "there is no cluster without the platform")
	assert.False(t, prometheus.Command)
	assert.Equal(t, []string{"kafka", "platform", "alertmanager"}, p.Components[0].AllNeeds)

	p = plan(t, Options{Production: true})
	assert.Equal(t, "2", find(t, p, "kafka-2.kafka").Env["KAFKA_NODE_ID"])
	assert.Equal(t, "PLAINTEXT://kafka-2.kafka:9092,HOST://localhost:19093", find(t, p, "kafka-2.kafka").Env["KAFKA_ADVERTISED_LISTENERS"])
	assert.Equal(t, "es-node-3", find(t, p, "es-node-3").Env["HOSTNAME"])
	assert.Equal(t, "multi-node", find(t, p, "es-node-3").Env["ES_DISCOVERY_TYPE"])
	assert.Equal(t, []string{"sandbox", "front", "--forward=9092=kafka-0.kafka:9092"}, find(t, p, "kafka").Args)
	assert.Subset(t, p.Forwards, []string{"--forward=9092=kafka-0.kafka:29092", "--forward=19093=kafka-2.kafka:29092"})

	p = plan(t, Options{Preview: true})
	assert.Empty(t, find(t, p, "prometheus").Mounts, "it scrapes nothing")
	assert.Contains(t, find(t, p, "prometheus").Args, "--web.enable-remote-write-receiver")
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(text string) string
		opt  Options
		want string
	}{
		"a component that is none": {nil, Options{Only: []string{"zookeeper"}}, `no component "zookeeper"`},
		"nothing left":             {nil, Options{Only: []string{"kafka"}, Without: []string{"kafka"}}, "no component is left"},
		"a fault of nothing":       {nil, Options{Only: []string{"kafka"}, Faults: []string{"pod-gone"}}, "--fault pod-gone: it needs the component platform"},
		"only a renderer":          {nil, Options{Only: []string{"renderer"}}, "it runs beside a component"},
		"a container of nothing":   {func(s string) string { return s + "  zookeeper: {}\n" }, Options{}, `container "zookeeper": no component`},
		"a key that is not known":  {func(s string) string { return strings.Replace(s, "    mounts:", "    mount:", 1) }, Options{}, "containers.yaml:"},
		"a directory that is not":  {func(s string) string { return strings.Replace(s, "{kafka: ", "{kafak: ", 1) }, Options{}, "mounts kafak, which is not there"},
		"a broker without a door":  {func(s string) string { return strings.Replace(s, ", 19093]", "]", 1) }, Options{}, "every node needs a door"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			dir := filepath.Join(root, "stack")
			require.NoError(t, os.CopyFS(dir, os.DirFS(stackDir)))
			require.NoError(t, os.CopyFS(filepath.Join(root, "tools"), os.DirFS(filepath.Join(stackDir, "..", "tools"))))
			if c.edit != nil {
				file := filepath.Join(dir, FileName)
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				changed := c.edit(string(text))
				require.NotEqual(t, string(text), changed)
				require.NoError(t, os.WriteFile(file, []byte(changed), 0o644))
			}
			s, err := stack.Load(dir)
			require.NoError(t, err)
			_, err = New(s, c.opt)
			assert.ErrorContains(t, err, c.want)
		})
	}
}
