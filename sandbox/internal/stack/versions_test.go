package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

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
				assert.NoError(t, SameRelease(r.Mod.Path, r.Mod.Version, c.Image), c.Name)
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
		{"github.com/jaegertracing/jaeger", "v2.1.0", "docker.io/jaegertracing/jaeger:2.1.0", "expected v1."},
		{"github.com/prometheus/prometheus", "v0.x.1", "docker.io/prom/prometheus:v3.15.0", "expected v0."},
	} {
		assert.ErrorContains(t, SameRelease(c.module, c.version, c.image), c.want)
	}
}

// What is listed is missed when it is gone; what is not is a file that nothing would miss.
func TestEveryFileOfAComponentIsListed(t *testing.T) {
	t.Parallel()
	s, _ := checkedIn(t)
	var listed []string
	for _, c := range s.Components {
		listed = append(listed, c.Config...)
	}
	for _, pattern := range []string{
		"*.json", "alertmanager/*.yml", "alertmanager/templates/*", "elasticsearch/*", "grafana/dashboards/*", "grafana/provisioning/*/*", "jaeger/*",
		"kafka/*", "logstash/*.yml", "logstash/pipeline/*", "prometheus/*.yml", "prometheus/*/*",
	} {
		files, err := filepath.Glob(s.Path(pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			name, err := filepath.Rel(s.Dir, file)
			require.NoError(t, err)
			assert.Contains(t, listed, filepath.ToSlash(name), "list it in stack.yaml")
		}
	}
}
