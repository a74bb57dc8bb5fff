package export

import (
	"obsandbox/sandbox/internal/stack"
)

// probes are the probes of health.yaml, one patch for each service's Deployment. The container has the service's name,
// by which a strategic merge finds it.
func (x *exporter) probes() error {
	health, err := stack.LoadHealth(x.stack.Path(stack.HealthFile))
	if err != nil {
		return err
	}
	for _, name := range health.Names() {
		probes := health.Services[name]
		container := map[string]any{"name": name}
		if probes.Liveness != nil {
			container["livenessProbe"] = probes.Liveness
		}
		if probes.Readiness != nil {
			container["readinessProbe"] = probes.Readiness
		}
		patch := map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name},
			"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{container}}}},
		}
		if err := x.put("probes", name, patch); err != nil {
			return err
		}
	}
	return nil
}
