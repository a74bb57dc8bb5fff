package elastic

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"obsandbox/sandbox/internal/elastic/mapping"
)

// FuzzBulk reads any body: no panic, and what is taken has an index, an action and whole lines of the body as sources.
// Each source also goes through a parser of documents.
func FuzzBulk(f *testing.F) {
	for _, s := range []string{
		"{\"index\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"n\":1}\n", "{\"delete\":{\"_index\":\"a\",\"_id\":\"1\"}}\n", "{\"update\":{\"_id\":\"1\",\"_index\":\"a\"}}\n{\"doc\":{}}\n",
		"{\"create\":{}}\r\n{\"a.b\":[{\"c\":null},1.5e3,\"2024-01-15\"],\"m\":{\"x\":{\"y\":[1]}}}\r\n", "{}\n", "\n\n", "{\"index\":{\"_index\":\"a\"}}\n", "{\"index\":{\"_index\":\"a\"}}\n\n",
		"{\"index\":{\"_index\":\"a\"}}\n{\"m\":{\"a\":\"b\"},\"n\":\"x\",\"a\":{\"\":1},\"..\":2}\n"} {
		f.Add([]byte(s))
	}
	m, err := mapping.Empty(mapping.Limits{Coerce: true}).Merge(map[string]any{"properties": map[string]any{
		"n": map[string]any{"type": "long"}, "m": map[string]any{"type": "flattened"}, "t": map[string]any{"type": "text"}, "ip": map[string]any{"type": "ip"}}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := parseBulk(body, bulkDefaults{index: "default"})
		if err != nil {
			return
		}
		require.NotEmpty(t, items)
		p := mapping.NewParser(m)
		for _, it := range items {
			require.NotEmpty(t, it.index)
			require.Contains(t, []string{"index", "create", "update", "delete"}, it.action)
			if it.op.Source == nil {
				continue
			}
			require.True(t, bytes.Contains(body, it.op.Source))
			doc, err := p.Parse("id", it.op.Source)
			if err == nil && doc.New != nil {
				if next, err := m.MergeDynamic(doc.New); err == nil {
					_, _ = mapping.NewParser(next).Parse("id", it.op.Source)
				}
			}
		}
	})
}
