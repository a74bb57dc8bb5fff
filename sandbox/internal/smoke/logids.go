package smoke

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"obsandbox/sandbox/internal/logstash/lang"
)

var automaticID = regexp.MustCompile(`^[A-Za-z0-9_-]{20}$`)

// isAutomatic says whether an id is one that Elasticsearch makes for a document that comes without: 15 bytes in URL-safe
// base64. Of other ids, few are as long and in mixed case: numbers, hexadecimal digests and most ids of events are not.
func isAutomatic(id string) bool {
	return automaticID.MatchString(id) && strings.ToLower(id) != id && strings.ToUpper(id) != id
}

// onceByChance is about a document with an automatic id: no line of the run came twice, but the next that does would be
// there twice.
func (e *env) onceByChance(line, id string) error {
	file, at := e.outputWithoutID()
	return final(&placedError{&mismatch{
		"ids that a line has again when it is delivered again",
		fmt.Sprintf("%s: %s, which Elasticsearch made itself: a line that comes twice would be there twice", line, id),
		"set document_id in the output, as by topic, partition and offset",
	}, file, at})
}

// outputWithoutID is the first output of the stack's pipelines that writes into Elasticsearch and leaves the ids to it.
func (e *env) outputWithoutID() (file string, line int) {
	c, err := e.stack.Component("logstash")
	if err != nil {
		return "", 0
	}
	for _, name := range c.Config {
		if path := e.stack.Path(name); strings.HasSuffix(name, ".conf") {
			if at := lineWithoutID(path); at > 0 {
				return path, at
			}
		}
	}
	file = e.pipelineFile()
	return file, lineWith(file, "output")
}

// lineWithoutID is 0 where every output has its ids, and where the file cannot be read, which is Logstash's own to say.
func lineWithoutID(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	env := func(string) (string, bool) { return "x", true }
	pipeline, err := lang.Parse([]lang.Source{{Name: file, Text: string(text)}}, lang.Options{Env: env})
	if err != nil {
		return 0
	}
	line := 0
	lang.Walk(pipeline.Outputs, func(p *lang.Plugin) {
		has := func(option string) bool {
			for _, o := range p.Options {
				if o.Name == option {
					return true
				}
			}
			return false
		}
		if line == 0 && p.Name == "elasticsearch" && !has("document_id") {
			line = p.Pos.Line
		}
	})
	return line
}
