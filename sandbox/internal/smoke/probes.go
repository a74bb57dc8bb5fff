package smoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"obsandbox/sandbox/internal/platform/probes"
	"obsandbox/sandbox/internal/stack"
)

const (
	// probeSpeed is how much faster than a kubelet's the clock of the probes runs: a liveness probe's first 30 s and
	// three periods of 10 s are over after 0.3 s.
	probeSpeed = 200
	// faultService is the one that a dependency is taken from for a moment, and faultName what is taken: the query API
	// writes nothing to Kafka, so that nothing is lost.
	faultService, faultName, faultCheck = "query-api", "kafka-unreachable", "kafka"
	// faultTime is when the platform mends it, should the run be killed before it can.
	faultTime = 30 * time.Second
	// faultPatience is how long a fault may take to show, or to be mended.
	faultPatience = 5 * time.Second
)

var kinds = []probes.Kind{probes.Liveness, probes.Readiness}

// lineOf is where a probe stands in its file.
func lineOf(p stack.Probes, kind probes.Kind) int {
	if kind == probes.Liveness {
		return p.LivenessLine
	}
	return p.ReadinessLine
}

func of(p stack.Probes, kind probes.Kind) *corev1.Probe {
	if kind == probes.Liveness {
		return p.Liveness
	}
	return p.Readiness
}

// probeChecks run the services' probes as a kubelet does, and see what a missing dependency does to them.
func probeChecks(e *env) []*check {
	file := e.stack.Path(stack.HealthFile)
	health, err := stack.LoadHealth(file)
	if err != nil {
		return []*check{broken("platform: which probes to run is known", file, err)}
	}
	needs := []string{"platform"}
	checks := []*check{
		{
			name: "platform answers", needs: needs,
			assert: e.platformAnswers,
		},
		{
			name: "pods have the checked-in probes", needs: needs, file: file, line: lineWith(file, "services:"),
			assert: func(ctx context.Context) (string, error) { return e.podsHaveProbes(ctx, health) },
		},
	}
	var running []*check
	for _, service := range health.Names() {
		for _, kind := range kinds {
			if probe := of(health.Services[service], kind); probe != nil {
				running = append(running, &check{
					name: fmt.Sprintf("the %s probe of %s succeeds", kind, service), needs: needs, file: file, line: lineOf(health.Services[service], kind),
					assert: func(ctx context.Context) (string, error) { return e.probeSucceeds(ctx, service, kind, *probe) },
				})
			}
		}
	}
	checks = append(checks, running...)
	return append(checks, &check{
		name:  fmt.Sprintf("a service that cannot reach %s is not ready, but lives, and is ready again after it", faultCheck),
		needs: needs, file: file, line: health.Services[faultService].ReadinessLine, after: running,
		assert: func(ctx context.Context) (string, error) {
			return e.readinessFollows(ctx, health.Services[faultService])
		},
	})
}

func (e *env) platformAnswers(ctx context.Context) (string, error) {
	if _, err := e.healthy(ctx, "platform", "api", "/-/ready", ""); err != nil {
		return "", err
	}
	var version struct {
		GitVersion string `json:"gitVersion"`
	}
	url := e.addr.URL("platform", "kubernetes") + "/version"
	if err := e.getJSON(ctx, url, &version); err != nil {
		return "", err
	}
	if version.GitVersion == "" {
		return "", &mismatch{"the version of a Kubernetes API server", "none", url}
	}
	return "Kubernetes API " + version.GitVersion, nil
}

// podsOf are the pods of a service that may run: a finished one is a job's, and answers nothing.
func (e *env) podsOf(ctx context.Context, service string) ([]corev1.Pod, error) {
	all, err := e.pods(ctx, nil)
	return slices.DeleteFunc(all, func(p corev1.Pod) bool { return p.Labels["app"] != service || done(p) }), err
}

func (e *env) podsHaveProbes(ctx context.Context, health *stack.Health) (string, error) {
	var faults []string
	n := 0
	for _, service := range health.Names() {
		pods, err := e.podsOf(ctx, service)
		if err != nil {
			return "", err
		}
		if len(pods) == 0 {
			faults = append(faults, "no pod of "+service)
		}
		for _, pod := range pods {
			n++
			for _, kind := range kinds {
				var have *corev1.Probe
				for _, c := range pod.Spec.Containers {
					have = of(stack.Probes{Liveness: c.LivenessProbe, Readiness: c.ReadinessProbe}, kind)
				}
				if want := of(health.Services[service], kind); asJSON(have) != asJSON(want) {
					faults = append(faults, fmt.Sprintf("pod %s has the %s probe %s, not %s", pod.Name, kind, asJSON(have), asJSON(want)))
				}
			}
		}
	}
	if len(faults) > 0 {
		return "", &mismatch{"the probes of " + stack.HealthFile, strings.Join(faults, "; "), e.addr.URL("platform", "kubernetes") + "/api/v1/pods"}
	}
	return fmt.Sprintf("%d pods", n), nil
}

func asJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// cluster is the transport that leads to the pods.
func (e *env) cluster() *http.Transport {
	proxy := &url.URL{Scheme: "http", Host: e.addr.Of("platform", "proxy")}
	return &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}
}

