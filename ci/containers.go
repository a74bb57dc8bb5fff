package main

import (
	"maps"
	"slices"

	"obsandbox/ci/internal/dagger"
)

var anyExit = dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny}

// What is stood in for when no secrets are given; the cluster's server has these names in its certificate.
const (
	apiServer    = "kubernetes.default.svc"
	pagerDuty    = "events.pagerduty.com"
	accountDir   = "/var/run/secrets/kubernetes.io/serviceaccount"
	securePort   = "443"
	podPort      = "8080" // of every pod of the simulated cluster
	rendererName = "renderer"
)

// golang is a Go container whose caches outlive the run: modules, builds, and the programs that the command has built.
func (r *run) golang() *dagger.Container {
	return dag.Container().From(r.m.imageOf("golang", r.stack.golang)).
		WithMountedCache("/go/pkg/mod", dag.CacheVolume("obsandbox-modules")).
		WithMountedCache("/root/.cache", dag.CacheVolume("obsandbox-cache")).
		WithEnvVariable("CGO_ENABLED", "0").
		WithEnvVariable("GOFLAGS", "-buildvcs=false").
		WithWorkdir("/src")
}

// command is the sandbox command; only a change of its own source builds it anew.
func (r *run) command() *dagger.File {
	source := r.m.Source.Filter(dagger.DirectoryFilterOpts{Include: []string{"go.mod", "go.sum", "sandbox", "stack/grafana/*.go"}})
	return r.golang().
		WithMountedDirectory("/src", source).
		WithExec([]string{"go", "build", "-o", "/usr/local/bin/sandbox", "./sandbox"}).
		File("/usr/local/bin/sandbox")
}

// tool is a Go container with the sandbox command and what it judges: all of the repository but exclude.
func (r *run) tool(exclude ...string) *dagger.Container {
	return r.golang().
		WithMountedDirectory("/src", r.m.Source.Filter(dagger.DirectoryFilterOpts{Exclude: append([]string{"sandbox"}, exclude...)})).
		WithMountedFile("/usr/local/bin/sandbox", r.command())
}

// container is one node of a component: the image, its files as they are checked in, and what its recipe says.
func (r *run) container(c component, node string) *dagger.Container {
	if c.Image == "" {
		return r.platform(c)
	}
	recipe := recipes[c.Name]
	ctr := dag.Container().From(r.m.imageOf(c.Name, c.Image))
	for _, dir := range slices.Sorted(maps.Keys(recipe.dirs)) {
		ctr = ctr.WithDirectory(recipe.dirs[dir], r.m.Source.Directory("stack/"+dir))
	}
	if recipe.env != nil {
		env := recipe.env(r.options, node)
		for _, name := range slices.Sorted(maps.Keys(env)) {
			ctr = ctr.WithEnvVariable(name, env[name])
		}
	}
	// The platform of this run, nil where it does not run: it serves the cluster that others are part of.
	var platform *dagger.Service
	if p, err := r.stack.component("platform"); err == nil && r.runs(p.Name) {
		platform = r.service(p, p.Name)
	}
	switch c.Name {
	case "prometheus":
		if platform != nil {
			ctr = r.inCluster(ctr, platform)
		}
	case "alertmanager":
		ctr = r.receivers(ctr, platform)
	}
	for _, p := range c.Ports {
		if p.UDP { // no tunnel leads there, and one would spoil them all
			continue
		}
		ctr = ctr.WithExposedPort(p.Number)
	}
	return ctr
}

func (r *run) platform(c component) *dagger.Container {
	ctr := r.tool("tests", "tools").WithMountedDirectory("/certificates", r.certificates())
	for _, p := range c.Ports {
		ctr = ctr.WithExposedPort(p.Number)
	}
	return ctr
}

// certificates are of the servers that stand in for Kubernetes and PagerDuty: one certificate that signs itself.
func (r *run) certificates() *dagger.Directory {
	return r.golang().WithWorkdir("/certificates").
		WithExec([]string{"sh", "-c", "go run $(go env GOROOT)/src/crypto/tls/generate_cert.go --ca --ecdsa-curve P256 " +
			"--duration 87600h --host " + apiServer + "," + pagerDuty}).
		Directory("/certificates")
}

// inCluster makes a container one of the simulated cluster: a service account, the API server and the cluster's host
// names, as a pod of it has them; pods are reached through the command, which runs beside it.
func (r *run) inCluster(ctr *dagger.Container, platform *dagger.Service) *dagger.Container {
	ctr = ctr.
		WithMountedFile(accountDir+"/ca.crt", r.certificates().File("cert.pem")).
		WithNewFile(accountDir+"/token", "sandbox").
		WithNewFile(accountDir+"/namespace", "data-ingestion").
		WithEnvVariable("KUBERNETES_SERVICE_HOST", apiServer).
		WithEnvVariable("KUBERNETES_SERVICE_PORT", securePort).
		WithMountedFile("/usr/local/bin/sandbox", r.command()).
		WithServiceBinding("platform", platform).
		WithServiceBinding(apiServer, platform)
	names, _ := r.stack.fixedHosts()
	for _, name := range names {
		ctr = ctr.WithServiceBinding(name, platform)
	}
	return ctr
}

// receivers are where Alertmanager sends: the secrets that were given, or the platform's stand-ins.
func (r *run) receivers(ctr *dagger.Container, platform *dagger.Service) *dagger.Container {
	slack, pagerduty := r.slack, r.pagerduty
	if slack == nil {
		slack = dag.SetSecret("slack-api-url", "http://platform:8088/slack/services/sandbox")
	}
	if pagerduty == nil {
		pagerduty = dag.SetSecret("pagerduty-routing-key", "0123456789abcdef0123456789abcdef")
		if platform != nil {
			// Beside the system's own certificates, which Go reads from their directory.
			ctr = ctr.WithMountedFile("/etc/sandbox/ca.crt", r.certificates().File("cert.pem")).
				WithEnvVariable("SSL_CERT_FILE", "/etc/sandbox/ca.crt").
				WithServiceBinding(pagerDuty, platform)
		}
	}
	readable := dagger.ContainerWithMountedSecretOpts{Mode: 0o444}
	return ctr.WithMountedSecret("/etc/alertmanager/secrets/slack_api_url", slack, readable).
		WithMountedSecret("/etc/alertmanager/secrets/pagerduty_routing_key", pagerduty, readable)
}
