package smoke

import (
	"context"
	"fmt"
)

// grafanaChecks: Grafana, or what stands in for it, is there.
func grafanaChecks(e *env) []*check {
	return []*check{{
		name: "grafana answers", needs: []string{"grafana"},
		assert: func(ctx context.Context) (string, error) {
			var health struct {
				Database string `json:"database"`
				Version  string `json:"version"`
			}
			url := e.addr.URL("grafana", "http") + "/api/health"
			if err := e.getJSON(ctx, url, &health); err != nil {
				return "", err
			}
			if health.Database != "ok" || health.Version == "" {
				return "", &mismatch{"database ok, and a version", fmt.Sprintf("%+v", health), url}
			}
			return "version " + health.Version, nil
		},
	}}
}