// probe runs a probe on a pod from its container's start on, until as many results in a row as it takes are alike.
func (e *env) probe(ctx context.Context, kind probes.Kind, probe corev1.Probe, pod corev1.Pod) (probes.State, error) {
	target := probes.Target{IP: pod.Status.PodIP, Ports: map[string]int32{}}
	for _, c := range pod.Spec.Containers {
		for _, port := range c.Ports {
			target.Ports[port.Name] = port.ContainerPort
		}
	}
	transport := e.cluster()
	started := e.began
	worker := probes.NewWorker(kind, probe, started)
	attempt := func(ctx context.Context) probes.Outcome { return probes.HTTP(ctx, transport, probe, target) }
	err := probes.Run(ctx, worker, probes.Faster(started, e.opt.probeSpeed), attempt, func(s probes.State, _ bool) bool {
		enough := probe.FailureThreshold
		if s.Last.OK {
			enough = probe.SuccessThreshold
		}
		return s.InARow < int(enough)
	})
	return worker.State(), err
}

// probeSucceeds is about every pod of a service.
func (e *env) probeSucceeds(ctx context.Context, service string, kind probes.Kind, probe corev1.Probe) (string, error) {
	pods, err := e.podsOf(ctx, service)
	if err != nil {
		return "", err
	}
	var faults []string
	for _, pod := range pods {
		state, err := e.probe(ctx, kind, probe, pod)
		if err != nil {
			return "", err
		}
		if !state.Up || !state.Last.OK {
			faults = append(faults, pod.Name+" is "+state.String())
		}
	}
	if len(pods) == 0 {
		faults = append(faults, "there is no pod")
	}
	if len(faults) > 0 {
		return "", &mismatch{
			fmt.Sprintf("GET %s succeeds within %d s on each pod", probe.HTTPGet.Path, probe.TimeoutSeconds), strings.Join(faults, "; "),
			e.addr.URL("platform", "api") + "/api/faults",
		}
	}
	return fmt.Sprintf("%d pods", len(pods)), nil
}

// dependencies is the answer of /health/ready.
type dependencies struct {
	Status string          `json:"status"`
	Checks map[string]bool `json:"checks"`
}

// ready asks a pod for its dependencies.
func (e *env) ready(ctx context.Context, probe corev1.Probe, pod corev1.Pod) (int, dependencies, error) {
	var answer dependencies
	url := "http://" + net.JoinHostPort(pod.Status.PodIP, probe.HTTPGet.Port.String()) + probe.HTTPGet.Path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, answer, err
	}
	res, err := e.cluster().RoundTrip(req)
	if err != nil {
		return 0, answer, fmt.Errorf("GET %s through the platform's proxy: %w", url, err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return 0, answer, fmt.Errorf("GET %s: the answer is not the JSON expected: %w", url, err)
	}
	return res.StatusCode, answer, nil
}

// readinessFollows takes a dependency from a service, and gives it back whatever is seen.
func (e *env) readinessFollows(ctx context.Context, p stack.Probes) (figure string, err error) {
	pods, err := e.podsOf(ctx, faultService)
	if err != nil {
		return "", err
	}
	if len(pods) == 0 || p.Liveness == nil || p.Readiness == nil {
		return "", final(fmt.Errorf("%s has no pod, or not both probes in %s", faultService, stack.HealthFile))
	}
	fault := fmt.Sprintf("%s/api/faults/%s?service=%s", e.addr.URL("platform", "api"), faultName, faultService)
	if err := e.sendJSON(ctx, http.MethodPut, fmt.Sprintf("%s&for=%s", fault, faultTime), nil, nil); err != nil {
		return "", fmt.Errorf("set a fault: %w", err)
	}
	mend := func(ctx context.Context) error {
		if err := e.sendJSON(ctx, http.MethodDelete, fault, nil, nil); err != nil {
			return fmt.Errorf("clear a fault: %w", err)
		}
		return nil
	}
	err = e.soon(ctx, func() error { return e.seenUnready(ctx, p, pods[0]) })
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), faultPatience)
	defer cancel()
	if err := errors.Join(err, mend(after)); err != nil {
		return "", final(err) // it had its time: the service is left alone
	}
	err = e.soon(ctx, func() error {
		state, err := e.probe(ctx, probes.Readiness, *p.Readiness, pods[0])
		if err == nil && !state.Up {
			err = &mismatch{pods[0].Name + " is ready again", state.String(), e.addr.URL("platform", "api") + "/api/faults"}
		}
		return err
	})
	if err != nil {
		return "", final(err)
	}
	return fmt.Sprintf("503 while %s is set for %s", faultName, faultService), nil
}

// soon asks for what a fault does until it does it.
func (e *env) soon(ctx context.Context, holds func() error) error {
	patience := time.Now().Add(min(faultPatience, e.opt.Deadline/4))
	for {
		err := holds()
		if err == nil || ctx.Err() != nil || time.Now().After(patience) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(e.opt.pause):
		}
	}
}

func (e *env) seenUnready(ctx context.Context, p stack.Probes, pod corev1.Pod) error {
	status, answer, err := e.ready(ctx, *p.Readiness, pod)
	if err != nil {
		return err
	}
	state, err := e.probe(ctx, probes.Readiness, *p.Readiness, pod)
	if err != nil {
		return err
	}
	alive, err := e.probe(ctx, probes.Liveness, *p.Liveness, pod)
	if err != nil {
		return err
	}
	kafka, listed := answer.Checks[faultCheck]
	others := 0
	for _, ok := range answer.Checks {
		if ok {
			others++
		}
	}
	if status != http.StatusServiceUnavailable || state.Up || !alive.Up || !alive.Last.OK || kafka || !listed || others == 0 {
		return &mismatch{
			fmt.Sprintf("%s answers 503 with %s false and the others true, and lives", pod.Name, faultCheck),
			fmt.Sprintf("status %d, %v; readiness %s; liveness %s", status, answer.Checks, state, alive),
			e.addr.URL("platform", "api") + "/api/faults",
		}
	}
	return nil
}
