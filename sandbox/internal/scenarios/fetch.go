package scenarios

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// fetch makes a request and reads its JSON into answer, where there is one.
func fetch(ctx context.Context, method, target string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		err = &refusedError{resp.StatusCode, resp.Status, got}
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(got, answer)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target, err)
	}
	return nil
}

// refusedError is an answer that is no success.
type refusedError struct {
	status int
	text   string
	body   []byte
}

func (e *refusedError) Error() string { return e.text + ": " + strings.TrimSpace(string(e.body)) }

// reason is what Elasticsearch says of a request that it does not take; all of the answer where it says nothing.
func (e *refusedError) reason() string {
	type because struct {
		Reason string `json:"reason"`
	}
	var answer struct {
		Error struct {
			because
			FailedShards []struct {
				Reason struct {
					because
					CausedBy because `json:"caused_by"`
				} `json:"reason"`
			} `json:"failed_shards"`
		} `json:"error"`
	}
	if json.Unmarshal(e.body, &answer) != nil {
		return e.Error()
	}
	for _, s := range answer.Error.FailedShards {
		return cmp.Or(s.Reason.CausedBy.Reason, s.Reason.Reason)
	}
	return cmp.Or(answer.Error.Reason, e.Error())
}
