package stack

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// HealthFile is where a stack describes its services' probes, below the stack directory.
const HealthFile = "health.yaml"

// Health is how Kubernetes watches each service's pods.
type Health struct {
	// Services has the probes by service, which is the pods' label app.
	Services map[string]Probes
}

// Probes are the two probes of a service's container, with Kubernetes' defaults filled in; nil where there is none.
type Probes struct {
	Liveness  *corev1.Probe
	Readiness *corev1.Probe
	// Line is where the service stands in its file; LivenessLine and ReadinessLine are where the probes do.
	Line, LivenessLine, ReadinessLine int
}

// Names lists the services in alphabetical order.
func (h Health) Names() []string { return slices.Sorted(maps.Keys(h.Services)) }

// containerPort is the name of the one port that the services' containers declare.
const containerPort = "http"

// The file's form: Kubernetes' own keys, decoded by us so that a fault has a line. Pointers tell 0 from nothing.
type (
	healthFile struct {
		Services map[string]serviceProbes `yaml:"services"`
	}
	serviceProbes struct {
		Liveness  *probeSpec `yaml:"livenessProbe"`
		Readiness *probeSpec `yaml:"readinessProbe"`
	}
	probeSpec struct {
		HTTPGet             *httpGetSpec `yaml:"httpGet"`
		Exec                any          `yaml:"exec"`
		TCPSocket           any          `yaml:"tcpSocket"`
		GRPC                any          `yaml:"grpc"`
		InitialDelaySeconds int32        `yaml:"initialDelaySeconds"`
		TimeoutSeconds      int32        `yaml:"timeoutSeconds"`
		PeriodSeconds       int32        `yaml:"periodSeconds"`
		SuccessThreshold    int32        `yaml:"successThreshold"`
		FailureThreshold    int32        `yaml:"failureThreshold"`
		TerminationGrace    *int64       `yaml:"terminationGracePeriodSeconds"`
	}
	httpGetSpec struct {
		Path    string       `yaml:"path"`
		Port    yaml.Node    `yaml:"port"`
		Host    string       `yaml:"host"`
		Scheme  string       `yaml:"scheme"`
		Headers []headerSpec `yaml:"httpHeaders"`
	}
	headerSpec struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	}
)

// headerName is what HTTP allows as a header's name.
var headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")

// LoadHealth reads a health.yaml. Every error is a *FileError.
func LoadHealth(file string) (*Health, error) {
	var doc healthFile
	root, err := DecodeFile(file, &doc)
	if err != nil {
		return nil, err
	}
	if len(doc.Services) == 0 {
		return nil, &FileError{File: file, Line: 1, Msg: "no services: give each service's probes under the key services"}
	}
	h := &Health{Services: map[string]Probes{}}
	for _, name := range slices.Sorted(maps.Keys(doc.Services)) {
		spec := doc.Services[name]
		services := mapValue(root, "services")
		service := resolve(mapValue(services, name))
		if spec.Liveness == nil && spec.Readiness == nil {
			return nil, &FileError{File: file, Line: keyNode(services, name).Line, Msg: fmt.Sprintf("service %q has neither a livenessProbe nor a readinessProbe", name)}
		}
		probes := Probes{Line: keyNode(services, name).Line}
		for _, p := range []struct {
			key  string
			spec *probeSpec
			to   **corev1.Probe
			line *int
		}{{"livenessProbe", spec.Liveness, &probes.Liveness, &probes.LivenessLine}, {"readinessProbe", spec.Readiness, &probes.Readiness, &probes.ReadinessLine}} {
			if p.spec == nil {
				continue
			}
			*p.line = keyNode(service, p.key).Line
			r := probeReader{file: file, where: name + ": " + p.key, node: resolve(mapValue(service, p.key))}
			if *p.to, err = r.probe(p.spec, p.key == "livenessProbe"); err != nil {
				return nil, err
			}
		}
		h.Services[name] = probes
	}
	return h, nil
}

