package front_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/front"
	"obsandbox/sandbox/internal/ports"
)

const pod = `{"kind":"Pod","metadata":{"name":"%s","annotations":{"prometheus.io/port":"8080"}},` +
	`"spec":{"containers":[{"ports":[{"name":"http","containerPort":8080}]}]},` +
	`"status":{"podIP":"%s","podIPs":[{"ip":"%[2]s"}]}}`

// platform serves what the simulated platform does: a proxy that says where a request led, and a Kubernetes API with a
// list and a watch.
func platform(t *testing.T) (proxy, kubernetes, stranger string) {
	t.Helper()
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	proxy = serve(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.String()) })
	kubernetes = serve(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/readyz":
			fmt.Fprint(w, "ok")
		case r.URL.Query().Get("watch") == "1":
			fmt.Fprintf(w, `{"type":"ADDED","object":`+pod+"}\n", "c", "10.244.2.7")
			require.NoError(t, http.NewResponseController(w).Flush())
			<-r.Context().Done()
		default:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"kind":"PodList","items":[`+pod+","+pod+"]}", "a", "10.244.1.17", "b", "10.244.1.18")
		}
	})
	stranger = serve(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "recorded "+r.Method+" "+r.URL.Path) })
	return proxy, kubernetes, stranger
}

// certificate makes one that signs itself for the names, and a pool that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS() // has a certificate for example.com
	defer s.Close()
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return certFile, keyFile, roots
}

type podObject struct {
	Metadata struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Ports []struct{ ContainerPort json.Number }
		}
	} `json:"spec"`
	Status struct {
		PodIP  string `json:"podIP"`
		PodIPs []struct {
			IP string `json:"ip"`
		} `json:"podIPs"`
	} `json:"status"`
}

func TestServeCluster(t *testing.T) {
	t.Parallel()
	proxy, kubernetes, stranger := platform(t)
	certFile, keyFile, roots := certificate(t)
	cfg := front.ClusterConfig{
		Address: "127.0.0.1", Proxy: proxy, Kubernetes: kubernetes,
		Hosts: []int{ports.Number(t), ports.Number(t)}, ListenProxy: ports.Number(t), ListenKubernetes: ports.Number(t),
		TLS: ports.Number(t), CertFile: certFile, KeyFile: keyFile, Names: map[string]string{"pager.example.com": stranger},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- front.ServeCluster(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"},
		// Names of the cluster lead to it, as a container's hosts file has it.
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}}
	t.Cleanup(client.CloseIdleConnections)
	get := func(page string) string {
		resp, err := client.Get(page)
		require.NoError(t, err, page)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode, "%s: %s", page, body)
		return string(body)
	}
	for _, port := range append([]int{cfg.TLS, cfg.ListenProxy, cfg.ListenKubernetes}, cfg.Hosts...) {
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", at(port))
			if err == nil {
				conn.Close()
			}
			return err == nil
		}, time.Minute, 5*time.Millisecond)
	}

	// Hosts under their own names, at each of their ports.
	for _, port := range cfg.Hosts {
		page := fmt.Sprintf("http://kafka-0.kafka:%d/metrics?x=1", port)
		assert.Equal(t, page, get(page))
	}

	// A pod is a loopback address here, and is reached there; nothing else of it is changed.
	check := func(p podObject, name, real string) {
		assert.Equal(t, name, p.Metadata.Name)
		assert.Equal(t, "127"+strings.TrimPrefix(real, "10"), p.Status.PodIP)
		assert.Equal(t, p.Status.PodIP, p.Status.PodIPs[0].IP)
		assert.Equal(t, "8080", p.Metadata.Annotations["prometheus.io/port"])
		assert.Equal(t, "8080", fmt.Sprint(p.Spec.Containers[0].Ports[0].ContainerPort))
		req, err := http.NewRequest(http.MethodGet, "http://"+at(cfg.Hosts[0])+"/metrics", nil)
		require.NoError(t, err)
		req.Host = p.Status.PodIP + ":8080"
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, "http://"+real+":8080/metrics", string(body))
	}
	var first, again struct{ Items []podObject }
	require.NoError(t, json.Unmarshal([]byte(get("http://"+at(cfg.ListenKubernetes)+"/api/v1/pods")), &first))
	require.Len(t, first.Items, 2)
	check(first.Items[0], "a", "10.244.1.17")
	check(first.Items[1], "b", "10.244.1.18")
	require.NoError(t, json.Unmarshal([]byte(get("https://example.com:"+fmt.Sprint(cfg.TLS)+"/api/v1/pods")), &again))
	assert.Equal(t, first, again, "the API inside the cluster is the same one")

	// A watch hands on each event when it comes.
	resp, err := client.Get("http://" + at(cfg.ListenKubernetes) + "/api/v1/pods?watch=1")
	require.NoError(t, err)
	var event struct {
		Type   string
		Object podObject
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&event))
	resp.Body.Close()
	assert.Equal(t, "ADDED", event.Type)
	check(event.Object, "c", "10.244.2.7")

	// Through the proxy, both the given and the real address lead to the pod.
	proxied := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: at(cfg.ListenProxy)})}}
	t.Cleanup(proxied.CloseIdleConnections)
	for _, host := range []string{"127.244.1.17:8080", "10.244.1.17:8080"} {
		resp, err := proxied.Get("http://" + host + "/health/ready")
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, "http://10.244.1.17:8080/health/ready", string(body), host)
	}

	// Services on the internet, and pages that are no JSON.
	req, err := http.NewRequest(http.MethodPost, "https://pager.example.com:"+fmt.Sprint(cfg.TLS)+"/v2/enqueue", strings.NewReader("{}"))
	require.NoError(t, err)
	resp, err = client.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, "recorded POST /v2/enqueue", string(body))
	assert.Equal(t, "ok", get("http://"+at(cfg.ListenKubernetes)+"/readyz"))

	cancel()
	require.NoError(t, <-done)
}

func TestServeClusterRefuses(t *testing.T) {
	t.Parallel()
	taken := ports.Number(t)
	for name, c := range map[string]struct {
		cfg  front.ClusterConfig
		want string
	}{
		"a port twice":            {front.ClusterConfig{ListenProxy: taken, ListenKubernetes: taken}, "serve the cluster's network"},
		"a certificate not there": {front.ClusterConfig{TLS: 1, CertFile: "no.pem", KeyFile: "no.pem"}, "no.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cfg.Address = "127.0.0.1"
			assert.ErrorContains(t, front.ServeCluster(t.Context(), c.cfg, slog.New(slog.DiscardHandler)), c.want)
		})
	}
}
