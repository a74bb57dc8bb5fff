package main

import (
	"maps"
	"slices"
	"strings"

	"obsandbox/ci/internal/dagger"
)

const (
	// apiServer and pagerDuty are stood in for: the platform's certificate has these names.
	apiServer  = "kubernetes.default.svc"
	pagerDuty  = "events.pagerduty.com"
	accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"
	securePort = "443"
	// podPort is the port of every pod of the simulated cluster.
	podPort = "8080"
	binary  = "/usr/local/bin/sandbox"
)

// golang is a Go container whose caches outlive the run: modules, builds, and the programs that the command has built.
func (r *run) golang() *dagger.Container {
	return dag.Container().From(r.m.imageOf("golang", golangImage)).
		WithMountedCache("/go/pkg/mod", dag.CacheVolume("obsandbox-modules")).
		WithMountedCache("/root/.cache", dag.CacheVolume("obsandbox-cache")).
		WithEnvVariable("CGO_ENABLED", "0").
		WithEnvVariable("GOFLAGS", "-buildvcs=false").
		WithWorkdir("/src")
}

// pick is a part of the repository: directories with a slash, and files. It goes by content, so what is not in it does
// not matter to the cache; a filter of the whole would be another one after every change.
func (m *Obsandbox) pick(paths ...string) *dagger.Directory {
	dir := dag.Directory()
	for _, p := range paths {
		if strings.HasSuffix(p, "/") {
			dir = dir.WithDirectory(p, m.Source.Directory(p))
		} else {
			dir = dir.WithFile(p, m.Source.File(p))
		}
	}
	return dir
}

// binary is the sandbox command.
func (r *run) binary() *dagger.File {
	return r.golang().WithMountedDirectory("/src", r.m.pick("go.mod", "go.sum", "sandbox/")).
		WithExec([]string{"go", "build", "-o", binary, "./sandbox"}).File(binary)
}

// tool is a Go container with the sandbox command and what it reads; stack/, where nothing is named.
func (r *run) tool(paths ...string) *dagger.Container {
	if len(paths) == 0 {
		paths = []string{"stack/"}
	}
	return r.golang().
		WithMountedDirectory("/src", r.m.pick(append(paths, "go.mod", "go.sum")...)).
		WithMountedFile(binary, r.binary())
}

// container is one node of a component: the image, its files as they are checked in, and what its recipe says.
func (r *run) container(c component, node string) *dagger.Container {
	recipe := recipes()[c.Name]
	ctr := r.tool().WithMountedDirectory("/certificates", r.certificates()) // the platform
	if c.Image != "" {
		ctr = dag.Container().From(r.m.imageOf(c.Name, c.Image))
	}
	for _, dir := range slices.Sorted(maps.Keys(recipe.dirs)) {
		ctr = ctr.WithDirectory(recipe.dirs[dir], r.m.Source.Directory("stack/"+dir))
	}
	if recipe.env != nil {
		env := recipe.env(r.options, node, slices.Index(r.nodes(c), node))
		for _, name := range slices.Sorted(maps.Keys(env)) {
			ctr = ctr.WithEnvVariable(name, env[name])
		}
	}
	switch c.Name {
	case "prometheus":
		ctr = r.inCluster(ctr)
	case "alertmanager":
		ctr = r.receivers(ctr)
	}
	return exposed(ctr, c)
}

func exposed(ctr *dagger.Container, c component) *dagger.Container {
	for _, number := range slices.Sorted(maps.Values(c.tcp())) {
		ctr = ctr.WithExposedPort(number)
	}
	return ctr
}

// certificates are of the servers that the platform stands in for: one certificate that signs itself.
func (r *run) certificates() *dagger.Directory {
	return r.golang().WithWorkdir("/certificates").
		WithExec([]string{"sh", "-c", "go run $(go env GOROOT)/src/crypto/tls/generate_cert.go --ca --ecdsa-curve P256 " +
			"--duration 87600h --host " + apiServer + "," + pagerDuty}).
		Directory("/certificates")
}

// inCluster makes a container one of the simulated cluster: a service account, the API server and the cluster's host
// names, as a pod of it has them; pods are reached through the command, which runs beside it.
func (r *run) inCluster(ctr *dagger.Container) *dagger.Container {
	platform := r.platform()
	if platform == nil {
		return ctr
	}
	ctr = ctr.
		WithMountedFile(binary, r.binary()).
		WithMountedFile(accountDir+"/ca.crt", r.certificates().File("cert.pem")).
		WithNewFile(accountDir+"/token", "sandbox").
		WithNewFile(accountDir+"/namespace", "data-ingestion").
		WithEnvVariable("KUBERNETES_SERVICE_HOST", apiServer).
		WithEnvVariable("KUBERNETES_SERVICE_PORT", securePort)
	for _, name := range append([]string{"platform", apiServer}, r.stack.hosts...) {
		ctr = ctr.WithServiceBinding(name, platform)
	}
	return ctr
}

// receivers are where Alertmanager sends: the secrets that were given, or the platform's stand-ins.
func (r *run) receivers(ctr *dagger.Container) *dagger.Container {
	slack, pagerduty := r.slack, r.pagerduty
	if slack == nil {
		slack = dag.SetSecret("slack-api-url", "http://platform:8088/slack/services/sandbox")
	}
	if platform := r.platform(); pagerduty == nil && platform != nil {
		// Beside the system's own certificates, which Go reads from their directory.
		ctr = ctr.WithMountedFile("/etc/sandbox/ca.crt", r.certificates().File("cert.pem")).
			WithEnvVariable("SSL_CERT_FILE", "/etc/sandbox/ca.crt").
			WithServiceBinding(pagerDuty, platform)
	}
	if pagerduty == nil {
		pagerduty = dag.SetSecret("pagerduty-routing-key", "0123456789abcdef0123456789abcdef")
	}
	readable := dagger.ContainerWithMountedSecretOpts{Mode: 0o444}
	return ctr.WithMountedSecret("/etc/alertmanager/secrets/slack_api_url", slack, readable).
		WithMountedSecret("/etc/alertmanager/secrets/pagerduty_routing_key", pagerduty, readable)
}
