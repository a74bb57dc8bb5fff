package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/locate"
	"obsandbox/sandbox/internal/stack"
)

// askTimeout is how long one question to a component may take; the next one is asked anew.
const askTimeout = 2 * time.Second

// newClient is an HTTP client that goes nowhere but to the components: no proxy of the environment.
func newClient() *http.Client {
	return &http.Client{Timeout: askTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 5 * time.Second}}
}

// probeOf asks once whether a component is ready, as stack.yaml describes it.
func probeOf(client *http.Client, c stack.Component, addresses stack.Addresses, topics []string) func(context.Context) error {
	address := addresses.Of(c.Name, c.Ready.Port)
	if c.Ready.Kafka {
		return func(ctx context.Context) error { return askKafka(ctx, address, topics) }
	}
	return func(ctx context.Context) error {
		_, err := request(ctx, client, http.MethodGet, "http://"+address+c.Ready.Path, nil)
		return err
	}
}

// askKafka asks for the metadata of a broker and of the topics that must be there.
func askKafka(ctx context.Context, address string, topics []string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	// First by hand: the client would wait a while before it dials again.
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	conn.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ClientID("sandbox-ready"))
	if err != nil {
		return fmt.Errorf("ask kafka at %s: %w", address, err)
	}
	defer client.Close()
	have, err := kadm.NewClient(client).ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("ask kafka at %s for its topics: %w", address, err)
	}
	return have.Error()
}

// setupOf makes the PUT requests of a component; the files' content is read when they are made.
func setupOf(client *http.Client, s *stack.Stack, c stack.Component, addresses stack.Addresses) func(context.Context) error {
	if len(c.Setup) == 0 {
		return nil
	}
	base := addresses.URL(c.Name, c.Ready.Port)
	return func(ctx context.Context) error {
		for _, put := range c.Setup {
			file := s.Path(put.File)
			data, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("set up %s: %w", c.Name, err)
			}
			answer, err := request(ctx, client, http.MethodPut, base+put.Put, data)
			var refused *refusedError
			if errors.As(err, &refused) {
				reasons := elasticReasons(answer)
				if len(reasons) == 0 { // it is not the file that it does not like
					return &stack.FileError{
						File: s.Path(stack.FileName), Line: put.Line,
						Msg: fmt.Sprintf("component %q: setup: it answers PUT %s with %s", c.Name, put.Put, refused.reason()),
					}
				}
				return &stack.FileError{
					File: file, Line: max(1, locate.First(data, reasons[len(reasons)-1])),
					Msg: fmt.Sprintf("%s refuses it (PUT %s): %s", c.Name, put.Put, strings.Join(reasons, ": ")),
				}
			}
			if err != nil {
				return fmt.Errorf("set up %s with %s: %w", c.Name, file, err)
			}
		}
		return nil
	}
}

// elasticReasons are the reasons in an error of Elasticsearch's, from the general to the particular.
func elasticReasons(answer string) []string {
	type cause struct {
		Reason   string `json:"reason"`
		CausedBy *cause `json:"caused_by"`
	}
	var body struct {
		Error cause `json:"error"`
	}
	if json.Unmarshal([]byte(answer), &body) != nil {
		return nil
	}
	var reasons []string
	for c := &body.Error; c != nil && c.Reason != ""; c = c.CausedBy {
		reasons = append(reasons, c.Reason)
	}
	return reasons
}

// refusedError is an answer other than 2xx.
type refusedError struct {
	status string
	body   string
}

func (e *refusedError) Error() string { return e.reason() }

func (e *refusedError) reason() string {
	if e.body == "" {
		return e.status
	}
	return e.status + ": " + e.body
}

// request answers with the body of a 2xx; any other answer is a *refusedError, its body returned too.
func request(ctx context.Context, client *http.Client, method, url string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	const enough = 4096
	data, err := io.ReadAll(io.LimitReader(resp.Body, enough))
	if err != nil {
		return "", err
	}
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	text := strings.TrimSpace(string(data))
	if resp.StatusCode/100 != 2 {
		return text, &refusedError{status: resp.Status, body: text}
	}
	return text, nil
}
