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

// ClusterConfig says how the cluster's network is served in containers. The simulated platform serves that network through
// a proxy; Prometheus with the checked-in configuration knows no proxy, and no container can have the addresses of the
// pods. But every container has all of 127.0.0.0/8 to itself: so the pod 10.244.1.17 is 127.244.1.17 in containers, and
// whoever wants to reach pods has this server beside it, on their port.
type ClusterConfig struct {
	// Address is what is listened on; empty is every address.
	Address string
	// Proxy and Kubernetes are the platform's "host:port".
	Proxy      string
	Kubernetes string
	// Hosts are the ports at which hosts of the cluster listen. Whom a request is for, its Host header says.
	Hosts []int
	// ListenProxy and ListenKubernetes are the ports of the same proxy and API with the pods' addresses replaced; 0 is
	// none.
	ListenProxy      int
	ListenKubernetes int
	// TLS is the port that serves the Kubernetes API to clients inside the cluster, and the Names; 0 is none.
	TLS               int
	CertFile, KeyFile string
	// Names are services on the internet that are stood in for, each with the "host:port" of its stand-in (plain HTTP).
	Names map[string]string
}

type cluster struct {
	cfg ClusterConfig
	log *slog.Logger
}

// ServeCluster serves until parent ends and then returns nil.
func ServeCluster(parent context.Context, cfg ClusterConfig, log *slog.Logger) error {
	c := &cluster{cfg: cfg, log: log}
	hosts := server(c.hosts())
	api := server(http.HandlerFunc(c.kubernetes))
	secure := server(c.names(api.Handler))
	if cfg.TLS != 0 {
		cert, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return fmt.Errorf("serve the Kubernetes API inside the cluster: %w", err)
		}
		secure.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	serving := []struct {
		ports []int
		close func() error
		serve func(net.Listener) error
	}{
		{append([]int{cfg.ListenProxy}, cfg.Hosts...), hosts.Close, hosts.Serve},
		{[]int{cfg.ListenKubernetes}, api.Close, api.Serve},
		{[]int{cfg.TLS}, secure.Close, func(l net.Listener) error { return secure.ServeTLS(l, "", "") }},
	}
	ctx, end := context.WithCancelCause(parent)
	defer end(nil)
	var wg sync.WaitGroup
	for _, s := range serving {
		for _, port := range s.ports {
			if port == 0 {
				continue
			}
			wg.Go(func() {
				l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(cfg.Address, strconv.Itoa(port)))
				if err == nil {
					err = s.serve(l)
				}
				if !errors.Is(err, http.ErrServerClosed) {
					end(fmt.Errorf("serve the cluster's network on port %d: %w", port, err))
				}
			})
		}
		wg.Go(func() {
			<-ctx.Done()
			_ = s.close() // of listeners only, and connections that nobody waits for any more
		})
	}
	wg.Wait()
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

func server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
}

// hosts leads requests to the hosts of the cluster.
func (c *cluster) hosts() http.Handler {
	return &httputil.ReverseProxy{
		Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: c.cfg.Proxy}), MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.Out.URL.Host = realOf(r.In)
			r.Out.Host = r.Out.URL.Host
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, fmt.Sprintf("ask the simulated platform for %s: %v", realOf(r), err), http.StatusBadGateway)
		},
	}
}

// realOf is the "host:port" that a request is for, as the platform knows it.
func realOf(r *http.Request) string {
	to := r.URL.Host // a request to a proxy
	if to == "" {
		to = r.Host
	}
	if rest, ok := strings.CutPrefix(to, "127."); ok && !strings.HasPrefix(rest, "0.") {
		return "10." + rest
	}
	return to
}

// given is a pod's address in containers.
func given(ip string) string {
	if rest, ok := strings.CutPrefix(ip, "10."); ok {
		return "127." + rest
	}
	return ip
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
