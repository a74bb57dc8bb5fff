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
	return front.Serve(ctx, "", forwards, serveLog(), nil)
}

// clusterCmd leads to the simulated cluster's pods, in the container of a program that wants to reach them.
type clusterCmd struct {
	Proxy string `required:"" placeholder:"HOST:PORT" help:"The platform's proxy."`
	Hosts []int  `required:"" placeholder:"PORT,…" help:"Ports at which pods listen."`
}

func (c *clusterCmd) Run(ctx context.Context) error {
	return front.ServeCluster(ctx, front.ClusterConfig{Proxy: c.Proxy, Hosts: c.Hosts}, serveLog())
}

// awaitCmd waits for a component that runs elsewhere.
type awaitCmd struct {
	stackFlag
	Stack      string        `required:"" type:"path" placeholder:"FILE" help:"The addresses.json of the stack."`
	Timeout    time.Duration `default:"5m" help:"How long to wait."`
	Host       string        `placeholder:"HOST" help:"They are all on this host, whose ports open when they are ready."`
	Components []string      `arg:"" help:"The components."`
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
	if c.Host != "" {
		if addresses, err = addresses.On(c.Host); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errors.New("not ready after "+c.Timeout.String()))
	defer cancel()
	for _, name := range c.Components {
		component, err := s.Component(name)
		if err != nil {
			return err
		}
		if c.Host != "" {
			err = front.Open(ctx, addresses.Of(name, component.Ready.Port))
		} else {
			err = front.Await(ctx, s, addresses, name)
		}
		if errors.Is(err, front.ErrEnded) {
			return &exitError{exitFailed, err} // whoever has started it can ask it why
		}
		if err != nil {
			return err
		}
	}
	return nil
}
