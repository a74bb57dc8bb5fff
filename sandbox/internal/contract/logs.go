package contract

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// SchemaFile is the log standard, below the stack directory.
const SchemaFile = "log-standard.schema.json"

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

// LogStandard compiles the log standard of a stack.
func LogStandard(file string) (*jsonschema.Schema, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the log standard: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: no JSON: %w", file, err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("log-standard", doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	schema, err := compiler.Compile("log-standard")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return schema, nil
}

// logs holds the service's lines against the log standard.
func (c *checker) logs(ctx context.Context) error {
	const name = "log lines keep the log standard"
	if c.opt.Logs == nil && c.opt.Kafka == "" {
		c.skip(name, "there are none to look at: give --logs FILE (- for stdin) or --kafka HOST:PORT")
		return nil
	}
	file := c.stack.Path(SchemaFile)
	schema, err := LogStandard(file)
	if err != nil {
		return err
	}
	if c.opt.Logs != nil {
		lines, err := c.linesOf()
		if err != nil {
			return err
		}
		c.judge(name+" ("+c.opt.LogsName+")", schema, file, lines)
	}
	if c.opt.Kafka != "" {
		lines, err := c.consume(ctx)
		if err != nil {
			return err
		}
		c.judge(name+" (Kafka)", schema, file, lines)
	}
	return nil
}

func (c *checker) judge(name string, schema *jsonschema.Schema, file string, lines []line) {
	if len(lines) == 0 {
		c.addAt(name, "", fmt.Errorf("no lines of %s came within %s", c.opt.Service, c.opt.Wait), file, 0)
		return
	}
	var errs []error
	bad := 0
	for _, l := range lines {
		err := c.fault(schema, l.text)
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
	c.addAt(name, fmt.Sprintf("%d lines", len(lines)), errors.Join(errs...), file, 0)
}

// fault is what is wrong with one line; nil for nothing.
func (c *checker) fault(schema *jsonschema.Schema, text string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return errors.New("it is no JSON object on a line of its own")
	}
	if err := schema.Validate(doc); err != nil {
		var v *jsonschema.ValidationError
		if errors.As(err, &v) {
			return errors.New(strings.Join(causes(v), "; "))
		}
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

// causes are the leaves of a validation error, each with its field.
func causes(v *jsonschema.ValidationError) []string {
	if len(v.Causes) == 0 {
		text := v.ErrorKind.LocalizedString(message.NewPrinter(language.English))
		if _, ok := v.ErrorKind.(*kind.AdditionalProperties); ok {
			text += " (put them below metadata)"
		}
		if len(v.InstanceLocation) == 0 {
			return []string{text}
		}
		return []string{strings.Join(v.InstanceLocation, ".") + ": " + text}
	}
	var all []string
	for _, cause := range v.Causes {
		all = append(all, causes(cause)...)
	}
	return all
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
