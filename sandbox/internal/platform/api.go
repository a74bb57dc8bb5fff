package platform

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/platform/world"
)

// state is the body of GET /api/state.
type state struct {
	Now     time.Time      `json:"now"`
	Started time.Time      `json:"started"`
	Seed    uint64         `json:"seed"`
	Pods    []PodState     `json:"pods"`
	Hosts   []hostState    `json:"hosts"`
	Proxy   string         `json:"proxy"`
	Rates   rates          `json:"rates"`
	Faults  []world.Active `json:"faults"`
}

// hostState is a host as a scrape target has it.
type hostState struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Service string `json:"service"`
}

// rates are what happens per second.
type rates struct {
	flowRates
	activityRates
}

// faultState is a fault with where it is set.
type faultState struct {
	world.Fault
	Active []world.Active `json:"active"`
}

// index is what somebody reads who opens the API in a browser.
const index = `The simulated ingestion platform.

GET    /api/state            pods, hosts, events per second
GET    /api/faults           what can break, and what is broken
PUT    /api/faults/NAME      break it (?service=NAME, ?for=5m)
DELETE /api/faults/NAME      mend it
GET    /api/notifications    what Alertmanager has sent
POST   /slack/services/…     the stand-in of Slack's incoming webhooks
POST   /v2/enqueue           the stand-in of PagerDuty's Events API v2
`

// api is the platform's own API.
func (p *platform) api() http.Handler {
	mux := http.NewServeMux()
	p.inbox.Register(mux)
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /api/state", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, p.state()) })
	mux.HandleFunc("GET /api/faults", p.listFaults)
	mux.HandleFunc("DELETE /api/faults", p.clearFaults)
	mux.HandleFunc("GET /api/faults/{name}", p.oneFault)
	mux.HandleFunc("PUT /api/faults/{name}", p.setFault)
	mux.HandleFunc("DELETE /api/faults/{name}", p.clearFault)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, index) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusNotFound, refusal("%s: no such path (there are: /api/state, /api/faults, /api/notifications, /slack/services/…, /v2/enqueue, /-/ready)", r.URL.Path))
	})
	return mux
}

func (p *platform) state() state {
	s := state{
		Now: p.world.Now().UTC(), Started: p.started.UTC(), Seed: p.cfg.Seed, Pods: p.kubelet.states(), Hosts: []hostState{},
		Proxy: "http://" + p.proxy, Rates: rates{p.flow.rates(), p.tell.rates()}, Faults: p.world.ActiveFaults(),
	}
	for _, h := range p.cluster.Hosts() {
		s.Hosts = append(s.Hosts, hostState{h.Name, h.Address, h.Service})
	}
	return s
}

func (p *platform) faults() []faultState {
	active := p.world.ActiveFaults()
	var all []faultState
	for _, f := range world.Faults() {
		is := faultState{Fault: f, Active: []world.Active{}}
		for _, a := range active {
			if a.Name == f.Name {
				is.Active = append(is.Active, a)
			}
		}
		all = append(all, is)
	}
	return all
}

func (p *platform) listFaults(w http.ResponseWriter, r *http.Request) {
	if err := onlyQuery(r.URL.Query()); err != nil {
		answer(w, http.StatusBadRequest, refusal("%v", err))
		return
	}
	answer(w, http.StatusOK, map[string]any{"faults": p.faults(), "active": p.world.ActiveFaults()})
}

func (p *platform) oneFault(w http.ResponseWriter, r *http.Request) {
	all := p.faults()
	i := slices.IndexFunc(all, func(f faultState) bool { return f.Name == r.PathValue("name") })
	if i < 0 {
		var names []string
		for _, f := range all {
			names = append(names, f.Name)
		}
		answer(w, http.StatusNotFound, refusal("no fault %q: there are %s", r.PathValue("name"), strings.Join(names, ", ")))
		return
	}
	answer(w, http.StatusOK, all[i])
}

func (p *platform) setFault(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	err := onlyQuery(query, "service", "for")
	set := world.Active{Name: r.PathValue("name"), Service: query.Get("service")}
	if text := query.Get("for"); err == nil && text != "" {
		d, perr := time.ParseDuration(text)
		if perr != nil || d <= 0 {
			err = fmt.Errorf("for=%s is no duration: expected one such as 90s or 5m", text)
		}
		set.Until = time.Now().Add(d).UTC()
	}
	if g, ok := p.cluster.Replaced(set.Service); err == nil && ok {
		err = fmt.Errorf("%s is not simulated: it runs at %s, so break it there (the faults of the other services can be set)", set.Service, g.Address)
	}
	if err == nil {
		err = p.world.Set(set.Name, set.Service, set.Until)
	}
	if err != nil {
		answer(w, http.StatusBadRequest, refusal("%v", err))
		return
	}
	p.log.Info("fault set", "name", set.Name, "service", set.Service, "until", set.Until)
	answer(w, http.StatusOK, set)
}

func (p *platform) clearFault(w http.ResponseWriter, r *http.Request) {
	err := onlyQuery(r.URL.Query(), "service")
	if err == nil {
		err = p.world.Clear(r.PathValue("name"), r.URL.Query().Get("service"))
	}
	if err != nil {
		answer(w, http.StatusBadRequest, refusal("%v", err))
		return
	}
	p.log.Info("fault cleared", "name", r.PathValue("name"), "service", r.URL.Query().Get("service"))
	w.WriteHeader(http.StatusNoContent)
}

// clearFaults mends everything, or everything that is set for one service.
func (p *platform) clearFaults(w http.ResponseWriter, r *http.Request) {
	err := onlyQuery(r.URL.Query(), "service")
	service := r.URL.Query().Get("service")
	for _, a := range p.world.ActiveFaults() {
		if err == nil && (service == "" || service == a.Service) {
			err = p.world.Clear(a.Name, a.Service)
		}
	}
	if err != nil {
		answer(w, http.StatusBadRequest, refusal("%v", err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// onlyQuery refuses parameters that would be ignored silently.
func onlyQuery(query url.Values, names ...string) error {
	for name := range query {
		if !slices.Contains(names, name) {
			return fmt.Errorf("unknown parameter %q (known: %s)", name, strings.Join(names, ", "))
		}
	}
	return nil
}

func refusal(format string, args ...any) map[string]string {
	return map[string]string{"error": fmt.Sprintf(format, args...)}
}

func answer(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value) // the client has gone: there is nobody to tell
}
