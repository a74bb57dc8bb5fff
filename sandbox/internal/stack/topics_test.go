package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoadTopics(t *testing.T) {
	t.Parallel()
	s, _ := checkedIn(t)
	topics, err := LoadTopics(s.Path("kafka/topics.yml"))
	require.NoError(t, err)
	require.Len(t, topics, 1)
	assert.Equal(t, "application-logs", topics[0].Name)
	assert.Equal(t, 6, topics[0].Partitions)
	assert.Equal(t, "604800000", topics[0].Config["retention.ms"], "seven days")
	assert.Positive(t, topics[0].Line)
}

func TestLoadTopicsSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ yaml, want string }{
		"empty":             {"", ":1: the file is empty"},
		"no topics":         {"topics: []\n", ":1: no topics: list them"},
		"unknown key":       {"topics:\n  - name: a\n    partitons: 1\n", `:3: unknown key "partitons"`},
		"bad name":          {"topics:\n  - name: a b\n    partitions: 1\n", `:2: topic "a b": a topic's name has`},
		"two dots":          {"topics:\n  - name: ..\n    partitions: 1\n", `:2: topic "..": a topic's name has`},
		"no partitions":     {"topics:\n  - name: a\n", `:2: topic "a": partitions is 0, expected 1 to 1000`},
		"twice":             {"topics:\n  - {name: a, partitions: 1}\n  - {name: a, partitions: 1}\n", `:3: topic "a" is already described in line 2`},
		"unknown setting":   {"topics:\n  - name: a\n    partitions: 1\n    config:\n      retention.hours: 7\n", `:5: topic "a": Kafka has no topic setting "retention.hours"`},
		"no number":         {"topics:\n  - name: a\n    partitions: 1\n    config:\n      retention.ms: 7d\n", `:5: topic "a": retention.ms is "7d", expected a whole number of at least -1`},
		"unknown policy":    {"topics:\n  - name: a\n    partitions: 1\n    config: {cleanup.policy: remove}\n", `:4: topic "a": cleanup.policy is "remove", expected a list of delete, compact`},
		"unknown codec":     {"topics:\n  - name: a\n    partitions: 1\n    config: {compression.type: zip}\n", `compression.type is "zip", expected one of uncompressed`},
		"ratio":             {"topics:\n  - name: a\n    partitions: 1\n    config: {min.cleanable.dirty.ratio: 2}\n", `expected a number from 0 to 1`},
		"several documents": {"topics:\n  - {name: a, partitions: 1}\n---\ntopics: []\n", "one YAML document is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "topics.yml")
			require.NoError(t, os.WriteFile(file, []byte(c.yaml), 0o644))
			_, err := LoadTopics(file)
			var at *FileError
			require.ErrorAs(t, err, &at)
			assert.Equal(t, file, at.File)
			assert.ErrorContains(t, err, c.want)
		})
	}
}
