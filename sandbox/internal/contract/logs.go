package contract

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// logTopic is where services write their lines.
const logTopic = "application-logs"

const (
	// enough is how many lines are read from Kafka.
	enough = 20
	// shown is how many faulty lines are told of.
	shown = 5
	// maxLine is the longest line in bytes: what the topic takes.
	maxLine = 1 << 20
)

// line is a log line and where it was found.
type line struct{ place, text string }

// logs holds the service's lines against the log standard.
func (c *checker) logs(ctx context.Context) error {
	const name = "log lines keep the log standard"
	if c.opt.Logs == nil && c.opt.Kafka == "" {
		c.skip(name, "there are none to look at: give --logs FILE (- for stdin) or --kafka HOST:PORT")
		return nil
	}
	standard, err := ReadLogStandard(c.stack.Path(SchemaFile))
	if err != nil {
		return err
	}
	if c.opt.Logs != nil {
		lines, err := c.linesOf()
		if err != nil {
			return err
		}
		c.judge(name+" ("+c.opt.LogsName+")", standard, lines)
	}
	if c.opt.Kafka != "" {
		lines, err := c.consume(ctx)
		if err != nil {
			return err
		}
		c.judge(name+" (Kafka)", standard, lines)
	}
	return nil
}

func (c *checker) judge(name string, standard *LogStandard, lines []line) {
	if len(lines) == 0 {
		c.addAt(name, "", fmt.Errorf("no lines of %s came within %s", c.opt.Service, c.opt.Wait), standard.File, 0)
		return
	}
	var errs []error
	bad := 0
	for _, l := range lines {
		err := c.fault(standard, l.text)
		if err == nil {
			continue
		}
		if bad++; bad <= shown {
			errs = append(errs, fmt.Errorf("%s: %w\n  %s", l.place, err, short([]byte(l.text))))
		}
	}
	if bad > 0 {
		errs = append(errs, fmt.Errorf("%d of %d lines do not keep it", bad, len(lines)))
	}
	c.addAt(name, fmt.Sprintf("%d lines", len(lines)), errors.Join(errs...), standard.File, 0)
}

// fault is what is wrong with one line; nil for nothing.
func (c *checker) fault(standard *LogStandard, text string) error {
	if err := standard.Judge(text); err != nil {
		return err
	}
	var r struct {
		Service string `json:"service"`
		Layer   string `json:"layer"`
		TraceID string `json:"trace_id"`
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return err
	}
	if r.Service != c.opt.Service {
		return fmt.Errorf("service is %q, expected %q", r.Service, c.opt.Service)
	}
	if r.Layer != c.layer() {
		return fmt.Errorf("layer is %q, expected %q", r.Layer, c.layer())
	}
	if r.TraceID != "" {
		c.traced[r.TraceID] = true
	}
	return nil
}

func (c *checker) linesOf() ([]line, error) {
	var all []line
	scanner := bufio.NewScanner(c.opt.Logs)
	scanner.Buffer(nil, maxLine)
	for n := 1; scanner.Scan(); n++ {
		if text := strings.TrimSpace(scanner.Text()); text != "" {
			all = append(all, line{fmt.Sprintf("%s:%d", c.opt.LogsName, n), text})
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read the log lines of %s: %w", c.opt.LogsName, err)
	}
	return all, nil
}

// consume reads what the service writes to Kafka, from a little while ago on, until there is enough or the wait is over.
func (c *checker) consume(ctx context.Context) ([]line, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.opt.Kafka), kgo.ConsumeTopics(logTopic), kgo.ClientID("sandbox-check"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().Add(-30*time.Second).UnixMilli())))
	if err != nil {
		return nil, fmt.Errorf("read log lines from Kafka at %s: %w", c.opt.Kafka, err)
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return nil, fmt.Errorf("read log lines from Kafka at %s: %w", c.opt.Kafka, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Wait)
	defer cancel()
	var all []line
	for len(all) < enough && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var named struct {
				Service string `json:"service"`
			}
			own := json.Unmarshal(r.Value, &named) == nil && named.Service == c.opt.Service
			if own || string(r.Key) == c.opt.Service {
				all = append(all, line{fmt.Sprintf("partition %d, offset %d", r.Partition, r.Offset), string(r.Value)})
			}
		})
	}
	return all, nil
}
