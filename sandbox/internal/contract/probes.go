package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// readiness is the answer of /health/ready.
type readiness struct {
	Status string          `json:"status"`
	Checks map[string]bool `json:"checks"`
}

// probes asks as the probes of health.yaml do, and looks at what is answered too.
func (c *checker) probes(ctx context.Context) {
	probes := c.health.Services[c.opt.Service]
	if p := probes.Liveness; p != nil {
		c.add("liveness probe "+p.HTTPGet.Path, "", c.live(ctx, p))
	}
	if p := probes.Readiness; p != nil {
		answer, code, err := c.ready(ctx, p)
		name := "readiness probe " + p.HTTPGet.Path
		c.add(name, fmt.Sprintf("status %d, %s", code, answer.Status), err)
		c.failing(name, answer, code, err)
	}
}

// ask is one probe, within its timeout.
func (c *checker) ask(ctx context.Context, p *corev1.Probe) (int, []byte, error) {
	code, header, body, err := c.get(ctx, p.HTTPGet.Path, time.Duration(p.TimeoutSeconds)*time.Second)
	if err != nil {
		return 0, nil, err
	}
	if kind := header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		return code, body, fmt.Errorf("status %d with Content-Type %q, expected application/json", code, kind)
	}
	return code, body, nil
}

func (c *checker) live(ctx context.Context, p *corev1.Probe) error {
	code, body, err := c.ask(ctx, p)
	if err != nil {
		return err
	}
	var answer struct {
		Status string `json:"status"`
	}
	if code != http.StatusOK {
		return fmt.Errorf("status %d, expected 200: a process that answers lives, whatever its dependencies do", code)
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "alive" {
		return fmt.Errorf(`answered %s, expected {"status":"alive"}`, short(body))
	}
	return nil
}

func (c *checker) ready(ctx context.Context, p *corev1.Probe) (readiness, int, error) {
	var answer readiness
	code, body, err := c.ask(ctx, p)
	if err != nil {
		return answer, code, err
	}
	const form = `{"status":"ready","checks":{"kafka":true,"database":true,"cache":true}}`
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, code, fmt.Errorf("answered %s, expected the like of %s", short(body), form)
	}
	var errs []error
	for _, name := range []string{"kafka", "database", "cache"} {
		if _, ok := answer.Checks[name]; !ok {
			errs = append(errs, fmt.Errorf("checks has no %s: expected the like of %s", name, form))
		}
	}
	var down []string
	for name, ok := range answer.Checks {
		if !ok {
			down = append(down, name)
		}
	}
	slices.Sort(down)
	wantCode, wantStatus := http.StatusOK, "ready"
	if len(down) > 0 {
		wantCode, wantStatus = http.StatusServiceUnavailable, "not_ready"
	}
	if code != wantCode || answer.Status != wantStatus {
		errs = append(errs, fmt.Errorf("status %d and %q with checks that fail: [%s]; expected %d and %q", code, answer.Status, strings.Join(down, " "), wantCode, wantStatus))
	}
	return answer, code, errors.Join(errs...)
}

// failing is whether the service takes itself out of traffic when a dependency is down.
func (c *checker) failing(probe string, answer readiness, code int, err error) {
	name := probe + " says 503 when a dependency is down"
	if c.opt.Failing != "" {
		if ok, known := answer.Checks[c.opt.Failing]; err == nil && (code != http.StatusServiceUnavailable || ok || !known) {
			err = fmt.Errorf("%s is down, as --failing says, and the service answers %d with checks %v", c.opt.Failing, code, answer.Checks)
		}
		c.add(name, c.opt.Failing+" is down", err)
		return
	}
	if err == nil && code == http.StatusServiceUnavailable {
		c.add(name, "it is not ready at present", nil)
		return
	}
	c.skip(name, "it is ready, so this is not shown: take away one of its dependencies and say which with --failing kafka, database or cache")
}

// short is the beginning of an answer.
func short(body []byte) string {
	const most = 200
	text := strings.TrimSpace(string(body))
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}
