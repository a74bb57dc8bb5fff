package smoke

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAutomaticIDs(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"AVGXbnGVGa5s3yJ0y5iX":                     true, // of Elasticsearch's documentation
		"Zk3aB5oBq0J8-_x1LmNp":                     true,
		"application-logs-0-1":                     false, // by its place in Kafka
		"9m4e2mr0ui3e8a215n4g":                     false, // as xid makes them
		"12345678901234567890":                     false,
		"9e107d9d372bb6826bd81d3542a419d6":         false, // a digest
		"0ujtsYcgvSTl8PAuAdqWYSMnLOv":              false, // as KSUID makes them
		"550e8400-e29b-41d4-a716-446655440000":     false,
		"%{[@metadata][kafka]}":                    false,
		"2fd4e1c67a2d28fced849ee1bb76e7391b93eb12": false,
	} {
		assert.Equal(t, want, isAutomatic(id), id)
	}
}

func TestOutputsWithoutIDs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want int
	}{
		"an id":               {"output {\n  elasticsearch { document_id => \"%{[id]}\" }\n}\n", 0},
		"none":                {"output {\n  stdout { }\n  elasticsearch { hosts => \"${HOSTS}\" }\n}\n", 3},
		"one in a comment":    {"output {\n  elasticsearch {\n    # document_id => \"x\"\n  }\n}\n", 2},
		"none in a condition": {"output {\n  if [a] {\n    elasticsearch { document_id => \"x\" }\n  } else {\n    elasticsearch { }\n  }\n}\n", 5},
		"another output":      {"output { stdout { } }\n", 0},
		"no pipeline":         {"output {\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "a.conf")
			require.NoError(t, os.WriteFile(file, []byte(test.text), 0o600))
			assert.Equal(t, test.want, lineWithoutID(file))
		})
	}
}
