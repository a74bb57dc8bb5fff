package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/elastic/go-elasticsearch/v9"
	"github.com/elastic/go-elasticsearch/v9/esutil"
	"github.com/stretchr/testify/require"
)

func session(ctx context.Context, address string, out io.Writer) error {
	client, err := elasticsearch.New(elasticsearch.WithAddresses(address))
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{Client: client, Index: "logs-session", Refresh: "true"})
	if err != nil {
		return fmt.Errorf("make a bulk indexer: %w", err)
	}
	for i := range 1000 {
		doc := fmt.Sprintf(`{"n":%d,"level":"%s"}`, i, []string{"INFO", "WARN"}[i%2])
		if err := indexer.Add(ctx, esutil.BulkIndexerItem{Action: "index", DocumentID: fmt.Sprint(i), Body: strings.NewReader(doc)}); err != nil {
			return fmt.Errorf("add document %d: %w", i, err)
		}
	}
	if err := indexer.Close(ctx); err != nil {
		return fmt.Errorf("write the rest: %w", err)
	}
	fmt.Fprintln(out, "indexed:", indexer.Stats().NumIndexed, "failed:", indexer.Stats().NumFailed)
	typed, err := elasticsearch.NewTyped(elasticsearch.WithAddresses(address))
	if err != nil {
		return fmt.Errorf("make a typed client: %w", err)
	}
	res, err := typed.Search().Index("logs-session").Raw(strings.NewReader(`{"query":{"query_string":{"query":"level:WARN AND n:>=990"}},"sort":[{"n":"desc"}]}`)).Do(ctx)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	fmt.Fprintln(out, "found:", res.Hits.Total.Value, "first:", *res.Hits.Hits[0].Id_)
	return nil
}

// TestDocs runs what docs/elasticsearch.md shows: each curl line with the answer below it, and the Go session.
func TestDocs(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../../docs/elasticsearch.md")
	require.NoError(t, err)
	docs := string(raw)
	url := startStore(t)
	ran := 0
	for _, block := range blocks(docs, "console") {
		var command, want []string
		run := func() {
			if len(command) > 0 && strings.HasPrefix(command[0], "curl ") {
				got := curl(t, url, strings.Join(command, "\n"))
				require.Equal(t, strings.Join(want, "\n"), strings.TrimRight(stable(got), "\n"), "%s", command)
				ran++
			}
			command, want = nil, nil
		}
		for _, line := range strings.Split(strings.TrimSuffix(block, "\n"), "\n") {
			if cmd, ok := strings.CutPrefix(line, "$ "); ok {
				run()
				command = []string{cmd}
				continue
			}
			want = append(want, line)
		}
		run()
	}
	require.Greater(t, ran, 5)

	source, err := os.ReadFile("session_test.go")
	require.NoError(t, err)
	_, text, _ := strings.Cut(string(source), "\nfunc session(")
	text, _, _ = strings.Cut(text, "\n}\n")
	require.Contains(t, blocks(docs, "go"), "func session("+text+"\n}\n")
	var out bytes.Buffer
	require.NoError(t, session(t.Context(), url, &out))
	require.Contains(t, blocks(docs, "text"), out.String())
}

// blocks are the fenced blocks of a language.
func blocks(docs, language string) []string {
	var out []string
	for _, part := range strings.Split(docs, "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		out = append(out, block)
	}
	return out
}

// stable takes out what is never twice the same.
func stable(text string) string {
	return regexp.MustCompile(`"took" ?: ?[0-9]+`).ReplaceAllString(text, `"took":1`)
}

// curl does what a curl command line with -s, -X, -H, -d and --data-binary does.
func curl(t *testing.T, url, line string) string {
	t.Helper()
	method, target, body := "", "", ""
	header := http.Header{}
	words := shellWords(t, line)[1:]
	for i := 0; i < len(words); i++ {
		switch w := words[i]; w {
		case "-s":
		case "-X":
			i++
			method = words[i]
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			header.Add(name, value)
		case "-d", "--data-binary":
			i++
			body = words[i]
		default:
			require.False(t, strings.HasPrefix(w, "-"), "curl %s", w)
			target = w
		}
	}
	if method == "" {
		method = map[bool]string{true: http.MethodPost, false: http.MethodGet}[body != ""]
	}
	require.True(t, strings.HasPrefix(target, "localhost:9200"), "%s", line)
	req, err := http.NewRequestWithContext(t.Context(), method, url+strings.TrimPrefix(target, "localhost:9200"), strings.NewReader(body))
	require.NoError(t, err)
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(answer)
}

// shellWords cuts a line as a shell does: spaces, '…' and $'…' with \n.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var out []string
	word, in, escapes := "", false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case in && escapes && c == '\\' && line[i+1] == 'n':
			word += "\n"
			i++
		case c == '\'':
			in = !in
			escapes = escapes && in
		case !in && c == '$' && line[i+1] == '\'':
			escapes = true
		case !in && c == ' ':
			out = append(out, word)
			word = ""
		default:
			word += string(c)
		}
	}
	require.False(t, in, "%s", line)
	return append(out, word)
}
