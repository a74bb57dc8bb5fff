package smoke

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// promConfig is what the checks expect of Prometheus: the checked-in prometheus.yml, as much of it as they look at.
type promConfig struct {
	file           string
	externalLabels map[string]string
	alertmanagers  int
	jobs           []promJob
}

// promJob is one scrape job.
type promJob struct {
	line int
	// interval is its scrape_interval, or the global one.
	interval time.Duration
	// alters says that what is stored is not simply what a page has: Prometheus relabels it, or refuses too much of it.
	alters bool

	Name   string `yaml:"job_name"`
	Static []struct {
		Targets []string          `yaml:"targets"`
		Labels  map[string]string `yaml:"labels"`
	} `yaml:"static_configs"`
	Kubernetes []struct {
		Role       string `yaml:"role"`
		Namespaces struct {
			Names []string `yaml:"names"`
		} `yaml:"namespaces"`
	} `yaml:"kubernetes_sd_configs"`
}

// loadPromConfig reads the first configuration file of the component prometheus, not strictly: whether Prometheus takes
// it is Prometheus' own to say.
func loadPromConfig(s *stack.Stack) (*promConfig, error) {
	file, err := configFile(s, "prometheus")
	if err != nil {
		return nil, err
	}
	c := &promConfig{file: file}
	var doc struct {
		Global struct {
			ScrapeInterval string            `yaml:"scrape_interval"`
			ExternalLabels map[string]string `yaml:"external_labels"`
		} `yaml:"global"`
		Alerting struct {
			Alertmanagers []struct {
				Static []struct {
					Targets []string `yaml:"targets"`
				} `yaml:"static_configs"`
			} `yaml:"alertmanagers"`
		} `yaml:"alerting"`
		Jobs []yaml.Node `yaml:"scrape_configs"`
	}
	if err := decodeLoosely(file, &doc); err != nil {
		return nil, err
	}
	c.externalLabels = doc.Global.ExternalLabels
	for _, am := range doc.Alerting.Alertmanagers {
		for _, group := range am.Static {
			c.alertmanagers += len(group.Targets)
		}
	}
	for _, node := range doc.Jobs {
		job := promJob{line: node.Line, interval: intervalOf(&node, doc.Global.ScrapeInterval), alters: alters(&node)}
		if err := node.Decode(&job); err != nil {
			return nil, &stack.FileError{File: file, Line: node.Line, Msg: err.Error()}
		}
		c.jobs = append(c.jobs, job)
	}
	if len(c.jobs) == 0 {
		return nil, &stack.FileError{File: file, Line: 1, Msg: "no scrape_configs: nothing would be scraped"}
	}
	return c, nil
}

// intervalOf is how often a job scrapes: its own word, the global one, or Prometheus' default.
func intervalOf(job *yaml.Node, global string) time.Duration {
	for _, text := range []string{stack.Child(job, "scrape_interval").Value, global} {
		if d, err := model.ParseDuration(text); text != "" && err == nil {
			return time.Duration(d)
		}
	}
	return time.Minute
}

// alters says whether a job has a setting that changes, or bounds, what is stored of a page.
func alters(job *yaml.Node) bool {
	for i := 0; i+1 < len(job.Content); i += 2 {
		if key := job.Content[i].Value; key == "metric_relabel_configs" || key == "honor_labels" || strings.HasSuffix(key, "_limit") {
			return true
		}
	}
	return false
}

// namespaces are those that the job looks for pods in; false where it looks for none.
func (j promJob) namespaces() ([]string, bool) {
	var names []string
	for _, sd := range j.Kubernetes {
		if sd.Role == "pod" {
			names = append(names, sd.Namespaces.Names...)
		}
	}
	return names, len(j.Kubernetes) > 0
}

// configFile is the path of the file that a component is started with.
func configFile(s *stack.Stack, component string) (string, error) {
	c, err := s.Component(component)
	if err != nil {
		return "", err
	}
	if len(c.Config) == 0 {
		return "", fmt.Errorf("component %s has no config in %s", component, s.Path(stack.FileName))
	}
	return s.Path(c.Config[0]), nil
}

// decodeLoosely reads the keys that value knows and leaves the others to the program that the file belongs to.
func decodeLoosely(file string, value any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read what to expect: %w", err)
	}
	var doc yaml.Node
	if _, err := stack.Decode(file, data, &doc); err != nil { // for errors with their lines
		return err
	}
	if err := doc.Decode(value); err != nil {
		return &stack.FileError{File: file, Line: 1, Msg: err.Error()}
	}
	return nil
}
