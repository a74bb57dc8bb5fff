package locate_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"obsandbox/sandbox/internal/locate"
)

const sample = `global:
  scrape_interval: 15
  other_interval: 15s
jobs:
  - job_name: redis
    service: redis
  - receiver: pager
    pager_configs: []
  - matchers: [severity == critical"]
  - regex: (.+
    role: pods
    pods: (.+)
pipelines:
  traces: {}
  y: a $trace b
`

func TestLine(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]int{
		`not a valid duration string: "15"`:                           2,
		`found multiple scrape configs with job name "redis"`:         5,
		`undefined receiver "pager" used in route`:                    7,
		`'' has invalid keys: pager_configs`:                          8,
		`matcher value contains unescaped double quote: = critical"`:  9,
		"error parsing regexp: missing closing ): `^(?s:(.+)$`":       10,
		`unknown Kubernetes SD role "pods"`:                           11,
		`service::pipelines::traces: must have at least one exporter`: 14,
		`"redis": annotation "service": undefined variable "pods"`:    11,
		`rule "pods": annotation "x": undefined variable "$trace"`:    15,
		`something "nowhere" else`:                                    0,
		`nothing is quoted`:                                           0,
	} {
		assert.Equal(t, want, locate.Line([]byte(sample), message), message)
	}
	assert.Equal(t, 8, locate.First([]byte(sample), `failed to parse [service]: unknown field "pager_configs"`))
	assert.Equal(t, 2, locate.First([]byte(sample), `no type [15] in [pager]`))
}
