package stack

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// checkedIn is the repository's own stack with addresses no test depends on.
func checkedIn(t *testing.T) (*Stack, RunContext) {
	t.Helper()
	dir, err := Find(".")
	require.NoError(t, err)
	s, err := Load(dir)
	require.NoError(t, err)
	a := Addresses{Mode: "embedded", StackDir: dir, Components: map[string]map[string]string{}}
	port := 20000
	for _, c := range s.Components {
		a.Components[c.Name] = map[string]string{}
		for _, p := range c.Ports {
			port++
			a.Components[c.Name][p.Name] = "127.0.0.1:" + itoa(port)
		}
	}
	return s, RunContext{Addresses: a, Dir: "/run/sandbox"}
}

func itoa(n int) string {
	const digits = "0123456789"
	if n < 10 {
		return digits[n : n+1]
	}
	return itoa(n/10) + digits[n%10:n%10+1]
}

// changed lists the lines that only one of two texts has, as a diff without context would.
func changed(before, after []byte) string {
	count := map[string]int{}
	for l := range strings.Lines(string(before)) {
		count[l]++
	}
	var out strings.Builder
	for l := range strings.Lines(string(after)) {
		if count[l]--; count[l] < 0 {
			out.WriteString("+" + l)
		}
	}
	for l := range strings.Lines(string(before)) {
		if count[l] > 0 {
			out.WriteString("-" + l)
			count[l]--
		}
	}
	return out.String()
}

func TestRenderChangesOnlyAddressesPathsAndReceivers(t *testing.T) {
	t.Parallel()
	s, run := checkedIn(t)
	for _, component := range []string{"prometheus", "alertmanager", "jaeger"} {
		t.Run(component, func(t *testing.T) {
			t.Parallel()
			files, err := s.Render(component, run)
			require.NoError(t, err)
			var got strings.Builder
			for _, f := range files {
				if f.Rewritten() {
					got.WriteString("--- " + f.Name + "\n" + changed(f.Original, f.Running))
				}
			}
			text := strings.ReplaceAll(got.String(), s.Dir, "/stack")
			golden := filepath.Join("testdata", "render", component+".diff")
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), text)
		})
	}
}