// resolve follows an alias to what its anchor names.
func resolve(node *yaml.Node) *yaml.Node {
	for node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

// probeReader turns one probe of the file into Kubernetes' type.
type probeReader struct {
	file  string
	where string
	node  *yaml.Node
}

// fail is an error at the first of the keys that is in node.
func (r probeReader) fail(node *yaml.Node, key, format string, args ...any) error {
	at := cmp.Or(keyNode(node, key), node)
	return &FileError{File: r.file, Line: at.Line, Msg: r.where + ": " + fmt.Sprintf(format, args...)}
}

// probe validates as the API server does (ValidateProbe and its callers) and fills in its defaults.
func (r probeReader) probe(spec *probeSpec, liveness bool) (*corev1.Probe, error) {
	for _, h := range []struct {
		key   string
		value any
	}{{"exec", spec.Exec}, {"tcpSocket", spec.TCPSocket}, {"grpc", spec.GRPC}} {
		if h.value != nil {
			return nil, r.fail(r.node, h.key, "%s probes are not run: the services answer httpGet", h.key)
		}
	}
	if spec.HTTPGet == nil {
		return nil, r.fail(r.node, "", "no httpGet: say which path and port answer")
	}
	get, err := r.httpGet(spec.HTTPGet)
	if err != nil {
		return nil, err
	}
	p := &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{HTTPGet: get},
		InitialDelaySeconds: spec.InitialDelaySeconds,
		// Kubernetes' defaults, which also replace a 0.
		TimeoutSeconds:                cmp.Or(spec.TimeoutSeconds, 1),
		PeriodSeconds:                 cmp.Or(spec.PeriodSeconds, 10),
		SuccessThreshold:              cmp.Or(spec.SuccessThreshold, 1),
		FailureThreshold:              cmp.Or(spec.FailureThreshold, 3),
		TerminationGracePeriodSeconds: spec.TerminationGrace,
	}
	for _, n := range []struct {
		key   string
		value int32
	}{
		{"initialDelaySeconds", p.InitialDelaySeconds}, {"timeoutSeconds", p.TimeoutSeconds}, {"periodSeconds", p.PeriodSeconds},
		{"successThreshold", p.SuccessThreshold}, {"failureThreshold", p.FailureThreshold},
	} {
		if n.value < 0 {
			return nil, r.fail(r.node, n.key, "%s is %d, and must not be negative", n.key, n.value)
		}
	}
	if liveness && p.SuccessThreshold != 1 {
		return nil, r.fail(r.node, "successThreshold", "successThreshold is %d, and a liveness probe's must be 1", p.SuccessThreshold)
	}
	if grace := spec.TerminationGrace; grace != nil {
		if !liveness {
			return nil, r.fail(r.node, "terminationGracePeriodSeconds", "a readiness probe terminates nothing: terminationGracePeriodSeconds must not be set")
		}
		if *grace <= 0 {
			return nil, r.fail(r.node, "terminationGracePeriodSeconds", "terminationGracePeriodSeconds is %d, and must be greater than 0", *grace)
		}
	}
	return p, nil
}

func (r probeReader) httpGet(spec *httpGetSpec) (*corev1.HTTPGetAction, error) {
	node := resolve(mapValue(r.node, "httpGet"))
	get := &corev1.HTTPGetAction{
		Path: cmp.Or(spec.Path, "/"), Host: spec.Host, Scheme: corev1.URIScheme(cmp.Or(spec.Scheme, string(corev1.URISchemeHTTP))),
	}
	switch port := resolve(&spec.Port); {
	case port.Kind == 0:
		return nil, r.fail(node, "", "httpGet has no port")
	case port.Kind != yaml.ScalarNode:
		return nil, r.fail(node, "port", "port is a number or the name of the container's port")
	case port.Tag == "!!int":
		n, err := strconv.Atoi(port.Value)
		if err != nil || n < 1 || n > 65535 {
			return nil, r.fail(node, "port", "port is %s, expected 1 to 65535", port.Value)
		}
		get.Port = intstr.FromInt32(int32(n))
	case port.Value != containerPort:
		return nil, r.fail(node, "port", "no port of the container is named %q (there is: %s); a number is written without quotes", port.Value, containerPort)
	default:
		get.Port = intstr.FromString(port.Value)
	}
	if get.Scheme != corev1.URISchemeHTTP {
		return nil, r.fail(node, "scheme", "scheme is %q: the services answer HTTP", get.Scheme)
	}
	if get.Host != "" {
		return nil, r.fail(node, "host", "host sends the probe elsewhere than to the pod; for a virtual host set httpHeaders Host")
	}
	if !strings.HasPrefix(get.Path, "/") {
		return nil, r.fail(node, "path", "path is %q, and must begin with a slash", get.Path)
	}
	for _, h := range spec.Headers {
		if !headerName.MatchString(h.Name) {
			return nil, r.fail(node, "httpHeaders", "%q is no name of an HTTP header", h.Name)
		}
		get.HTTPHeaders = append(get.HTTPHeaders, corev1.HTTPHeader{Name: h.Name, Value: h.Value})
	}
	return get, nil
}
