package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/stack"
)

// How often a component is asked whether it is ready, and how long one question may take.
const (
	askEvery = 250 * time.Millisecond
	askFor   = 5 * time.Second
)

// Await waits until a component is ready as stack.yaml describes it, and then sets it up: its PUT requests and, for
// Kafka, the topics of its topics file. The error says what the component answered last.
func Await(ctx context.Context, s *stack.Stack, addresses stack.Addresses, name string) error {
	c, err := s.Component(name)
	if err != nil {
		return err
	}
	address := addresses.Of(name, c.Ready.Port)
	if address == "" {
		return fmt.Errorf("wait for %s: the addresses have no port %s of it", name, c.Ready.Port)
	}
	ask := func(ctx context.Context) error {
		return request(ctx, http.MethodGet, "http://"+address+c.Ready.Path, nil)
	}
	if c.Ready.Kafka {
		ask = func(ctx context.Context) error { return createTopics(ctx, s, c, address) }
	}
	if err := until(ctx, ask); err != nil {
		return fmt.Errorf("wait for %s at %s: %w", name, address, err)
	}
	for _, put := range c.Setup {
		body, err := os.ReadFile(s.Path(put.File))
		if err != nil {
			return fmt.Errorf("set up %s: %w", name, err)
		}
		if err := request(ctx, http.MethodPut, "http://"+address+put.Put, body); err != nil {
			return &stack.FileError{File: s.Path(put.File), Line: 1, Msg: fmt.Sprintf("%s refuses it (PUT %s): %v", name, put.Put, err)}
		}
	}
	return nil
}

// Open waits until a "host:port" takes connections.
func Open(ctx context.Context, address string) error {
	err := until(ctx, func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", address, err)
	}
	return nil
}

// ErrEnded says that a container is not there any more: its name has been there, as it is started before it is waited for.
var ErrEnded = errors.New("its container has ended")

// goneFor is how often in a row a host name has to be unknown.
const goneFor = 8

// errFinal is an answer that asking again does not change.
type errFinal struct{ error }

func (e errFinal) Unwrap() error { return e.error }

func until(ctx context.Context, ask func(context.Context) error) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for gone := 0; ; {
		one, cancel := context.WithTimeout(ctx, askFor)
		err := ask(one)
		cancel()
		var unknown *net.DNSError
		if gone++; !errors.As(err, &unknown) || !unknown.IsNotFound {
			gone = 0
		} else if gone == goneFor {
			return fmt.Errorf("%w (%w)", ErrEnded, err)
		}
		var final errFinal
		if err == nil || errors.As(err, &final) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

func request(ctx context.Context, method, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return errFinal{err}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

// createTopics makes the topics that are not there yet; with as many replicas as there are brokers, three at most.
func createTopics(ctx context.Context, s *stack.Stack, c stack.Component, address string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ClientID("sandbox-await"))
	if err != nil {
		return errFinal{err}
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	brokers, err := admin.ListBrokers(ctx)
	if err != nil {
		return err
	}
	for _, file := range c.Config {
		topics, err := stack.LoadTopics(s.Path(file))
		if err != nil {
			return errFinal{err}
		}
		for _, t := range topics {
			config := map[string]*string{}
			for key, value := range t.Config {
				config[key] = &value
			}
			got, err := admin.CreateTopic(ctx, int32(t.Partitions), int16(min(len(brokers), 3)), config, t.Name)
			if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
				if ke := (*kerr.Error)(nil); errors.As(err, &ke) && !ke.Retriable {
					return errFinal{fmt.Errorf("create topic %s: %w: %s", t.Name, err, got.ErrMessage)}
				}
				return err
			}
		}
	}
	return nil
}
