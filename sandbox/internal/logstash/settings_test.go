package logstash

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOurSettings(t *testing.T) {
	t.Parallel()
	require.NoError(t, Check(stackDir))
	all, err := loadSettings(stackDir, "/data", func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	require.Len(t, all, 2)
	main, dead := all[0], all[1]
	require.Equal(t, "main", main.ID)
	require.Equal(t, []string{filepath.Join(stackDir, "pipeline", "logstash.conf")}, main.Files)
	require.Equal(t, []any{2, 500, 50 * time.Millisecond, "v8", true}, []any{main.Workers, main.BatchSize, main.BatchDelay, main.ECS, main.DeadLetters})
	require.Equal(t, "dead-letters", dead.ID)
	require.Equal(t, []any{1, 125, false}, []any{dead.Workers, dead.BatchSize, dead.DeadLetters})
	require.Equal(t, "/data/dead_letter_queue", main.path("/usr/share/logstash/data/dead_letter_queue"))
	require.Equal(t, filepath.Join(stackDir, "patterns"), main.path("/usr/share/logstash/config/patterns"))
}

func TestFilesOfAPipeline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"b.conf", "a.conf", "in/deep/c.conf", "d.txt", "e.conf~"} {
		writeFile(t, filepath.Join(dir, name), "filter { drop { } }")
	}
	for pattern, want := range map[string][]string{
		"*.conf": {"a.conf", "b.conf"}, "**/*.conf": {"a.conf", "b.conf", "in/deep/c.conf"}, "{a,b}.conf": {"a.conf", "b.conf"}, "in/deep": {"in/deep/c.conf"},
		"a.conf": {"a.conf"},
	} {
		writeFile(t, filepath.Join(dir, "pipelines.yml"), "- {pipeline.id: main, path.config: '"+pattern+"'}\n")
		writeFile(t, filepath.Join(dir, "logstash.yml"), "")
		all, err := loadSettings(dir, dir, nil)
		require.NoError(t, err)
		var got []string
		for _, f := range all[0].Files {
			got = append(got, strings.TrimPrefix(f, dir+"/"))
		}
		require.Equal(t, want, got, pattern)
	}
}

func TestSettingsRefused(t *testing.T) {
	t.Parallel()
	const pipeline = "- pipeline.id: main\n  path.config: pipeline/*.conf\n"
	for _, c := range []struct{ name, logstash, pipelines, want string }{
		{"unknown setting", "node.name: x\n\npipeline:\n  wokers: 2\n", pipeline, "logstash.yml:4: setting pipeline.wokers: unknown here"},
		{"a removed setting", "http.host: 0.0.0.0\n", pipeline, "logstash.yml:1: setting http.host: unknown here"},
		{"wrong value", "pipeline.workers: many\n", pipeline, "logstash.yml:1: setting pipeline.workers: expected a number from 1 on"},
		{"a persisted queue", "queue.type: persisted\n", pipeline, "\"persisted\" is not supported"},
		{"reloading", "config.reload.automatic: true\n", pipeline, "logstash.yml:1: setting config.reload.automatic: \"true\" is not supported, only false is"},
		{"a bound of dead letters", "dead_letter_queue.max_bytes: 1gb\n", pipeline, "setting dead_letter_queue.max_bytes: unknown here"},
		{"ECS", "pipeline.ecs_compatibility: v2\n", pipeline, "none of disabled, v1, v8"},
		{"no YAML", "a: [\n", pipeline, "logstash.yml:1"},
		{"a variable that is not set", "node.name: ${NO_SUCH}\n", pipeline, "logstash.yml:1: setting node.name: cannot evaluate ${NO_SUCH}"},
		{"no pipelines", "", "", "pipelines.yml:1: expected a list of pipelines"},
		{"one id twice", "", pipeline + pipeline, "pipelines.yml:3: pipeline.id \"main\" stands twice"},
		{"no id", "", "- pipeline.id: \"\"\n  path.config: pipeline/*.conf\n", "pipelines.yml:1: setting pipeline.id: a pipeline needs an id"},
		{"no files", "", "- pipeline.id: main\n", "has no files"},
		{"files that are not there", "", "- pipeline.id: main\n  path.config: other/*.conf\n", "pipelines.yml:2: setting path.config: no file at"},
		{"a setting of the node in a pipeline", "", "- pipeline.id: main\n  path.config: pipeline/*.conf\n  api.http.port: 9601\n", "pipelines.yml:3: setting api.http.port: belongs into logstash.yml"},
		{"order with several workers", "pipeline.workers: 2\npipeline.ordered: true\n", pipeline, "order needs pipeline.workers: 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "logstash.yml"), c.logstash)
			writeFile(t, filepath.Join(dir, "pipelines.yml"), c.pipelines)
			writeFile(t, filepath.Join(dir, "pipeline", "p.conf"), "filter { drop { } }")
			err := Check(dir)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// Several files are one pipeline, in the order of their names; an error names the right one.
func TestSeveralFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "logstash.yml"), "")
	writeFile(t, filepath.Join(dir, "pipelines.yml"), "- {pipeline.id: main, path.config: pipeline}\n- {pipeline.id: other, config.string: 'filter { drop { } }'}\n")
	writeFile(t, filepath.Join(dir, "pipeline", "20.conf"), "filter { mutate { replace => { \"a\" => \"%{a}2\" } } }")
	writeFile(t, filepath.Join(dir, "pipeline", "10.conf"), "filter { mutate { add_field => { \"a\" => \"1\" } } }")
	writeFile(t, filepath.Join(dir, "pipeline", "30.conf~"), "not read")
	pipelines, err := Load(dir, nil)
	require.NoError(t, err)
	require.Equal(t, "12", pipelines[0].Filter(lineEvents(1, "x"))[0].Data()["a"])
	require.Empty(t, pipelines[1].Filter(lineEvents(1, "x")))
	writeFile(t, filepath.Join(dir, "pipeline", "20.conf"), "\nfilter { nope { } }")
	require.ErrorContains(t, Check(dir), "20.conf:2: unknown filter plugin \"nope\"")
}

// Broken copies of our own files are refused with file, line and reason.
func TestBrokenByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, old, new, want string }{
		{"pipeline/logstash.conf", "uppercase =>", "upcase =>", "filter mutate: option upcase: unknown here"},
		{"pipeline/logstash.conf", "%{LOGLEVEL:level}", "%{LOGLEVL:level}", "pattern %{LOGLEVL:level} is not defined"},
		{"pipeline/logstash.conf", "  elasticsearch {", "  elastic {", "unknown output plugin \"elastic\""},
		{"pipeline/dead-letters.conf", "prune {", "prume {", "unknown filter plugin \"prume\""},
		{"pipelines.yml", "pipeline.workers: 1", "pipeline.worker: 1", "setting pipeline.worker: unknown here"},
		{"logstash.yml", "queue.type: memory", "queue.type: disk", "\"disk\" is not supported"},
	} {
		dir := settingsDir(t, "retry_max_interval => 4")
		text := readFile(t, filepath.Join(dir, c.file))
		require.Contains(t, text, c.old)
		line := 1 + strings.Count(text[:strings.Index(text, c.old)], "\n")
		writeFile(t, filepath.Join(dir, c.file), strings.Replace(text, c.old, c.new, 1))
		err := Check(dir)
		require.ErrorContains(t, err, c.want)
		require.Contains(t, err.Error(), filepath.Join(dir, c.file)+":")
		require.Contains(t, err.Error(), ":"+itoa(line)+":", "the line is named")
	}
}
