package smoke

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
)

// noHostLeftOut is about the programs that are no pods: exporters, brokers, Flink. What is no target is missed by no job,
// and by no alert.
func (e *env) noHostLeftOut(ctx context.Context) (string, error) {
	var state struct {
		Hosts []struct {
			Name    string `json:"name"`
			Address string `json:"address"`
		} `json:"hosts"`
	}
	look := e.addr.URL("platform", "api") + "/api/state"
	if err := e.getJSON(ctx, look, &state); err != nil {
		return "", err
	}
	pools, err := e.activeTargets(ctx)
	if err != nil {
		return "", err
	}
	scraped := map[string]bool{}
	for _, targets := range pools {
		for _, t := range targets {
			scraped[t.instance()] = true
		}
	}
	var missing []string
	for _, h := range state.Hosts {
		host, _, _ := net.SplitHostPort(h.Address)
		if net.ParseIP(host) == nil && !scraped[h.Address] { // only pods have addresses instead of names
			missing = append(missing, fmt.Sprintf("%s (%s)", h.Name, h.Address))
		}
	}
	slices.Sort(missing)
	if len(state.Hosts) == 0 || len(missing) > 0 {
		return "", &mismatch{
			fmt.Sprintf("each of %d hosts is a target", len(state.Hosts)), "not scraped: " + strings.Join(missing, ", "), look,
		}
	}
	return fmt.Sprintf("%d hosts", len(state.Hosts)), nil
}
