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

const lacking = `groups:
  - name: ""
    interval: 5
receivers:
  - name: pager
  - pager_configs: []
scrape_configs:
  - job_name: redis
    kubernetes_sd_configs:
      - namespaces: []
  - static_configs:
      - targets: [""]
route:
  repeat_interval: 0h
service:
  extensions: []
`

func TestLineOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]int{
		`Groupname must not be empty`:                                         2,
		`not a valid duration string: "5"`:                                    3,
		`missing name in receiver`:                                            6,
		`role missing (one of: pod, service)`:                                 10,
		`job_name is empty`:                                                   11,
		`repeat_interval cannot be zero`:                                      14,
		`service::pipelines: service must have at least one pipeline`:         15,
		`two values are empty, and this is about neither or both of them: ""`: 0,
	} {
		assert.Equal(t, want, locate.Line([]byte(lacking), message), message)
	}
	assert.Equal(t, 2, locate.Line([]byte("a: b\nc: [\"\", d]\n"), `'c[0]' id must not be empty`))
	assert.Equal(t, 2, locate.First([]byte("{\n\"total_fields\": { \"limit\": 0 }}"), "Limit of total fields [0] has been exceeded"))
	assert.Equal(t, 3, locate.First([]byte("{\"delete\": {\n\"min_age\": \"30d\"}, \"warm\": {\n\"min_age\": \"200d\" }}"),
		"run the delete phase (min_age: 30d) before the warm phase (min_age: 200d)."))
}
