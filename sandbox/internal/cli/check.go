package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"obsandbox/sandbox/internal/contract"
	"obsandbox/sandbox/internal/stack"
)

// checkCmd judges what is not part of the stack.
type checkCmd struct {
	Service checkService `cmd:"" help:"Metrics of the catalogue, health probes, log standard and traces of a running service."`
}

type checkService struct {
	stackFlag
	formatFlag
	Address string        `arg:"" placeholder:"HOST:PORT" help:"Where the service runs."`
	Service string        `placeholder:"NAME" help:"Which service it is (default: what its metrics say)."`
	Failing string        `placeholder:"DEPENDENCY" help:"kafka, database or cache is down at present: the probes are expected to say so."`
	Logs    string        `placeholder:"FILE" help:"Its log lines (- for stdin)."`
	Kafka   string        `placeholder:"HOST:PORT" help:"The broker that it logs to."`
	Jaeger  string        `placeholder:"URL" help:"The Jaeger that has its spans."`
	OTLP    string        `name:"otlp" placeholder:"HOST:PORT" help:"Receive its spans over OTLP/HTTP at this address."`
	Stack   string        `type:"path" placeholder:"FILE" help:"The addresses.json of a running stack, or its run directory: its Kafka and its Jaeger."`
	Wait    time.Duration `default:"10s" help:"How long lines and spans are waited for."`
}

func (c *checkService) Run(ctx context.Context, con *console) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	opt := contract.Options{
		Address: c.Address, Service: c.Service, Failing: c.Failing, Kafka: c.Kafka, Jaeger: c.Jaeger, OTLP: c.OTLP, Wait: c.Wait,
	}
	switch c.Logs {
	case "":
	case "-":
		opt.Logs, opt.LogsName = os.Stdin, "stdin"
	default:
		file, err := os.Open(c.Logs)
		if err != nil {
			return fmt.Errorf("--logs: %s: %w", c.Logs, errors.Unwrap(err))
		}
		defer file.Close()
		opt.Logs, opt.LogsName = file, c.Logs
	}
	if c.Stack != "" {
		a, err := stack.ReadAddresses(addressesFile(c.Stack))
		if err != nil {
			return err
		}
		if opt.Kafka == "" {
			opt.Kafka = a.Of("kafka", "broker")
		}
		if opt.Jaeger == "" {
			opt.Jaeger = a.URL("jaeger", "query")
		}
	}
	r, err := contract.Check(ctx, s, opt)
	if err != nil {
		return err
	}
	if err := c.write(con, r, false); err != nil {
		return err
	}
	return verdict(r)
}
