package smoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// answers keeps what GETs answered for a moment, so that ten checks that look at the same list ask for it once.
type answers struct {
	keep time.Duration
	mu   sync.Mutex
	byID map[string]*answer
}

type answer struct {
	done chan struct{}
	at   time.Time
	body []byte
	err  error
}

// get is one GET for all that ask for the same within the keeping time.
func (a *answers) get(ctx context.Context, url string, fetch func() ([]byte, error)) ([]byte, error) {
	a.mu.Lock()
	if a.byID == nil {
		a.byID = map[string]*answer{}
	}
	at, ok := a.byID[url]
	if !ok || (!at.at.IsZero() && time.Since(at.at) > a.keep) {
		at = &answer{done: make(chan struct{})}
		a.byID[url] = at
		a.mu.Unlock()
		body, err := fetch()
		a.mu.Lock()
		at.body, at.err, at.at = body, err, time.Now()
		a.mu.Unlock()
		close(at.done)
		return body, err
	}
	a.mu.Unlock()
	select {
	case <-at.done:
		return at.body, at.err
	case <-ctx.Done():
		return nil, fmt.Errorf("GET %s: %w", url, context.Cause(ctx))
	}
}

// getJSON decodes the answer of a GET. Many may ask for the same at a time.
func (e *env) getJSON(ctx context.Context, url string, into any) error {
	body, err := e.fresh.get(ctx, url, func() ([]byte, error) {
		_, body, err := e.do(ctx, http.MethodGet, url, nil)
		return body, err
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: the answer is not the JSON expected: %w: %s", url, err, excerpt(body))
	}
	return nil
}

// sendJSON sends a body (nil for none) and decodes the answer (into nil: thrown away).
func (e *env) sendJSON(ctx context.Context, method, url string, body, into any) error {
	_, answer, err := e.do(ctx, method, url, body)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: the answer is not the JSON expected: %w: %s", method, url, err, excerpt(answer))
	}
	return nil
}

// statusError is an answer other than 2xx.
type statusError struct {
	method, url string
	status      int
	body        []byte
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s %s answers %d %s: %s", e.method, e.url, e.status, http.StatusText(e.status), excerpt(e.body))
}

// isStatus says whether err is an answer with that HTTP status.
func isStatus(err error, status int) bool {
	var s *statusError
	return errors.As(err, &s) && s.status == status
}

// do makes one request; an answer other than 2xx is a *statusError.
func (e *env) do(ctx context.Context, method, url string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return 0, nil, fmt.Errorf("%s %s: %w", method, url, err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	res, err := e.http.Do(req)
	if err != nil {
		return 0, nil, err // says method and URL
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 32<<20))
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: read the answer: %w", method, url, err)
	}
	if res.StatusCode/100 != 2 {
		return res.StatusCode, answer, &statusError{method, url, res.StatusCode, answer}
	}
	return res.StatusCode, answer, nil
}

// untilSent repeats a send that was not accepted, because nobody listened or the receiver was not ready: once accepted
// it is not sent again.
func (e *env) untilSent(ctx context.Context, send func(context.Context) error) error {
	for {
		err := send(ctx)
		var status *statusError
		if err == nil || errors.As(err, &status) && status.status/100 == 4 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(e.opt.pause):
		}
	}
}

// excerpt is the beginning of a body, on one line.
func excerpt(body []byte) string {
	s := strings.Join(strings.Fields(string(body)), " ")
	if len(s) > 300 {
		s = s[:300] + " …"
	}
	if s == "" {
		return "(empty)"
	}
	return s
}
