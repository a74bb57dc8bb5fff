package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/embedded"
	"obsandbox/sandbox/internal/front"
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
	Replace []string `sep:"none" placeholder:"SERVICE=HOST:PORT" help:"A real service of yours takes the place of a service's simulated pods."`
	Join    []string `sep:"none" placeholder:"SERVICE=HOST:PORT" help:"A real service of yours joins the simulated pods."`
	Fault   []string `sep:"none" placeholder:"NAME[:SERVICE]" help:"Broken from the start on (sandbox fault --list)."`
	Factor  float64  `default:"1" placeholder:"N" help:"Hasten the monitoring N times: intervals, windows, for and the waits of groups are as much shorter (sandbox config prometheus --diff --running shows each line)."`
	Ports   string   `enum:"usual,auto" default:"usual" help:"usual: the ports of stack.yaml; auto: free ones."`
	JSON    bool     `name:"json" help:"Print one JSON object for each event, one a line."`
	Doors   bool     `hidden:"" help:"Lead the ports to this container's own address, too, when everything is ready."`
}

func (c *upCmd) Run(ctx context.Context, con *console) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	if err := c.guests(s); err != nil {
		return err
	}
	view := newView(con.out, c.JSON)
	opt := c.options(c.Ports == "auto")
	opt.Replace, opt.Join, opt.Faults = c.Replace, c.Join, c.Fault
	if c.Factor != 1 {
		opt.Factor = c.Factor
		view.note = fmt.Sprintf("hastened %g times: intervals, windows, for and the waits of groups are as much shorter than checked in", c.Factor)
	}
	view.own = len(c.Replace)+len(c.Join) > 0
	opt.OnEvent = view.event
	run, err := embedded.Start(ctx, s, opt)
	if err != nil && ctx.Err() != nil { // Ctrl-C while the configuration is judged is as good an end as any other
		view.ended()
		return nil
	}
	if err != nil {
		return err
	}
	view.show(run.Status)
	select {
	case <-run.Ready():
		view.ready(run, links(run.Addresses))
		if c.Doors {
			if err := c.open(ctx, run); err != nil {
				return errors.Join(err, run.Stop())
			}
		}
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

// open leads every port to this container's own address, until ctx ends.
func (c *upCmd) open(ctx context.Context, run *embedded.Run) error {
	own, err := front.OwnAddress()
	if err != nil {
		return err
	}
	var forwards []front.Forward
	for _, ports := range run.Addresses.Components {
		for _, address := range ports {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return fmt.Errorf("lead %s out of the container: %w", address, err)
			}
			f, err := front.ParseForward(port + "=" + address)
			if err != nil {
				return err
			}
			forwards = append(forwards, f)
		}
	}
	go func() {
		if err := front.Serve(ctx, own, forwards, serveLog(), nil); err != nil {
			serveLog().Error("the ports cannot be led out of the container", "error", err)
		}
	}()
	return nil
}

// guests says that --replace, --join and --fault are of no use.
func (c *upCmd) guests(s *stack.Stack) error {
	if len(c.Replace)+len(c.Join)+len(c.Fault) == 0 {
		return nil
	}
	selected, err := s.Select(c.Only, c.Without)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(selected, func(c stack.Component) bool { return c.Name == "platform" }) {
		return errors.New("--replace, --join and --fault need the component platform, which --only or --without leaves out")
	}
	return nil
}

// environment is what a service of the user's needs to take part: OpenTelemetry's own variable, and the broker for its
// log lines.
func environment(a stack.Addresses) []string {
	return []string{
		"KAFKA_BOOTSTRAP_SERVERS=" + a.Of("kafka", "broker"),
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + a.URL("jaeger", "otlp-http"),
	}
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
		// Their pages are not in the modules that they are built from: the viewer has its own.
		{"Prometheus (API)", "prometheus", "http", "/"},
		{"Alertmanager", "alertmanager", "http", "/"},
		{"Jaeger (API)", "jaeger", "query", "/"},
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
	// Environment is what a service of the user's takes part with.
	Environment []string `json:"environment"`
	// Factor is how many times the monitoring is hastened; missing where it is not.
	Factor float64 `json:"factor,omitempty"`
}

func (v *view) ready(run *embedded.Run, pages []link) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.json {
		v.line(readyEvent{time.Now(), "all ready", run.ReadyIn().Seconds(), run.AddressesFile, pages, environment(run.Addresses), run.Addresses.Factor})
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
	if v.own {
		fmt.Fprintf(&b, "  %-34s %s\n", "For your service's environment", strings.Join(environment(run.Addresses), " "))
	}
	if v.note != "" {
		b.WriteString("  " + v.note + "\n")
	}
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
