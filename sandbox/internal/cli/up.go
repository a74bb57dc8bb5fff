package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/report"
	"obsandbox/sandbox/internal/stack"
)

// selectFlags say which part of the stack is run, and how.
type selectFlags struct {
	stackFlag
	Only    []string `placeholder:"NAME,…" help:"Run these components only."`
	Without []string `placeholder:"NAME,…" help:"Run all components but these."`
	Data    string   `type:"path" placeholder:"DIR" help:"Keep state, logs and addresses.json in this directory (default: a temporary one)."`
	Seed    uint64   `default:"1" help:"Seed of the simulated platform: the same seed, the same world."`
}

func (f selectFlags) options(autoPorts bool) embedded.Options {
	return embedded.Options{
		Only: f.Only, Without: f.Without, Data: f.Data, Seed: f.Seed, AutoPorts: autoPorts,
		Serves: served(), Checks: checks(),
	}
}

type upCmd struct {
	selectFlags
	Ports string `enum:"usual,auto" default:"usual" help:"usual: the ports of stack.yaml; auto: free ones."`
	JSON  bool   `name:"json" help:"Print one JSON object for each event, one a line."`
}

func (c *upCmd) Run(ctx context.Context, con *console) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	view := newView(con.out, c.JSON)
	opt := c.options(c.Ports == "auto")
	opt.OnEvent = view.event
	run, err := embedded.Start(ctx, s, opt)
	if err != nil {
		return err
	}
	view.show(run.Status)
	select {
	case <-run.Ready():
		view.ready(run, links(run.Addresses))
	case <-run.Done():
	}
	err = run.Wait()
	view.close()
	if err != nil {
		return err
	}
	view.ended()
	return nil
}

// link is a page that a person may want to open.
type link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// links are the pages of a running stack.
func links(a stack.Addresses) []link {
	var all []link
	for _, l := range []struct{ name, component, port, path string }{
		{"Grafana (viewer)", "grafana", "http", "/"},
		{"Prometheus", "prometheus", "http", "/"},
		{"Alertmanager", "alertmanager", "http", "/"},
		{"Jaeger", "jaeger", "query", "/"},
		{"Elasticsearch", "elasticsearch", "http", "/"},
		{"Platform (faults, notifications)", "platform", "api", "/"},
	} {
		if url := a.URL(l.component, l.port); url != "" {
			all = append(all, link{l.name, url + l.path})
		}
	}
	return all
}

// readyEvent is the JSON line that says that everything is ready.
type readyEvent struct {
	Time      time.Time `json:"time"`
	Event     string    `json:"event"`
	Seconds   float64   `json:"seconds"`
	Addresses string    `json:"addresses_file"`
	Links     []link    `json:"links"`
}

func (v *view) ready(run *embedded.Run, pages []link) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json {
		v.line(readyEvent{time.Now(), "all ready", run.ReadyIn().Seconds(), run.AddressesFile, pages})
		return
	}
	var b strings.Builder
	var memory int64
	for _, st := range run.Status() {
		memory += st.Memory
	}
	fmt.Fprintf(&b, "all ready in %s, %s of memory\n", report.Seconds(run.ReadyIn()), bytesText(memory))
	for _, l := range pages {
		fmt.Fprintf(&b, "  %-34s %s\n", l.Name, l.URL)
	}
	fmt.Fprintf(&b, "  %-34s %s\n", "Addresses", run.AddressesFile)
	fmt.Fprintf(&b, "  %-34s %s\n", "Logs", run.Dir+"/logs")
	b.WriteString("Ctrl-C ends it.\n")
	v.footer = b.String()
	v.draw()
	if !v.terminal {
		fmt.Fprint(v.out, v.footer)
	}
}

func (v *view) line(value any) {
	data, err := json.Marshal(value)
	if err != nil {
		data = []byte(fmt.Sprintf(`{"error":%q}`, err.Error()))
	}
	fmt.Fprintf(v.out, "%s\n", data)
}
