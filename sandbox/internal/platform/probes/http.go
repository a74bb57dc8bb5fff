package probes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	// userAgent is the kubelet's.
	userAgent = "kube-probe/1.37"
	// maxBody is how much of an answer is read; the kubelet's limit too.
	maxBody = 10 << 10
	// maxShown is how much of an answer a message quotes.
	maxShown = 200
)

// Target is the container that is asked.
type Target struct {
	// IP is the pod's address.
	IP string
	// Ports are the container's ports by name, for probes that name one.
	Ports map[string]int32
}

// HTTP asks a container as its httpGet probe says, through a transport that leads to the pods (a proxy's, usually), and
// waits no longer than the probe's timeout. Like a kubelet's: 200 to 399 is success, and so is a redirect to another
// host, which is not followed. A probe that cannot be sent fails.
func HTTP(ctx context.Context, transport http.RoundTripper, probe corev1.Probe, to Target) Outcome {
	timeout := time.Duration(max(probe.TimeoutSeconds, 1)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	failed := func(err error) Outcome {
		if errors.Is(err, context.DeadlineExceeded) {
			return Outcome{Message: fmt.Sprintf("no answer within %s", timeout)}
		}
		return Outcome{Message: err.Error()}
	}
	req, err := request(ctx, probe.HTTPGet, to)
	if err != nil {
		return failed(err)
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if next.URL.Hostname() != via[0].URL.Hostname() {
			return http.ErrUseLastResponse
		}
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		return failed(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return failed(fmt.Errorf("read the answer of %s: %w", req.URL, err))
	}
	text := strings.TrimSpace(string(body))
	if len(text) > maxShown {
		text = text[:maxShown] + "…"
	}
	return Outcome{
		OK:      resp.StatusCode >= 200 && resp.StatusCode < 400,
		Message: strings.TrimSpace(fmt.Sprintf("HTTP status %d: %s", resp.StatusCode, text)),
	}
}

func request(ctx context.Context, get *corev1.HTTPGetAction, to Target) (*http.Request, error) {
	if get == nil {
		return nil, errors.New("the probe has no httpGet")
	}
	port := get.Port.IntVal
	if get.Port.Type == intstr.String {
		var ok bool
		if port, ok = to.Ports[get.Port.StrVal]; !ok {
			return nil, fmt.Errorf("the container has no port named %q", get.Port.StrVal)
		}
	}
	host := get.Host
	if host == "" {
		host = to.IP
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(int(port))) + get.Path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", url, err)
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "*/*")
	// Each probe is a new connection: what is judged is whether the container accepts one.
	req.Close = true
	for _, h := range get.HTTPHeaders {
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
			continue
		}
		req.Header.Set(h.Name, h.Value)
	}
	return req, nil
}
