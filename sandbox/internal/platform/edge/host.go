package edge

import (
	"fmt"
	"net/http"

	"obsandbox/sandbox/internal/platform/world"
)

// readiness is the body of /health/ready.
type readiness struct {
	Status string       `json:"status"`
	Checks world.Health `json:"checks"`
}

// serve answers as the host does.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, host world.Host) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	switch {
	case r.URL.Path == host.MetricsPath():
		if host.Hanging {
			// Until the client gives up or the platform ends; to return would be to answer with nothing.
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		p.cfg.Metrics(w, r, host)
	case r.URL.Path == "/":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprint(w, describe(host))
	case host.Pod != nil && r.URL.Path == "/health/live":
		writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	case host.Pod != nil && r.URL.Path == "/health/ready":
		answer, code := readiness{Status: "ready", Checks: p.cfg.Cluster.Health(host.Service)}, http.StatusOK
		if !answer.Checks.Ready() {
			answer.Status, code = "not_ready", http.StatusServiceUnavailable
		}
		writeJSON(w, code, answer)
	default:
		http.NotFound(w, r)
	}
}

func describe(host world.Host) string {
	text := fmt.Sprintf("%s (%s), simulated\n\n%s\n", host.Name, host.Service, host.MetricsPath())
	if host.Pod != nil {
		text += "/health/live\n/health/ready\n"
	}
	return text
}
