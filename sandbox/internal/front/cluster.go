package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ClusterConfig says how the cluster's network is served in a container. The simulated platform serves that network
// through a proxy; Prometheus with the checked-in configuration knows no proxy, and no container has the addresses of
// the pods. So this server listens where the configuration expects the cluster's hosts, and gives each pod an address
// of its own: this container's, with a port for each pod.
type ClusterConfig struct {
	// Address is this container's address, as the pods will have it.
	Address string
	// Proxy and Kubernetes are the platform's "host:port".
	Proxy      string
	Kubernetes string
	// Hosts are the ports at which hosts of the cluster listen under their own names; the names are led here by DNS.
	Hosts []int
	// ListenProxy and ListenKubernetes are the ports of the same proxy and API with the pods' addresses replaced.
	ListenProxy      int
	ListenKubernetes int
	// TLS is the port that serves the Kubernetes API to clients inside the cluster, and the Names; 0 is none.
	TLS               int
	CertFile, KeyFile string
	// Names are services on the internet that are stood in for, each with the "host:port" of its stand-in (plain HTTP).
	Names map[string]string
}

// cluster maps the addresses that it gives to those that the platform knows.
type cluster struct {
	ctx   context.Context // of the run: pods appear while it serves
	cfg   ClusterConfig
	log   *slog.Logger
	proxy *httputil.ReverseProxy

	mu     sync.Mutex
	real   map[string]string // given "host:port" to the pod's own
	given  map[string]int    // the pod's own "host:port" to the given port
	server *http.Server
	serve  sync.WaitGroup
	failed chan error
}

// ServeCluster serves until ctx ends and then returns nil.
func ServeCluster(ctx context.Context, cfg ClusterConfig, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &cluster{ctx: ctx, cfg: cfg, log: log, real: map[string]string{}, given: map[string]int{}, failed: make(chan error, 1)}
	c.proxy = &httputil.ReverseProxy{
		// Watches and hanging targets: whoever asks decides how long to wait.
		Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: cfg.Proxy}), MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.Out.URL.Host = c.realOf(r.In)
			r.Out.Host = r.Out.URL.Host
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, fmt.Sprintf("ask the simulated platform for %s: %v", c.realOf(r), err), http.StatusBadGateway)
		},
	}
	c.server = &http.Server{Handler: c.proxy, ReadHeaderTimeout: 10 * time.Second}
	api := &http.Server{Handler: http.HandlerFunc(c.kubernetes), ReadHeaderTimeout: 10 * time.Second}
	servers := []*http.Server{c.server, api}

	for _, port := range append([]int{cfg.ListenProxy}, cfg.Hosts...) {
		if _, err := c.listen(c.server, port); err != nil {
			return errors.Join(err, c.close(servers))
		}
	}
	if _, err := c.listen(api, cfg.ListenKubernetes); err != nil {
		return errors.Join(err, c.close(servers))
	}
	if cfg.TLS != 0 {
		cert, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return errors.Join(fmt.Errorf("serve the Kubernetes API inside the cluster: %w", err), c.close(servers))
		}
		secure := &http.Server{
			Handler: c.names(api.Handler), ReadHeaderTimeout: 10 * time.Second,
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		}
		servers = append(servers, secure)
		if _, err := c.listen(tlsServer{secure}, cfg.TLS); err != nil {
			return errors.Join(err, c.close(servers))
		}
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-c.failed:
	}
	cancel()
	return errors.Join(err, c.close(servers))
}

func (c *cluster) close(servers []*http.Server) error {
	var all error
	for _, s := range servers {
		all = errors.Join(all, s.Close())
	}
	c.serve.Wait()
	return all
}

// listen serves a port (0: any) and returns the one it got.
func (c *cluster) listen(server interface{ Serve(net.Listener) error }, port int) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(c.ctx, "tcp", net.JoinHostPort(c.cfg.Address, strconv.Itoa(port)))
	if err != nil {
		return 0, fmt.Errorf("serve the cluster's network: %w", err)
	}
	c.serve.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			select {
			case c.failed <- err:
			default:
			}
		}
	})
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tlsServer serves TLS with the certificates of its configuration.
type tlsServer struct{ *http.Server }

func (s tlsServer) Serve(l net.Listener) error { return s.ServeTLS(l, "", "") }

// realOf is the "host:port" that a request is for, as the platform knows it.
func (c *cluster) realOf(r *http.Request) string {
	to := r.URL.Host // a request to a proxy
	if to == "" {
		to = r.Host
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if real, ok := c.real[to]; ok {
		return real
	}
	return to
}

// give listens for a pod, once, and returns the port. Pods keep theirs as long as this process runs.
func (c *cluster) give(ip, port string) (int, error) {
	own := net.JoinHostPort(ip, port)
	c.mu.Lock()
	defer c.mu.Unlock()
	if given, ok := c.given[own]; ok {
		return given, nil
	}
	got, err := c.listen(c.server, portOf(ip))
	if err != nil { // another pod's, or another program's
		if got, err = c.listen(c.server, 0); err != nil {
			return 0, err
		}
	}
	c.given[own] = got
	c.real[net.JoinHostPort(c.cfg.Address, strconv.Itoa(got))] = own
	return got, nil
}

// portOf makes a pod's port a function of its address, so that the same world has the same instances: 10.244.3.17 has
// 20785. It is below the ports that systems give to outgoing connections.
func portOf(ip string) int {
	addr := net.ParseIP(ip).To4()
	if addr == nil || addr[2] > 40 {
		return 0
	}
	return 20000 + int(addr[2])*256 + int(addr[3])
}

// names serves the stand-ins of services on the internet, and everything else by next.
func (c *cluster) names(next http.Handler) http.Handler {
	to := &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", c.cfg.Names[hostname(r.In)]
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.cfg.Names[hostname(r)] != "" {
			to.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostname(r *http.Request) string {
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	return strings.ToLower(name)
}
