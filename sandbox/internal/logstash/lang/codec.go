package lang

import (
	"strings"

	"github.com/breml/logstash-config/ast"
)

// codec reads a plugin that stands as an option's value. The library keeps it to itself, so its text is parsed once
// more, at the same place of a file that is otherwise blank.
func (b *builder) codec(a ast.PluginAttribute, pos Pos) (*Plugin, error) {
	text := b.src.Text
	start := a.Start.Offset
	arrow := strings.Index(text[start:], "=>")
	if arrow < 0 {
		return nil, pos.Errorf("cannot find the value of %s", a.Name())
	}
	start += arrow + len("=>")
	end := closing(text, start)
	const head = "filter{"
	blank := []byte(text[:start])
	for i, c := range blank {
		if c != '\n' && c != '\r' {
			blank[i] = ' '
		}
	}
	// A line's end within the head would move what follows; the option before the arrow has none in practice.
	if start < len(head) || strings.ContainsAny(string(blank[start-len(head):]), "\r\n") {
		return nil, pos.Errorf("write the option, its arrow and its codec on one line")
	}
	copy(blank[start-len(head):], head)
	tree, err := parseSource(Source{Name: b.src.Name, Text: string(blank) + text[start:end] + "}"})
	if err != nil {
		return nil, err
	}
	inner := builder{src: b.src, opts: b.opts, section: "codec"}
	if len(tree.Filter) == 1 && len(tree.Filter[0].BranchOrPlugins) == 1 {
		if p, ok := tree.Filter[0].BranchOrPlugins[0].(ast.Plugin); ok {
			return inner.plugin(p, "codec")
		}
	}
	return nil, pos.Errorf("the value of %s is no codec", a.Name())
}

// closing is the offset behind the brace that closes the first one after start.
func closing(text string, start int) int {
	depth := 0
	for i := start; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'':
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}
