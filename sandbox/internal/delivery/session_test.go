package delivery

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestSession runs the commands of the session in docs/logstash.md and compares what they print. Where kcat is not
// installed this test binary acts as it, for the few options that the session needs.
func TestSession(t *testing.T) {
	text, err := os.ReadFile("../../../docs/logstash.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "<!-- session:")
	require.True(t, ok)
	_, rest, _ = strings.Cut(rest, "```console\n")
	block, _, ok := strings.Cut(rest, "```\n")
	require.True(t, ok)

	all := components(t, filepath.Join(stackDir, "logstash"))
	all[2].start(t)
	path := os.Getenv("PATH")
	if _, err := exec.LookPath("kcat"); err != nil {
		dir := t.TempDir()
		script := "#!/bin/sh\nexport DELIVERY_ROLE=kcat\nexec '" + os.Args[0] + "' \"$@\"\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "kcat"), []byte(script), 0o755))
		path = dir + string(filepath.ListSeparator) + path
	}
	here := strings.NewReplacer("127.0.0.1:9092", all[0].addr, "127.0.0.1:9200", all[1].addr, "127.0.0.1:9600", all[2].addr)
	commands := strings.Split(strings.TrimPrefix(block, "$ "), "\n$ ")
	require.Greater(t, len(commands), 3)
	for _, c := range commands {
		command, want, _ := strings.Cut(c, "\n")
		var got string
		// What is asked for may still be on its way.
		for start := time.Now(); ; wait(t, 100*time.Millisecond) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			cmd := exec.CommandContext(ctx, "sh", "-c", here.Replace(command))
			cmd.Env = append(os.Environ(), "PATH="+path)
			out, err := cmd.CombinedOutput()
			cancel()
			if got = strings.TrimSpace(string(out)); err == nil && got == strings.TrimSpace(want) {
				break
			}
			require.Less(t, time.Since(start), 30*time.Second, "$ %s\n%s\nexpected\n%s", command, got, want)
		}
	}
}

// kcat is the part of kcat that the session needs: -P produces the lines of in, -C writes what a topic holds to out.
func kcat(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("kcat", flag.ContinueOnError)
	produce, consume := flags.Bool("P", false, ""), flags.Bool("C", false, "")
	broker, topic := flags.String("b", "", ""), flags.String("t", "", "")
	offset := flags.String("o", "", "")
	exit := flags.Bool("e", false, "")
	flags.Bool("q", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker), kgo.ConsumeTopics(*topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	switch {
	case *produce:
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			if err := client.ProduceSync(ctx, &kgo.Record{Topic: *topic, Value: []byte(lines.Text())}).FirstErr(); err != nil {
				return err
			}
		}
		return lines.Err()
	case *consume && *offset == "beginning" && *exit:
		ends, err := kadm.NewClient(client).ListEndOffsets(ctx, *topic)
		if err != nil {
			return err
		}
		left := int64(0)
		ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
		for left > 0 {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return err
			}
			fetches.EachRecord(func(r *kgo.Record) {
				left--
				_, _ = fmt.Fprintf(out, "%s\n", r.Value)
			})
		}
		return nil
	}
	return fmt.Errorf("kcat %s: not a part of what the test can stand in for", strings.Join(args, " "))
}
