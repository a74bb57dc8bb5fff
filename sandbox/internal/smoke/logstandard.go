package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"obsandbox/sandbox/internal/contract"
)

// standardChecks: the log standard is what the platform's services keep, and no line that it was made against.
func standardChecks(e *env) []*check {
	file := e.stack.Path(contract.SchemaFile)
	if _, err := os.Stat(file); err != nil {
		return nil // a stack that has none
	}
	const name = "the platform's log lines keep the log standard"
	standard, err := contract.ReadLogStandard(file)
	if err != nil {
		return []*check{broken(name, file, err)}
	}
	return []*check{{
		name: name, needs: []string{"kafka", "platform"}, file: file,
		assert: func(ctx context.Context) (string, error) { return e.standardKept(ctx, standard) },
	}}
}

// kept is as many lines as are looked at.
const kept = 50

func (e *env) standardKept(ctx context.Context, standard *contract.LogStandard) (string, error) {
	// No text could be searched for in a message that is an object.
	file := e.stack.Path(contract.SchemaFile)
	if text := e.logs.text(lineRefused); standard.Judge(text) == nil {
		return "", final(at(file, max(1, lineOfJSON(file, "properties.message")), &mismatch{
			"the log standard refuses a line whose message is no text", "it takes " + excerpt([]byte(text)), "",
		}))
	}
	consumer, err := kgo.NewClient(
		kgo.SeedBrokers(e.addr.Of("kafka", "broker")), kgo.ClientID("sandbox-smoke"), kgo.ConsumeTopics(logTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(e.began.Add(-30*time.Second).UnixMilli())))
	if err != nil {
		return "", err
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	seen, bad := 0, 0
	var first error
	line := 1
	for more := true; more && seen < kept && ctx.Err() == nil; {
		poll, done := context.WithTimeout(ctx, 300*time.Millisecond)
		fetches := consumer.PollFetches(poll)
		if err := fetches.Err(); err != nil && poll.Err() == nil {
			done()
			return "", fmt.Errorf("read %s: %w", logTopic, err)
		}
		done()
		more = seen == 0 || !fetches.Empty()
		fetches.EachRecord(func(r *kgo.Record) {
			if !meantStandard(r) {
				return
			}
			seen++
			if err := standard.Judge(string(r.Value)); err != nil {
				if bad++; first == nil {
					first = fmt.Errorf("%w, in %s", err, excerpt(r.Value))
					field, _, _ := strings.Cut(err.Error(), ":")
					line = max(1, lineOfJSON(file, "properties."+field))
				}
			}
		})
	}
	switch {
	case seen == 0:
		return "", &mismatch{"lines of the platform's services in " + logTopic, "none", "the log of platform"}
	case bad > 0:
		return "", final(at(file, line, &mismatch{
			"every line of a service is as the log standard says", fmt.Sprintf("%d of %d are not: %v", bad, seen, first), "",
		}))
	}
	return fmt.Sprintf("%d lines", seen), nil
}

// meantStandard says whether a service wrote a record as the log standard asks for: it is JSON and whole, and its service
// is the record's key. Some lines are odd, as in real life.
func meantStandard(r *kgo.Record) bool {
	var line struct {
		Service string `json:"service"`
		Layer   string `json:"layer"`
	}
	return json.Unmarshal(r.Value, &line) == nil && line.Layer != "" && line.Service != "" && line.Service == string(r.Key)
}
