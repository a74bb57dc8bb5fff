package stack_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"obsandbox/sandbox/internal/stack"
)

func loadHealth(t *testing.T, text string) (*stack.Health, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "health.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	return stack.LoadHealth(file)
}

// The checked-in file says what the document's probes say, for every service.
func TestHealthOfTheStack(t *testing.T) {
	t.Parallel()
	dir, err := stack.Find(".")
	require.NoError(t, err)
	h, err := stack.LoadHealth(filepath.Join(dir, stack.HealthFile))
	require.NoError(t, err)
	require.Equal(t, []string{"inventory-collector", "query-api", "shipping-collector", "storage-router", "supplier-collector"}, h.Names())
	get := func(path string) corev1.ProbeHandler {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8080), Scheme: "HTTP"}}
	}
	for name, probes := range h.Services {
		require.Positive(t, probes.Line, name)
		require.Equal(t, stack.Probes{
			Line: probes.Line, LivenessLine: 7, ReadinessLine: 16,
			Liveness: &corev1.Probe{
				ProbeHandler: get("/health/live"), InitialDelaySeconds: 30, PeriodSeconds: 10, TimeoutSeconds: 5, SuccessThreshold: 1, FailureThreshold: 3,
			},
			Readiness: &corev1.Probe{
				ProbeHandler: get("/health/ready"), InitialDelaySeconds: 10, PeriodSeconds: 5, TimeoutSeconds: 3, SuccessThreshold: 1, FailureThreshold: 3,
			},
		}, probes, name)
	}
}

func TestHealthFillsInKubernetesDefaults(t *testing.T) {
	t.Parallel()
	h, err := loadHealth(t, `services:
  api:
    readinessProbe:
      timeoutSeconds: 0
      httpGet: {port: http, httpHeaders: [{name: X-Probe, value: "1"}]}
`)
	require.NoError(t, err)
	require.Nil(t, h.Services["api"].Liveness)
	require.Equal(t, &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: "/", Port: intstr.FromString("http"), Scheme: "HTTP", HTTPHeaders: []corev1.HTTPHeader{{Name: "X-Probe", Value: "1"}},
		}},
		PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3,
	}, h.Services["api"].Readiness)
}

func TestHealthRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		// probe stands under livenessProbe unless text replaces the whole file.
		probe, text string
		readiness   bool
		want        string
	}{
		"no services":         {text: "services: {}\n", want: "1: no services"},
		"an unknown key":      {probe: "httpGet: {port: 1}\nperiodseconds: 5", want: `5: unknown key "periodseconds"`},
		"no probes":           {text: "services:\n  api: {}\n", want: `2: service "api" has neither`},
		"no handler":          {probe: "periodSeconds: 5", want: "4: api: livenessProbe: no httpGet"},
		"exec":                {probe: "httpGet: {port: 1}\nexec: {command: [ls]}", want: "5: api: livenessProbe: exec probes are not run"},
		"tcpSocket":           {probe: "tcpSocket: {port: 1}", want: "4: api: livenessProbe: tcpSocket probes are not run"},
		"no port":             {probe: "httpGet: {path: /}", want: "4: api: livenessProbe: httpGet has no port"},
		"a port out of range": {probe: "httpGet:\n  port: 65536", want: "5: api: livenessProbe: port is 65536, expected 1 to 65535"},
		"a quoted number":     {probe: "httpGet:\n  port: \"8080\"", want: `5: api: livenessProbe: no port of the container is named "8080"`},
		"another host":        {probe: "httpGet:\n  port: 1\n  host: example.com", want: "6: api: livenessProbe: host sends the probe elsewhere"},
		"https":               {probe: "httpGet:\n  port: 1\n  scheme: HTTPS", want: `6: api: livenessProbe: scheme is "HTTPS"`},
		"a relative path":     {probe: "httpGet:\n  port: 1\n  path: live", want: `6: api: livenessProbe: path is "live"`},
		"a bad header":        {probe: "httpGet:\n  port: 1\n  httpHeaders: [{name: \"a b\"}]", want: `6: api: livenessProbe: "a b" is no name`},
		"a negative delay":    {probe: "httpGet: {port: 1}\ninitialDelaySeconds: -1", want: "5: api: livenessProbe: initialDelaySeconds is -1"},
		"a negative period":   {probe: "httpGet: {port: 1}\nperiodSeconds: -1", want: "5: api: livenessProbe: periodSeconds is -1"},
		"a text for a number": {probe: "httpGet: {port: 1}\nperiodSeconds: 5s", want: "5: cannot unmarshal"},
		"successes of liveness": {probe: "httpGet: {port: 1}\nsuccessThreshold: 2",
			want: "5: api: livenessProbe: successThreshold is 2, and a liveness probe's must be 1"},
		"grace of readiness": {probe: "httpGet: {port: 1}\nterminationGracePeriodSeconds: 5", readiness: true,
			want: "5: api: readinessProbe: a readiness probe terminates nothing"},
		"no grace": {probe: "httpGet: {port: 1}\nterminationGracePeriodSeconds: 0", want: "5: api: livenessProbe: terminationGracePeriodSeconds is 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := test.text
			if text == "" {
				kind := "livenessProbe"
				if test.readiness {
					kind = "readinessProbe"
				}
				text = "services:\n  api:\n    " + kind + ":\n      " + strings.ReplaceAll(test.probe, "\n", "\n      ") + "\n"
			}
			_, err := loadHealth(t, text)
			var fe *stack.FileError
			require.True(t, errors.As(err, &fe), "%v", err)
			require.Contains(t, strings.TrimPrefix(err.Error(), fe.File+":"), test.want)
		})
	}
}

// A probe that two services share by an anchor is read twice, and its fault is where it stands.
func TestHealthFollowsAnchors(t *testing.T) {
	t.Parallel()
	_, err := loadHealth(t, `services:
  b: &probes
    livenessProbe: &live
      httpGet: {port: 0}
  a: *probes
`)
	require.ErrorContains(t, err, "health.yaml:4: a: livenessProbe: port is 0")
}
