package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"obsandbox/sandbox/internal/front"
	"obsandbox/sandbox/internal/stack"
)

// frontCmd is the one door to a stack in containers.
type frontCmd struct {
	Forward []string `required:"" placeholder:"PORT=HOST:PORT,…" help:"Lead this port to that component."`
	Own     bool     `help:"Listen on this container's own address only, so that loopback keeps its ports."`
}

func (c *frontCmd) Run(ctx context.Context) error {
	var forwards []front.Forward
	for _, text := range c.Forward {
		f, err := front.ParseForward(text)
		if err != nil {
			return err
		}
		forwards = append(forwards, f)
	}
	host := ""
	if c.Own {
		own, err := front.OwnAddress()
		if err != nil {
			return err
		}
		host = own
	}
	return front.Serve(ctx, host, forwards, serveLog(), nil)
}

// clusterCmd is the simulated cluster's network, for containers.
type clusterCmd struct {
	Platform   string            `default:"127.0.0.1" placeholder:"HOST" help:"Where the platform runs."`
	Proxy      int               `required:"" help:"The port of the platform's proxy, here and there."`
	Kubernetes int               `required:"" help:"The port of the platform's Kubernetes API, here and there."`
	Hosts      []int             `placeholder:"PORT,…" help:"Ports at which hosts of the cluster listen under their own names."`
	TLS        int               `name:"tls" placeholder:"PORT" help:"Serve the Kubernetes API and the --name services here, with the certificate."`
	Cert       string            `type:"path" placeholder:"FILE" help:"The certificate, PEM."`
	Key        string            `type:"path" placeholder:"FILE" help:"Its key, PEM."`
	Name       map[string]string `placeholder:"NAME=HOST:PORT" help:"Stand in for a service on the internet."`
}

func (c *clusterCmd) Run(ctx context.Context) error {
	own, err := front.OwnAddress()
	if err != nil {
		return err
	}
	return front.ServeCluster(ctx, front.ClusterConfig{
		Address: own,
		Proxy:   fmt.Sprintf("%s:%d", c.Platform, c.Proxy), Kubernetes: fmt.Sprintf("%s:%d", c.Platform, c.Kubernetes),
		Hosts: c.Hosts, ListenProxy: c.Proxy, ListenKubernetes: c.Kubernetes,
		TLS: c.TLS, CertFile: c.Cert, KeyFile: c.Key, Names: c.Name,
	}, serveLog())
}

// awaitCmd waits for a component that runs elsewhere.
type awaitCmd struct {
	stackFlag
	Stack     string        `required:"" type:"path" placeholder:"FILE" help:"The addresses.json of the stack."`
	Timeout   time.Duration `default:"5m" help:"How long to wait."`
	Component string        `arg:"" help:"The component."`
}

func (c *awaitCmd) Run(ctx context.Context) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	addresses, err := stack.ReadAddresses(c.Stack)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errors.New("not ready after "+c.Timeout.String()))
	defer cancel()
	return front.Await(ctx, s, addresses, c.Component)
}
