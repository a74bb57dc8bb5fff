package smoke

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// ownTime is how long the configuration of Prometheus and Alertmanager lets pass by itself before a target is scraped or
// somebody is told: nothing needs to change meanwhile, and nothing is wrong.
func ownTime(s *stack.Stack) time.Duration {
	longest := time.Duration(0)
	for component, keys := range map[string][]string{"prometheus": {"scrape_interval"}, "alertmanager": {"group_wait", "group_interval"}} {
		file, err := configFile(s, component)
		if err != nil {
			continue // a stack without it
		}
		var doc yaml.Node
		if decodeLoosely(file, &doc) == nil { // its own checks say what is wrong with it
			longest = max(longest, longestOf(&doc, keys))
		}
	}
	return longest
}

// longestOf is the longest time that any of these keys has, wherever it stands.
func longestOf(node *yaml.Node, keys []string) time.Duration {
	longest := time.Duration(0)
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 1 && slices.Contains(keys, node.Content[i-1].Value) {
			if d, err := model.ParseDuration(child.Value); err == nil {
				longest = max(longest, time.Duration(d))
			}
		}
		longest = max(longest, longestOf(child, keys))
	}
	return longest
}
