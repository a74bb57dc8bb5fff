package recorded

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"gopkg.in/yaml.v3"
)

// readURL speaks remote read, with samples as the answer: the HTTP API of queries leaves marks of staleness out.
func readURL(ctx context.Context, address string, mint, maxt int64, selectors [][]*labels.Matcher) ([]Series, error) {
	external, err := External(ctx, address)
	if err != nil {
		return nil, err
	}
	address = base(address) + "/api/v1/read"
	req := &prompb.ReadRequest{AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{prompb.ReadRequest_SAMPLES}}
	asked := map[string]bool{}
	for _, ms := range selectors {
		key := fmt.Sprint(ms)
		if asked[key] {
			continue
		}
		asked[key] = true
		q := &prompb.Query{StartTimestampMs: mint, EndTimestampMs: maxt}
		for _, m := range ms {
			q.Matchers = append(q.Matchers, &prompb.LabelMatcher{Type: kinds(m.Type), Name: m.Name, Value: m.Value})
		}
		req.Queries = append(req.Queries, q)
	}
	body, err := req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("remote read: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		return nil, fmt.Errorf("remote read: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("X-Prometheus-Remote-Read-Version", "0.1.0")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("remote read: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("remote read from %s: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("remote read from %s: %s: %s", address, resp.Status, strings.TrimSpace(string(data)))
	}
	var answer prompb.ReadResponse
	if data, err = snappy.Decode(nil, data); err == nil {
		err = answer.Unmarshal(data)
	}
	if err != nil {
		return nil, fmt.Errorf("remote read from %s: %w", address, err)
	}
	return answered(&answer, external)
}

func base(address string) string {
	return strings.TrimSuffix(strings.TrimSuffix(address, "/"), "/api/v1/read")
}

// External are the labels that a Prometheus adds to all that it sends to others, and that its own rules do not see. There
// are none where the source is no address, or where the address does not say (only Prometheus itself does).
func External(ctx context.Context, source string) (labels.Labels, error) {
	if !isAddress(source) {
		return labels.EmptyLabels(), nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base(source)+"/api/v1/status/config", nil)
	if err != nil {
		return labels.EmptyLabels(), fmt.Errorf("ask for external labels: %w", err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return labels.EmptyLabels(), fmt.Errorf("ask for external labels: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			YAML string `json:"yaml"`
		} `json:"data"`
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&answer) != nil {
		return labels.EmptyLabels(), ctx.Err()
	}
	var conf struct {
		Global struct {
			External map[string]string `yaml:"external_labels"`
		} `yaml:"global"`
	}
	if err := yaml.Unmarshal([]byte(answer.Data.YAML), &conf); err != nil {
		return labels.EmptyLabels(), fmt.Errorf("ask for external labels: the configuration of %s: %w", base(source), err)
	}
	return labels.FromMap(conf.Global.External), nil
}

// answered are the series of an answer, without the labels that were added to them.
func answered(answer *prompb.ReadResponse, external labels.Labels) ([]Series, error) {
	var out []Series
	seen := map[string]bool{}
	for _, res := range answer.Results {
		for _, ts := range res.Timeseries {
			b := labels.NewScratchBuilder(len(ts.Labels))
			for _, l := range ts.Labels {
				if external.Get(l.Name) != l.Value {
					b.Add(l.Name, l.Value)
				}
			}
			b.Sort()
			s := Series{Labels: b.Labels()}
			id := string(s.Labels.Bytes(nil))
			if seen[id] || len(ts.Samples) == 0 && len(ts.Histograms) == 0 {
				continue
			}
			seen[id] = true
			if len(ts.Histograms) > 0 {
				return nil, fmt.Errorf("%s is a native histogram: only floats are read", s.Labels)
			}
			for _, v := range ts.Samples {
				s.Times, s.Values = append(s.Times, v.Timestamp), append(s.Values, v.Value)
			}
			out = append(out, s)
		}
	}
	return out, nil
}

func kinds(t labels.MatchType) prompb.LabelMatcher_Type {
	switch t {
	case labels.MatchNotEqual:
		return prompb.LabelMatcher_NEQ
	case labels.MatchRegexp:
		return prompb.LabelMatcher_RE
	case labels.MatchNotRegexp:
		return prompb.LabelMatcher_NRE
	}
	return prompb.LabelMatcher_EQ
}
