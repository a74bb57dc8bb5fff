// Package edge is the network of the simulated cluster, as an HTTP forward proxy: whoever asks it for
// http://10.244.1.17:8080/metrics or http://kafka-0.kafka:7071/metrics reaches that pod or exporter. What the cluster
// does not have cannot be reached; nothing leads out of the sandbox.
package edge

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"time"

	"obsandbox/sandbox/internal/platform/world"
)

// Cluster is what the proxy needs of the world.
type Cluster interface {
	// Host finds a host by its "host:port".
	Host(address string) (world.Host, bool)
	Hosts() []world.Host
	Health(service string) world.Health
}

// Config says what a Proxy leads to.
type Config struct {
	Cluster Cluster
	// Metrics writes the metrics of a host that is there.
	Metrics func(w http.ResponseWriter, r *http.Request, host world.Host)
	// Upstreams are further hosts, as "host:port" where clients ask for them, each with the "host:port" where it runs.
	Upstreams map[string]string
	// List is the address of the page that lists the hosts, for messages.
	List string
}

// Proxy is the forward proxy.
type Proxy struct {
	cfg     Config
	log     *slog.Logger
	forward *httputil.ReverseProxy
}

// New makes a Proxy.
func New(cfg Config, log *slog.Logger) *Proxy {
	p := &Proxy{cfg: cfg, log: log}
	p.forward = &httputil.ReverseProxy{
		// Whatever HTTP_PROXY says, it is not for addresses on this machine.
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Host = cfg.Upstreams[address(r.In)]
			r.Out.Host = address(r.In)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			// r is the request to the upstream; it still names the host that was asked for.
			p.refuse(w, r, http.StatusBadGateway, "%s runs at %s and does not answer: %v", r.Host, r.URL.Host, err)
		},
	}
	return p
}

// address is the "host:port" that a request is for.
func address(r *http.Request) string {
	host := strings.ToLower(r.URL.Host)
	if _, _, err := net.SplitHostPort(host); err != nil {
		return net.JoinHostPort(strings.Trim(host, "[]"), "80")
	}
	return host
}

// ServeHTTP serves requests to the proxy itself and through it.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		p.refuse(w, r, http.StatusMethodNotAllowed, "CONNECT %s: this proxy opens no tunnels: the hosts of the simulated cluster speak plain HTTP (ask for http://%s/)", r.Host, r.Host)
	case !r.URL.IsAbs():
		p.self(w, r)
	case r.URL.Scheme != "http":
		p.refuse(w, r, http.StatusBadRequest, "%s: the hosts of the simulated cluster speak plain HTTP, not %s", r.URL, r.URL.Scheme)
	default:
		p.through(w, r)
	}
}

func (p *Proxy) through(w http.ResponseWriter, r *http.Request) {
	to := address(r)
	if _, ok := p.cfg.Upstreams[to]; ok {
		p.forward.ServeHTTP(w, r)
		return
	}
	host, ok := p.cfg.Cluster.Host(to)
	if !ok || host.Address != to {
		p.refuse(w, r, http.StatusBadGateway, "%s", p.unreachable(to))
		return
	}
	p.serve(w, r, host)
}

// unreachable says why nobody answers, and what to try.
func (p *Proxy) unreachable(to string) string {
	name, port, err := net.SplitHostPort(to)
	if err != nil {
		return fmt.Sprintf("%s is no host:port", to)
	}
	for _, other := range p.addresses() {
		if h, pt, err := net.SplitHostPort(other); err == nil && h == name {
			return fmt.Sprintf("connect to %s: connection refused: %s listens on port %s, not %s", to, name, pt, port)
		}
	}
	if net.ParseIP(name) != nil {
		return fmt.Sprintf("connect to %s: no route to host: no pod of the simulated cluster has this address (GET %s lists the hosts)", to, p.cfg.List)
	}
	return fmt.Sprintf("look up %s: no such host in the simulated cluster (GET %s lists the hosts; --upstream %s=HOST:PORT adds one)", name, p.cfg.List, to)
}

// addresses are those of every host, sorted.
func (p *Proxy) addresses() []string {
	var all []string
	for _, h := range p.cfg.Cluster.Hosts() {
		all = append(all, h.Address)
	}
	for a := range p.cfg.Upstreams {
		all = append(all, a)
	}
	slices.Sort(all)
	return all
}

// self answers requests to the proxy's own address: what people see who open it in a browser.
func (p *Proxy) self(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/-/ready":
		_, _ = fmt.Fprintln(w, "ok")
	case "/":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintf(w, "An HTTP proxy to the hosts of the simulated cluster: curl -x http://%s http://HOST:PORT/metrics\n\n%s\n", r.Host, strings.Join(p.addresses(), "\n"))
	default:
		p.refuse(w, r, http.StatusNotFound, "%s: this is a proxy: set it as one (curl -x http://%s http://HOST:PORT%s); GET / lists the hosts", r.URL.Path, r.Host, r.URL.Path)
	}
}

func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, code int, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	p.log.Debug("proxy refused a request", "method", r.Method, "to", cmp.Or(r.URL.Host, r.Host), "code", code, "message", message)
	http.Error(w, message, code)
}

// ParseUpstreams reads NAME=HOST:PORT. NAME is the "host:port" that clients ask for.
func ParseUpstreams(flags []string) (map[string]string, error) {
	all := map[string]string{}
	var errs []error
	for _, flag := range flags {
		name, to, ok := strings.Cut(flag, "=")
		_, _, nameErr := net.SplitHostPort(name)
		_, _, toErr := net.SplitHostPort(to)
		switch name = strings.ToLower(name); {
		case !ok || nameErr != nil || toErr != nil:
			errs = append(errs, fmt.Errorf("--upstream %s: expected HOST:PORT=HOST:PORT, as in alertmanager:9093=127.0.0.1:41234", flag))
		case all[name] != "":
			errs = append(errs, fmt.Errorf("--upstream %s: %s already leads to %s", flag, name, all[name]))
		default:
			all[name] = to
		}
	}
	return all, errors.Join(errs...)
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value) // the client has gone: there is nobody to tell
}
