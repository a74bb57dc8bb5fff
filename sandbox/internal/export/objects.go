package export

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// partOf is the label by which Prometheus and Alertmanager find the objects that are theirs.
const partOf = "app.kubernetes.io/part-of"

// part is the label's value.
const part = "data-ingestion-observability"

// maxConfigMap is Kubernetes' limit for the data of a ConfigMap, in bytes.
const maxConfigMap = 1 << 20

// meta is an object's name, place and labels.
func (x *exporter) meta(name, component string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: x.namespace,
		Labels: map[string]string{partOf: part, "app.kubernetes.io/component": component},
	}
}

// put adds an object as DIR/NAME.yaml.
func (x *exporter) put(dir, name string, object any) error {
	data, err := encode(object)
	if err != nil {
		return fmt.Errorf("write %s/%s: %w", dir, name, err)
	}
	file := name + ".yaml"
	x.files[path.Join(dir, file)] = data
	x.resources[dir] = append(x.resources[dir], file)
	return nil
}

// encode is an object as YAML with its keys in order, without what Go's types write though it was never set.
func encode(object any) ([]byte, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, err
	}
	delete(tree, "status")
	prune(tree)
	out, err := yaml.Marshal(tree)
	return append([]byte(header), out...), err
}

// prune takes away nulls, and the empty objects of fields that are no pointers.
func prune(tree map[string]any) {
	for key, value := range tree {
		switch v := value.(type) {
		case nil:
			delete(tree, key)
		case map[string]any:
			prune(v)
			if len(v) == 0 && unset[key] {
				delete(tree, key)
			}
		case []any:
			for _, one := range v {
				if m, ok := one.(map[string]any); ok {
					prune(m)
				}
			}
		}
	}
}

// unset are fields whose empty object means nothing.
var unset = map[string]bool{"alert": true, "rules": true, "alertmanagerConfigMatcherStrategy": true, "resources": true}

// configMap adds a ConfigMap of files; their base names are the keys.
func (x *exporter) configMap(dir, name, component string, files []string, also map[string]string) error {
	m := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: x.meta(name, component), Data: map[string]string{}}
	for key, value := range also {
		if strings.HasPrefix(key, "annotation:") {
			m.Annotations = map[string]string{strings.TrimPrefix(key, "annotation:"): value}
			continue
		}
		m.Labels[key] = value
	}
	size, from := 0, map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		key := filepath.Base(file)
		if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
			return fail(file, 0, "its name cannot be a key of a ConfigMap: %s", problems[0])
		}
		if other, ok := from[key]; ok {
			return fail(file, 0, "the ConfigMap %s has a %s already, from %s: a ConfigMap knows no directories", name, key, other)
		}
		if !utf8.Valid(data) {
			return fail(file, 0, "it is no UTF-8 text: the stack's configuration is")
		}
		from[key] = file
		if size += len(key) + len(data); size > maxConfigMap {
			return fail(file, 0, "the ConfigMap %s would be larger than the %d bytes that Kubernetes takes: split it", name, maxConfigMap)
		}
		m.Data[key] = string(data)
	}
	return x.put(dir, "configmap-"+name, m)
}

// common are the ConfigMaps of the components that have no operator's objects here.
func (x *exporter) common() error {
	for _, component := range []string{"kafka", "elasticsearch", "jaeger"} {
		files, err := x.config(component)
		if err != nil {
			return err
		}
		if err := x.configMap("common", component+"-config", component, files, nil); err != nil {
			return err
		}
	}
	if err := x.logstash(); err != nil {
		return err
	}
	return x.grafana()
}

// logstash has its settings and its pipelines in two directories.
func (x *exporter) logstash() error {
	files, err := x.config("logstash")
	if err != nil {
		return err
	}
	byMap := map[string][]string{}
	for _, file := range files {
		if filepath.Ext(file) != ".conf" {
			byMap["logstash-settings"] = append(byMap["logstash-settings"], file)
		}
	}
	// Every pipeline of the directory, as Logstash would read it: pipelines.yml names them.
	pipelines, err := filepath.Glob(filepath.Join(x.stack.Dir, "logstash", "pipeline", "*.conf"))
	if err != nil {
		return err
	}
	byMap["logstash-pipeline"] = pipelines
	for _, name := range []string{"logstash-settings", "logstash-pipeline"} {
		if len(byMap[name]) == 0 {
			return fail(x.stack.Path("stack.yaml"), 0, "no files of Logstash for the ConfigMap %s", name)
		}
		if err := x.configMap("common", name, "logstash", byMap[name], nil); err != nil {
			return err
		}
	}
	return nil
}

// grafana has data sources and dashboards, each with the label by which Grafana's sidecar finds it.
func (x *exporter) grafana() error {
	dir := x.stack.Path("grafana")
	sources, err := filepath.Glob(filepath.Join(dir, "provisioning", "datasources", "*.yaml"))
	if err != nil {
		return err
	}
	providers, err := filepath.Glob(filepath.Join(dir, "provisioning", "dashboards", "*.yaml"))
	if err != nil {
		return err
	}
	boards, err := filepath.Glob(filepath.Join(dir, "dashboards", "*.json"))
	if err != nil {
		return err
	}
	if len(sources) == 0 || len(boards) == 0 {
		return fail(dir, 0, "no data sources or no dashboards: expected provisioning/datasources/*.yaml and dashboards/*.json")
	}
	if err := x.configMap("common", "grafana-datasources", "grafana", sources, map[string]string{"grafana_datasource": "1"}); err != nil {
		return err
	}
	if err := x.configMap("common", "grafana-dashboard-providers", "grafana", providers, nil); err != nil {
		return err
	}
	for _, board := range boards {
		also := map[string]string{"grafana_dashboard": "1", "annotation:grafana_folder": "Data ingestion"}
		if err := x.configMap("common", "grafana-dashboard-"+slug(board), "grafana", []string{board}, also); err != nil {
			return err
		}
	}
	return nil
}
