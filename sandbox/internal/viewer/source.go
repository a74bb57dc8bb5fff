package viewer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"obsandbox/sandbox/internal/stack"
)

// Status is what the page shows.
type Status struct {
	At         time.Time   `json:"at"`
	Components []Component `json:"components"`
	// Alerts are the pending and firing ones, firing first.
	Alerts []Alert `json:"alerts"`
	// Notifications are the newest first.
	Notifications []Notification `json:"notifications"`
	// Problems are the parts that could not be read, in words.
	Problems []string `json:"problems,omitempty"`
}

// Component is one part of the stack and its addresses.
type Component struct {
	Name  string `json:"name"`
	Ports []Port `json:"ports"`
	// Ready says that it answers as stack.yaml says a ready one does; Reason says why not.
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// Port is a named address; URL is set where a browser can open it.
type Port struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	URL     string `json:"url,omitempty"`
}

// Alert is one alert of Prometheus.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	// State is "pending" or "firing".
	State    string    `json:"state"`
	ActiveAt time.Time `json:"activeAt"`
	Value    string    `json:"value"`
}

// Notification is one that the stand-ins of Slack and PagerDuty have recorded.
type Notification struct {
	ID       int       `json:"id"`
	Received time.Time `json:"received"`
	// Kind is "slack" or "pagerduty".
	Kind     string `json:"kind"`
	Title    string `json:"title"`
	Text     string `json:"text"`
	Severity string `json:"severity,omitempty"`
}

// opens says with which path a browser looks at a port, by component and port name.
var opens = map[string]string{
	"prometheus/http":     "/targets",
	"alertmanager/http":   "/#/alerts",
	"jaeger/query":        "/api/services",
	"elasticsearch/http":  "/_cat/indices?v",
	"logstash/api":        "/_node/stats/pipelines?pretty",
	"platform/api":        "/api/state",
	"platform/kubernetes": "/api/v1/namespaces/data-ingestion/pods",
	"grafana/http":        "/",
}

type source struct {
	addr stack.Addresses
	http *http.Client
	// ready is how the components of stack.yaml are asked whether they are ready, by their names.
	ready map[string]stack.Ready
}

func newSource(addr stack.Addresses) *source {
	s := &source{addr: addr, http: &http.Client{Timeout: 3 * time.Second}, ready: map[string]stack.Ready{}}
	if loaded, err := stack.Read(addr.StackDir); err == nil { // a stack file that is broken now does not end what runs
		for _, c := range loaded.Components {
			s.ready[c.Name] = c.Ready
		}
	}
	return s
}

// status asks everything at once; what does not answer becomes a problem in words, not an error of the page.
func (s *source) status(ctx context.Context) Status {
	st := Status{At: time.Now().UTC(), Components: s.components()}
	var mu sync.Mutex
	var wg sync.WaitGroup
	ask := func(component, port string, read func(url string) error) {
		url := s.addr.URL(component, port)
		if url == "" {
			return // does not run this time
		}
		wg.Go(func() {
			if err := read(url); err != nil {
				mu.Lock()
				defer mu.Unlock()
				st.Problems = append(st.Problems, fmt.Sprintf("%s: %v", component, err))
			}
		})
	}
	ask("prometheus", "http", func(url string) error {
		var answer struct {
			Data struct {
				Alerts []Alert `json:"alerts"`
			} `json:"data"`
		}
		err := s.get(ctx, url+"/api/v1/alerts", &answer)
		st.Alerts = answer.Data.Alerts
		return err
	})
	ask("platform", "api", func(url string) error { return s.get(ctx, url+"/api/notifications", &st.Notifications) })
	for i := range st.Components {
		wg.Go(func() {
			c := &st.Components[i]
			if err := s.isReady(ctx, c.Name); err != nil {
				c.Reason = err.Error()
			} else {
				c.Ready = true
			}
		})
	}
	wg.Wait()

	slices.Sort(st.Problems)
	slices.SortStableFunc(st.Alerts, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.State, b.State), a.ActiveAt.Compare(b.ActiveAt))
	})
	slices.SortStableFunc(st.Notifications, func(a, b Notification) int { return b.Received.Compare(a.Received) })
	return st
}

func (s *source) components() []Component {
	var all []Component
	for name, ports := range s.addr.Components {
		c := Component{Name: name}
		for port, address := range ports {
			p := Port{Name: port, Address: address}
			if path, ok := opens[name+"/"+port]; ok {
				p.URL = s.addr.URL(name, port) + path
			}
			c.Ports = append(c.Ports, p)
		}
		slices.SortFunc(c.Ports, func(a, b Port) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Component) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// isReady asks a component as stack.yaml says; one that has no HTTP answer for it, or is none of the stack's, is ready when
// it takes connections.
func (s *source) isReady(ctx context.Context, name string) error {
	ready, ports := s.ready[name], s.addr.Components[name]
	address := ports[ready.Port]
	if address != "" && ready.Path != "" && !ready.Kafka {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+ready.Path, nil)
		if err != nil {
			return err
		}
		res, err := s.http.Do(req)
		if err != nil {
			return fmt.Errorf("does not answer: %w", err)
		}
		defer res.Body.Close()
		if res.StatusCode/100 != 2 {
			return fmt.Errorf("%s answers %s", ready.Path, res.Status)
		}
		return nil
	}
	if address == "" && len(ports) > 0 {
		address = ports[slices.Min(slices.Collect(maps.Keys(ports)))]
	}
	conn, err := (&net.Dialer{Timeout: s.http.Timeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("takes no connection: %w", err)
	}
	return conn.Close()
}

func (s *source) get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s answers %s", url, res.Status)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	return nil
}
