package stack

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// editor changes single values of a YAML text and leaves every other byte as it is, so that what runs can be held
// against what is checked in, line by line. Encoding the parsed tree again would lose comments, quotes and anchors.
type editor struct {
	file  string
	lines []string
	root  *yaml.Node
	edits []edit
}

// edit replaces the runes [col, end) of one line, or, where end < 0, puts whole lines in before it; drop > 0 takes that
// many lines away there.
type edit struct {
	line, col, end int
	text           string
	drop           int
}

func newEditor(file string, data []byte) (*editor, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, YAMLErrors(file, data, err)
	}
	if len(doc.Content) == 0 {
		return nil, &FileError{File: file, Line: 1, Msg: "the file is empty"}
	}
	return &editor{file: file, lines: strings.SplitAfter(string(data), "\n"), root: doc.Content[0]}, nil
}

// fail is an error at a node's line.
func (e *editor) fail(node *yaml.Node, format string, args ...any) error {
	return &FileError{File: e.file, Line: node.Line, Msg: fmt.Sprintf(format, args...)}
}

// replace gives a scalar another value.
func (e *editor) replace(node *yaml.Node, value string) error {
	line := []rune(e.lines[node.Line-1])
	start := node.Column - 1
	rest := string(line[start:])
	var length int
	switch {
	case strings.HasPrefix(rest, `"`):
		length = quotedLength(rest, '"', '\\')
	case strings.HasPrefix(rest, "'"):
		length = quotedLength(rest, '\'', '\'')
	case strings.HasPrefix(rest, node.Value):
		length = len([]rune(node.Value))
	}
	if length == 0 {
		return e.fail(node, "cannot rewrite this value for the sandbox: write it on one line, without tag or anchor")
	}
	e.edits = append(e.edits, edit{line: node.Line, col: start, end: start + length, text: quote(value)})
	return nil
}

// set gives a mapping's key a value: replaces what is there or puts in a new line after the mapping's first entry.
func (e *editor) set(mapping *yaml.Node, key, value string) error {
	if old := mapValue(mapping, key); old != nil {
		return e.replace(old, value)
	}
	if mapping.Kind != yaml.MappingNode || len(mapping.Content) == 0 {
		return e.fail(mapping, "expected a mapping to put %s into", key)
	}
	first := mapping.Content[0]
	if mapping.Style&yaml.FlowStyle != 0 {
		at := first.Column - 1
		e.edits = append(e.edits, edit{line: first.Line, col: at, end: at, text: key + ": " + quote(value) + ", "})
		return nil
	}
	line := lastLine(mapping) + 1
	if len(mapping.Content) > 2 {
		line = mapping.Content[2].Line
	}
	e.insert(line, strings.Repeat(" ", first.Column-1)+key+": "+quote(value)+"\n")
	return nil
}

func (e *editor) insert(line int, text string) {
	e.edits = append(e.edits, edit{line: line, end: -1, text: text})
}

// replaceEntry puts other lines in the place of a block mapping's entry.
func (e *editor) replaceEntry(key, value *yaml.Node, text string) {
	indent := strings.Repeat(" ", key.Column-1)
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(indent + line)
	}
	e.edits = append(e.edits, edit{line: key.Line, end: -1, text: out.String(), drop: lastLine(value) - key.Line + 1})
}

// bytes is the text with all edits made.
func (e *editor) bytes() []byte {
	edits := slices.Clone(e.edits)
	// From the end to the start, so that no edit moves the place of the next.
	slices.SortStableFunc(edits, func(a, b edit) int {
		if a.line != b.line {
			return b.line - a.line
		}
		return b.col - a.col
	})
	lines := slices.Clone(e.lines)
	for _, ed := range edits {
		if ed.end < 0 {
			at := min(ed.line-1, len(lines))
			if at > 0 && !strings.HasSuffix(lines[at-1], "\n") && lines[at-1] != "" {
				lines[at-1] += "\n"
			}
			lines = slices.Replace(lines, at, min(at+ed.drop, len(lines)), ed.text)
			continue
		}
		line := []rune(lines[ed.line-1])
		lines[ed.line-1] = string(line[:ed.col]) + ed.text + string(line[ed.end:])
	}
	return []byte(strings.Join(lines, ""))
}

// quotedLength is the length in runes of the quoted scalar that text starts with; 0 where it does not end in the line.
func quotedLength(text string, quote, escape rune) int {
	runes := []rune(text)
	for i := 1; i < len(runes); i++ {
		switch {
		case runes[i] == escape && (escape != quote || (i+1 < len(runes) && runes[i+1] == quote)):
			i++
		case runes[i] == quote:
			return i + 1
		}
	}
	return 0
}

// quote writes a value so that YAML reads it back as the same string.
func quote(value string) string {
	out, err := yaml.Marshal(value)
	if err != nil || strings.Count(string(out), "\n") != 1 {
		return fmt.Sprintf("%q", value)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// lastLine is the last line that a node's text reaches.
func lastLine(node *yaml.Node) int {
	last := node.Line
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		last += strings.Count(strings.TrimSuffix(node.Value, "\n"), "\n") + 1
	}
	if node.Kind == yaml.AliasNode {
		return last
	}
	for _, child := range node.Content {
		last = max(last, lastLine(child))
	}
	return last
}

// each calls fn for every element of a sequence, and follows no alias: what an anchor names is edited where it stands.
func each(node *yaml.Node, fn func(*yaml.Node) error) error {
	if node == nil || node.Kind != yaml.SequenceNode {
		return nil
	}
	for _, child := range node.Content {
		if child.Kind == yaml.AliasNode {
			continue
		}
		if err := fn(child); err != nil {
			return err
		}
	}
	return nil
}
