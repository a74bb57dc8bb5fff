package stack

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// releases says which release a module version is published as. Prometheus' module v0.315.1 is its release v3.15.1;
// Jaeger's v1.76.0 was released together with, and contains, 2.13.0.
var releases = map[string]func(module string) (string, error){
	"github.com/prometheus/prometheus": func(module string) (string, error) {
		parts := strings.Split(strings.TrimPrefix(module, "v0."), ".")
		joined, err := strconv.Atoi(parts[0])
		if err != nil || len(parts) != 2 {
			return "", fmt.Errorf("no version of Prometheus' module: %s", module)
		}
		return fmt.Sprintf("v%d.%d.%s", joined/100, joined%100, parts[1]), nil
	},
	"github.com/prometheus/alertmanager": func(module string) (string, error) { return module, nil },
	"github.com/jaegertracing/jaeger": func(module string) (string, error) {
		parts := strings.Split(strings.TrimPrefix(module, "v1."), ".")
		minor, err := strconv.Atoi(parts[0])
		if err != nil || len(parts) != 2 {
			return "", fmt.Errorf("no version of Jaeger's module: %s", module)
		}
		return fmt.Sprintf("2.%d.%s", minor-63, parts[1]), nil
	},
}

// sameRelease compares a component's image tag with the version that its program is built at.
func sameRelease(module, version, image string) error {
	release, ok := releases[module]
	if !ok {
		return fmt.Errorf("how a version of %s becomes a release is not known: add it to releases", module)
	}
	want, err := release(version)
	if err != nil {
		return err
	}
	if _, tag, _ := strings.Cut(image, ":"); tag != want {
		return fmt.Errorf("the image is %s, and %s %s is release %s", image, module, version, want)
	}
	return nil
}

func TestImagesAndProgramsAreOfOneRelease(t *testing.T) {
	t.Parallel()
	s, _ := checkedIn(t)
	compared := 0
	for _, c := range s.Components {
		if c.Program == "" {
			continue
		}
		program, err := s.Program(c.Program)
		require.NoError(t, err)
		file := s.Root() + "/" + program.Module + "/go.mod"
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		mod, err := modfile.Parse(file, data, nil)
		require.NoError(t, err)
		for _, r := range mod.Require {
			if strings.HasPrefix(program.Package, r.Mod.Path+"/cmd/") {
				compared++
				assert.NoError(t, sameRelease(r.Mod.Path, r.Mod.Version, c.Image), c.Name)
			}
		}
	}
	assert.Equal(t, 3, compared, "Prometheus, Alertmanager and Jaeger")
}

func TestAnotherReleaseIsSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ module, version, image, want string }{
		{"github.com/prometheus/prometheus", "v0.315.1", "docker.io/prom/prometheus:v3.15.0", "release v3.15.1"},
		{"github.com/prometheus/alertmanager", "v0.31.1", "docker.io/prom/alertmanager:v0.31.0", "release v0.31.1"},
		{"github.com/jaegertracing/jaeger", "v1.76.0", "docker.io/jaegertracing/jaeger:2.12.0", "release 2.13.0"},
		{"github.com/jaegertracing/jaeger", "v2.1.0", "docker.io/jaegertracing/jaeger:2.1.0", "no version of Jaeger's module"},
		{"example.com/x", "v1.0.0", "x:v1.0.0", "is not known"},
	} {
		assert.ErrorContains(t, sameRelease(c.module, c.version, c.image), c.want)
	}
}
