package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"obsandbox/sandbox/internal/elastic"
	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/kafka"
	"obsandbox/sandbox/internal/logstash"
	"obsandbox/sandbox/internal/platform"
	"obsandbox/sandbox/internal/viewer"
)

// serveCmd has what this program serves itself. A component that is no field here cannot be run without a container.
type serveCmd struct {
	Kafka         serveKafka         `cmd:"" help:"Kafka: franz-go's kfake with a data directory."`
	Elasticsearch serveElasticsearch `cmd:"" help:"The log store, with the part of Elasticsearch's API that the stack uses."`
	Logstash      serveLogstash      `cmd:"" help:"The runner of Logstash's pipelines."`
	Platform      servePlatform      `cmd:"" help:"The simulated ingestion platform."`
	Grafana       serveGrafana       `cmd:"" help:"The viewer, in Grafana's place."`
}

// served are the names of the components that this program can serve.
func served() []string {
	var names []string
	for field := range reflect.TypeFor[serveCmd]().Fields() {
		names = append(names, strings.ToLower(field.Name))
	}
	return names
}

// serveLog is the log of a component: stderr, which the supervisor leads into the component's file.
func serveLog() *slog.Logger {
	level := slog.LevelInfo
	if os.Getenv("OBSANDBOX_DEBUG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// serve runs a component, and ends with the supervisor that has started it.
func serve[C any](ctx context.Context, run func(context.Context, C, *slog.Logger) error, cfg C) error {
	ctx, err := embedded.ServeGuard(ctx)
	if err != nil {
		return err
	}
	return run(ctx, cfg, serveLog())
}

type serveKafka struct {
	Listen string `required:"" placeholder:"HOST:PORT" help:"Where the broker listens."`
	Data   string `type:"path" placeholder:"DIR" help:"Where the log is kept (default: in memory)."`
	Topics string `required:"" type:"path" placeholder:"FILE" help:"The topics.yml."`
}

func (c *serveKafka) Run(ctx context.Context) error {
	return serve(ctx, kafka.Run, kafka.Config{Listen: c.Listen, Data: c.Data, Topics: c.Topics})
}

type serveElasticsearch struct {
	Listen string `required:"" placeholder:"HOST:PORT" help:"Where the HTTP API listens."`
	Data   string `type:"path" placeholder:"DIR" help:"Where the indices are kept (default: a temporary directory)."`
	Config string `type:"path" placeholder:"FILE" help:"The elasticsearch.yml (default: Elasticsearch's own defaults)."`
}

func (c *serveElasticsearch) Run(ctx context.Context) error {
	return serve(ctx, elastic.Run, elastic.Config{Listen: c.Listen, Data: c.Data, ConfigFile: c.Config})
}

type serveLogstash struct {
	Settings string `required:"" type:"path" placeholder:"DIR" help:"The directory of logstash.yml and pipelines.yml (path.settings)."`
	API      string `name:"api" required:"" placeholder:"HOST:PORT" help:"Where the monitoring API listens."`
	Data     string `required:"" type:"path" placeholder:"DIR" help:"Where dead letters are kept (path.data)."`
}

func (c *serveLogstash) Run(ctx context.Context) error {
	return serve(ctx, logstash.Run, logstash.Config{Settings: c.Settings, API: c.API, Data: c.Data})
}

type servePlatform struct {
	StackDir   string   `required:"" type:"path" placeholder:"DIR" help:"The stack directory."`
	API        string   `name:"api" required:"" placeholder:"HOST:PORT" help:"Where its own API listens, with the stand-ins of Slack and PagerDuty."`
	Proxy      string   `required:"" placeholder:"HOST:PORT" help:"Where the proxy to the simulated hosts listens."`
	Kubernetes string   `required:"" placeholder:"HOST:PORT" help:"Where the Kubernetes API listens."`
	Kafka      string   `placeholder:"HOST:PORT" help:"The broker for log lines (default: none are written)."`
	OTLP       string   `name:"otlp" placeholder:"URL" help:"The receiver of traces (default: none are sent)."`
	Upstream   []string `sep:"none" placeholder:"NAME=HOST:PORT" help:"A further host behind the proxy."`
	Replace    []string `sep:"none" placeholder:"SERVICE=HOST:PORT" help:"A real service in the place of a service's simulated pods."`
	Join       []string `sep:"none" placeholder:"SERVICE=HOST:PORT" help:"A real service beside the simulated pods."`
	Seed       uint64   `default:"1" help:"The same seed, the same world."`
	Factor     float64  `default:"1" placeholder:"N" help:"Disks, pools and queues fill up N times as fast, for monitoring whose windows are N times as short."`
	Fault      []string `sep:"none" placeholder:"NAME[:SERVICE]" help:"Broken from the start on."`
	LogRate    float64  `default:"${log_rate}" help:"Log lines per second."`
	TraceRate  float64  `default:"${trace_rate}" help:"Traces per second."`
}

func (c *servePlatform) Run(ctx context.Context) error {
	return serve(ctx, platform.Run, platform.Config{
		StackDir: c.StackDir, API: c.API, Proxy: c.Proxy, Kubernetes: c.Kubernetes, Kafka: c.Kafka, OTLP: c.OTLP,
		Upstreams: c.Upstream, Replace: c.Replace, Join: c.Join, Seed: c.Seed, Factor: c.Factor, Faults: c.Fault, LogRate: c.LogRate, TraceRate: c.TraceRate,
	})
}

type serveGrafana struct {
	Listen    string `required:"" placeholder:"HOST:PORT" help:"Where the page is served."`
	Addresses string `required:"" type:"path" placeholder:"FILE" help:"The addresses.json of the stack."`
}

func (c *serveGrafana) Run(ctx context.Context) error {
	return serve(ctx, viewer.Run, viewer.Config{Listen: c.Listen, Addresses: c.Addresses})
}

// guardCmd runs a program that must not outlive the supervisor, on systems whose kernel does not see to that.
type guardCmd struct {
	Program []string `arg:"" passthrough:""`
}

func (c *guardCmd) Run() error {
	args := c.Program
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	code, err := embedded.Guard(args)
	if err != nil || code != 0 {
		return &exitError{code, err}
	}
	return nil
}

// noneError is for commands that need a running stack.
type noneError struct{ cache string }

func (e *noneError) Error() string {
	return fmt.Sprintf("no stack runs on this machine (looked in %s): start one with `sandbox up`, or name its addresses.json with --stack", e.cache)
}
