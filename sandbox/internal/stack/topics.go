package stack

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Topic is one Kafka topic as kafka/topics.yml asks for it.
type Topic struct {
	Name       string `yaml:"name"`
	Partitions int    `yaml:"partitions"`
	// Config has Kafka's own topic settings ("retention.ms": "604800000").
	Config map[string]string `yaml:"config"`
	// Line is where the topic stands in its file.
	Line int `yaml:"-"`
}

// maxPartitions is where Kafka's own documentation stops recommending more for one topic on a small cluster; above it is
// a slip of the finger.
const maxPartitions = 1000

// topicName is what Kafka allows: at most 249 characters of this set.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// LoadTopics reads a topics.yml. Every error is a *FileError, one for each fault.
func LoadTopics(file string) ([]Topic, error) {
	var doc struct {
		Topics []Topic `yaml:"topics"`
	}
	root, err := DecodeFile(file, &doc)
	if err != nil {
		return nil, err
	}
	list := mapValue(root, "topics")
	if len(doc.Topics) == 0 {
		return nil, &FileError{File: file, Line: 1, Msg: "no topics: list them under the key topics"}
	}
	for i := range doc.Topics {
		t := &doc.Topics[i]
		node := list.Content[i]
		t.Line = node.Line
		if err := t.validate(file, node); err != nil {
			return nil, err
		}
		if first := slices.IndexFunc(doc.Topics, func(o Topic) bool { return o.Name == t.Name }); first != i {
			return nil, &FileError{File: file, Line: t.Line, Msg: fmt.Sprintf("topic %q is already described in line %d", t.Name, doc.Topics[first].Line)}
		}
	}
	return doc.Topics, nil
}

func (t Topic) validate(file string, node *yaml.Node) error {
	fail := func(at *yaml.Node, format string, args ...any) error {
		if at == nil {
			at = node
		}
		return &FileError{File: file, Line: at.Line, Msg: fmt.Sprintf("topic %q: ", t.Name) + fmt.Sprintf(format, args...)}
	}
	if !topicName.MatchString(t.Name) || t.Name == "." || t.Name == ".." {
		return fail(mapValue(node, "name"), "a topic's name has 1 to 249 letters, digits, dots, dashes and underscores")
	}
	if t.Partitions < 1 || t.Partitions > maxPartitions {
		return fail(mapValue(node, "partitions"), "partitions is %d, expected 1 to %d", t.Partitions, maxPartitions)
	}
	config := mapValue(node, "config")
	for _, key := range slices.Sorted(maps.Keys(t.Config)) {
		valid, known := topicSettings[key]
		if !known {
			return fail(keyNode(config, key), "Kafka has no topic setting %q (there are: %s)", key, strings.Join(slices.Sorted(maps.Keys(topicSettings)), ", "))
		}
		if why := valid(t.Config[key]); why != "" {
			return fail(mapValue(config, key), "%s is %q, expected %s", key, t.Config[key], why)
		}
	}
	return nil
}

// keyNode is the node of a key in a mapping, for errors about the key itself.
func keyNode(node *yaml.Node, key string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i]
		}
	}
	return nil
}

// topicSettings are the topic settings of Kafka 4.1 (kafka.apache.org/documentation/#topicconfigs); each value says
// what is expected where it does not like a setting's text, and nothing where it does.
var topicSettings = map[string]func(string) string{
	"cleanup.policy":                          listOf("delete", "compact"),
	"compression.type":                        oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
	"compression.gzip.level":                  whole(-1),
	"compression.lz4.level":                   whole(1),
	"compression.zstd.level":                  whole(-131072),
	"delete.retention.ms":                     whole(0),
	"file.delete.delay.ms":                    whole(0),
	"flush.messages":                          whole(1),
	"flush.ms":                                whole(0),
	"follower.replication.throttled.replicas": anything,
	"index.interval.bytes":                    whole(0),
	"leader.replication.throttled.replicas":   anything,
	"local.retention.bytes":                   whole(-2),
	"local.retention.ms":                      whole(-2),
	"max.compaction.lag.ms":                   whole(1),
	"max.message.bytes":                       whole(0),
	"message.timestamp.after.max.ms":          whole(0),
	"message.timestamp.before.max.ms":         whole(0),
	"message.timestamp.type":                  oneOf("CreateTime", "LogAppendTime"),
	"min.cleanable.dirty.ratio":               ratio,
	"min.compaction.lag.ms":                   whole(0),
	"min.insync.replicas":                     whole(1),
	"preallocate":                             oneOf("true", "false"),
	"remote.log.copy.disable":                 oneOf("true", "false"),
	"remote.log.delete.on.disable":            oneOf("true", "false"),
	"remote.storage.enable":                   oneOf("true", "false"),
	"retention.bytes":                         whole(-1),
	"retention.ms":                            whole(-1),
	"segment.bytes":                           whole(1024 * 1024),
	"segment.index.bytes":                     whole(4),
	"segment.jitter.ms":                       whole(0),
	"segment.ms":                              whole(1),
	"unclean.leader.election.enable":          oneOf("true", "false"),
}

func anything(string) string { return "" }

func oneOf(values ...string) func(string) string {
	return func(s string) string {
		if slices.Contains(values, s) {
			return ""
		}
		return "one of " + strings.Join(values, ", ")
	}
}

func listOf(values ...string) func(string) string {
	return func(s string) string {
		for item := range strings.SplitSeq(s, ",") {
			if !slices.Contains(values, strings.TrimSpace(item)) {
				return "a list of " + strings.Join(values, ", ")
			}
		}
		return ""
	}
}

func whole(least int64) func(string) string {
	return func(s string) string {
		if n, err := strconv.ParseInt(s, 10, 64); err != nil || n < least {
			return fmt.Sprintf("a whole number of at least %d", least)
		}
		return ""
	}
}

func ratio(s string) string {
	if f, err := strconv.ParseFloat(s, 64); err != nil || f < 0 || f > 1 {
		return "a number from 0 to 1"
	}
	return ""
}
