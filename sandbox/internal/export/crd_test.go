package export_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// schemas are the operator's own schemas of its objects, by apiVersion and kind. Their files
// (example/prometheus-operator-crd in the operator's repository) are not kept here: name their directory in
// OBSANDBOX_CRDS.
func schemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	dir := os.Getenv("OBSANDBOX_CRDS")
	if dir == "" {
		t.Skip("OBSANDBOX_CRDS names no directory with the Prometheus operator's CRDs (example/prometheus-operator-crd in its repository): " +
			"patterns and limits of the schemas are not tried here; that every key is known is, by the operator's Go types")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]*jsonschema.Schema{}
	compiler := jsonschema.NewCompiler()
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var crd struct {
			Spec struct {
				Group string `json:"group"`
				Names struct {
					Kind string `json:"kind"`
				} `json:"names"`
				Versions []struct {
					Name   string `json:"name"`
					Schema struct {
						OpenAPI json.RawMessage `json:"openAPIV3Schema"`
					} `json:"schema"`
				} `json:"versions"`
			} `json:"spec"`
		}
		require.NoError(t, yaml.Unmarshal(data, &crd))
		for _, v := range crd.Spec.Versions {
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(v.Schema.OpenAPI))
			require.NoError(t, err)
			name := crd.Spec.Group + "/" + v.Name + "/" + crd.Spec.Names.Kind
			require.NoError(t, compiler.AddResource("http://"+name, doc))
			all[name], err = compiler.Compile("http://" + name)
			require.NoError(t, err, file)
		}
	}
	return all
}

func TestObjectsKeepTheOperatorsSchemas(t *testing.T) {
	t.Parallel()
	all := schemas(t)
	checked := 0
	for name, data := range exported(t, checkedIn(t)) {
		asJSON, err := yaml.YAMLToJSON(data)
		require.NoError(t, err)
		object, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		require.NoError(t, err)
		fields, _ := object.(map[string]any)
		version, _ := fields["apiVersion"].(string)
		kind, _ := fields["kind"].(string)
		if !strings.HasPrefix(version, "monitoring.coreos.com/") {
			continue
		}
		schema, ok := all[version+"/"+kind]
		require.True(t, ok, "%s/%s", version, kind)
		require.NoError(t, schema.Validate(object), name)
		checked++
		if kind == "ScrapeConfig" {
			fields["spec"].(map[string]any)["scrapeInterval"] = "soon"
			require.Error(t, schema.Validate(object), "the schema must notice a fault")
		}
	}
	require.Equal(t, 20, checked)
}
