package main

import (
	"errors"
	"strings"

	"obsandbox/ci/internal/dagger"
)

const (
	// golangImage has the Go version of go.mod; a test holds it there.
	golangImage = "docker.io/library/golang:1.26-alpine"
	binary      = "/usr/local/bin/sandbox"
	// stoodIn are the servers that the platform stands in for.
	stoodIn = "kubernetes.default.svc,events.pagerduty.com"
)

// golang is a Go container whose caches outlive the run: modules, builds, and the programs that the command has built.
func (m *Obsandbox) golang() *dagger.Container {
	return dag.Container().From(m.imageOf("golang", golangImage)).
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
func (m *Obsandbox) binary() *dagger.File {
	return m.golang().WithMountedDirectory("/src", m.pick("go.mod", "go.sum", "sandbox/")).
		WithExec([]string{"go", "build", "-o", binary, "./sandbox"}).File(binary)
}

// tool is a Go container with the sandbox command and what it reads: the stack, unless less is named.
func (m *Obsandbox) tool(paths ...string) *dagger.Container {
	if len(paths) == 0 {
		paths = []string{"stack/", "tools/"}
	}
	return m.golang().
		WithMountedDirectory("/src", m.pick(paths...)).
		WithMountedFile(binary, m.binary())
}

// certificates are of the servers that the platform stands in for: one certificate that signs itself.
func (m *Obsandbox) certificates() *dagger.Directory {
	return m.golang().WithWorkdir("/certificates").
		WithExec([]string{"sh", "-c", "go run $(go env GOROOT)/src/crypto/tls/generate_cert.go --ca --ecdsa-curve P256 " +
			"--duration 87600h --host " + stoodIn}).
		Directory("/certificates")
}

// imageOf is the image that runs.
func (m *Obsandbox) imageOf(name, ref string) string {
	for _, i := range m.Image {
		if n, override, _ := strings.Cut(i, "="); n == name {
			return override
		}
	}
	if _, path, ok := strings.Cut(ref, "/"); ok && m.Registry != "" {
		return m.Registry + "/" + path
	}
	return ref
}

// plain is an error as its program told it: what it wrote, without how it was run.
func plain(err error) error {
	var exec *dagger.ExecError
	if errors.As(err, &exec) {
		if text := strings.TrimSpace(exec.Stdout + "\n" + exec.Stderr); text != "" {
			return errors.New(text)
		}
	}
	return err
}
