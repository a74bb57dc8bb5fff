package smoke

import (
	"context"
	"fmt"
	"sync"
)

// pipelineEvents are the counts of a pipeline in Logstash's monitoring API.
type pipelineEvents struct {
	In       int64 `json:"in"`
	Filtered int64 `json:"filtered"`
	Out      int64 `json:"out"`
}

// logstashChecks are about Logstash's monitoring API.
func logstashChecks(e *env) []*check {
	needs := []string{"logstash"}
	return []*check{
		{
			name: "logstash answers", needs: needs,
			assert: func(ctx context.Context) (string, error) {
				var root struct {
					Version string `json:"version"`
					Status  string `json:"status"`
				}
				url := e.addr.URL("logstash", "api") + "/"
				if err := e.getJSON(ctx, url, &root); err != nil {
					return "", err
				}
				if root.Version == "" || root.Status == "red" {
					return "", &mismatch{"a version and a status that is not red", fmt.Sprintf("%+v", root), url}
				}
				return "version " + root.Version, nil
			},
		},
		e.eventsGrow(),
	}
}

func (e *env) eventsGrow() *check {
	var mu sync.Mutex
	var first *pipelineEvents
	return &check{
		name: "logstash takes events in and gives them out", needs: append([]string{"platform"}, logWay...), file: e.pipelineFile(),
		assert: func(ctx context.Context) (string, error) {
			var stats struct {
				Pipelines map[string]struct {
					Events pipelineEvents `json:"events"`
				} `json:"pipelines"`
			}
			url := e.addr.URL("logstash", "api") + "/_node/stats/pipelines"
			if err := e.getJSON(ctx, url, &stats); err != nil {
				return "", err
			}
			var now pipelineEvents
			for _, p := range stats.Pipelines {
				now.In += p.Events.In
				now.Filtered += p.Events.Filtered
				now.Out += p.Events.Out
			}
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = &now
			}
			if now.In <= first.In || now.Out <= first.Out || now.Filtered <= first.Filtered {
				return "", &mismatch{
					"in, filtered and out rise",
					fmt.Sprintf("%d pipelines; at first %+v, now %+v", len(stats.Pipelines), *first, now), url + ", and the log of logstash",
				}
			}
			return fmt.Sprintf("in %d, out %d", now.In, now.Out), nil
		},
	}
}
