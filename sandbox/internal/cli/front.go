package cli

import (
	"context"
	"errors"
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
	Proxy            string            `required:"" placeholder:"HOST:PORT" help:"The platform's proxy."`
	Kubernetes       string            `placeholder:"HOST:PORT" help:"The platform's Kubernetes API."`
	Own              bool              `help:"Listen on this container's own address only, so that loopback keeps its ports."`
	Hosts            []int             `placeholder:"PORT,…" help:"Ports at which hosts of the cluster listen."`
	ListenProxy      int               `placeholder:"PORT" help:"Serve the proxy here, with the pods' addresses in containers."`
	ListenKubernetes int               `placeholder:"PORT" help:"Serve the Kubernetes API here, with the pods' addresses in containers."`
	TLS              int               `name:"tls" placeholder:"PORT" help:"Serve the Kubernetes API and the --name services here, with the certificate."`
	Cert             string            `type:"path" placeholder:"FILE" help:"The certificate, PEM."`
	Key              string            `type:"path" placeholder:"FILE" help:"Its key, PEM."`
	Name             map[string]string `placeholder:"NAME=HOST:PORT" help:"Stand in for a service on the internet."`
}

func (c *clusterCmd) Run(ctx context.Context) error {
	cfg := front.ClusterConfig{
		Proxy: c.Proxy, Kubernetes: c.Kubernetes, Hosts: c.Hosts, ListenProxy: c.ListenProxy, ListenKubernetes: c.ListenKubernetes,
		TLS: c.TLS, CertFile: c.Cert, KeyFile: c.Key, Names: c.Name,
	}
	if c.Own {
		own, err := front.OwnAddress()
		if err != nil {
			return err
		}
		cfg.Address = own
	}
	return front.ServeCluster(ctx, cfg, serveLog())
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
