package logstash

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// maxBulkBytes is how large a bulk request grows before it is sent in parts (TARGET_BULK_BYTES of Logstash's output).
const maxBulkBytes = 20 << 20

// bulkClient speaks Elasticsearch's bulk API with the hosts in turn.
type bulkClient struct {
	hosts    []*url.URL
	path     string
	user     string
	password string
	apiKey   string
	compress int
	timeout  time.Duration
	log      *slog.Logger

	next atomic.Uint32
	http http.Client
}

// bulkItem is the answer to one action; Error is empty where it succeeded.
type bulkItem struct {
	Status int `json:"status"`
	Error  struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	} `json:"error"`
}

func statusText(i bulkItem) string {
	return strconv.Itoa(i.Status) + " " + i.Error.Type + ": " + i.Error.Reason
}

// String names the hosts.
func (c *bulkClient) String() string {
	names := make([]string, len(c.hosts))
	for i, h := range c.hosts {
		names[i] = h.Redacted()
	}
	return strings.Join(names, ", ")
}

func (c *bulkClient) close() { c.http.CloseIdleConnections() }

// bulk sends actions and returns the answers in their order; nil where all of them succeeded.
func (c *bulkClient) bulk(ctx context.Context, actions []action) ([]bulkItem, error) {
	var items []bulkItem
	failed := false
	for len(actions) > 0 {
		n, size := 0, 0
		for n < len(actions) && (n == 0 || size+len(actions[n].body) <= maxBulkBytes) {
			size += len(actions[n].body)
			n++
		}
		part, err := c.request(ctx, actions[:n], size)
		if err != nil {
			return nil, err
		}
		for i := range n {
			if part == nil {
				items = append(items, bulkItem{Status: http.StatusOK})
				continue
			}
			failed = true
			items = append(items, part[i])
		}
		actions = actions[n:]
	}
	if !failed {
		return nil, nil
	}
	return items, nil
}

func (c *bulkClient) request(ctx context.Context, actions []action, size int) ([]bulkItem, error) {
	body := bytes.NewBuffer(make([]byte, 0, size))
	var w io.Writer = body
	var zip *gzip.Writer
	if c.compress > 0 {
		zip, _ = gzip.NewWriterLevel(body, c.compress)
		w = zip
	}
	for _, a := range actions {
		if _, err := w.Write(a.body); err != nil {
			return nil, err
		}
	}
	if zip != nil {
		if err := zip.Close(); err != nil {
			return nil, err
		}
	}
	host := c.hosts[int(c.next.Add(1)-1)%len(c.hosts)]
	target := *host
	target.Path = strings.TrimSuffix(host.Path, "/") + c.path
	target.RawQuery = "filter_path=errors,items.*.error,items.*.status"
	target.User = nil
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), body)
	if err != nil {
		return nil, fmt.Errorf("bulk request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("x-elastic-product-origin", "logstash-output-elasticsearch")
	if zip != nil {
		req.Header.Set("Content-Encoding", "gzip")
	}
	switch {
	case c.apiKey != "":
		req.Header.Set("Authorization", "ApiKey "+c.apiKey)
	case c.user != "":
		req.SetBasicAuth(c.user, c.password)
	case host.User != nil:
		password, _ := host.User.Password()
		req.SetBasicAuth(host.User.Username(), password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("bulk request: %w", err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer to a bulk request: %w", err)
	}
	if res.StatusCode == http.StatusRequestEntityTooLarge && len(actions) > 1 {
		half := len(actions) / 2
		return c.halves(ctx, actions[:half], actions[half:])
	}
	if res.StatusCode != http.StatusOK {
		if res.StatusCode == http.StatusRequestEntityTooLarge {
			item := bulkItem{Status: res.StatusCode}
			item.Error.Type = "payload_too_large"
			return []bulkItem{item}, nil
		}
		return nil, fmt.Errorf("bulk request: %s: %s", res.Status, data[:min(len(data), 500)])
	}
	var answer struct {
		Errors bool                  `json:"errors"`
		Items  []map[string]bulkItem `json:"items"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("bulk request: the answer is no JSON: %w", err)
	}
	if !answer.Errors {
		return nil, nil
	}
	if len(answer.Items) != len(actions) {
		return nil, fmt.Errorf("bulk request: %d actions were sent and %d answers came", len(actions), len(answer.Items))
	}
	items := make([]bulkItem, len(actions))
	for i, item := range answer.Items {
		for _, result := range item {
			items[i] = result
		}
	}
	return items, nil
}

// halves sends a request that was too large as two.
func (c *bulkClient) halves(ctx context.Context, parts ...[]action) ([]bulkItem, error) {
	var items []bulkItem
	for _, p := range parts {
		got, err := c.bulk(ctx, p)
		if err != nil {
			return nil, errors.Join(errors.New("bulk request sent in halves"), err)
		}
		if got == nil {
			got = make([]bulkItem, len(p))
			for i := range got {
				got[i].Status = http.StatusOK
			}
		}
		items = append(items, got...)
	}
	return items, nil
}
