package lang

import "fmt"

// Section is a top-level block of a pipeline file as it is written.
type Section struct {
	// Kind is input, filter or output.
	Kind string
	// Body is what stands between the braces, comments included.
	Body string
}

// Sections cuts a pipeline file, which has to be one that Parse takes, into its blocks.
func Sections(src Source) ([]Section, error) {
	var out []Section
	text := src.Text
	word, depth, body := 0, 0, 0
	kind := ""
	for at := 0; at < len(text); at++ {
		c := text[at]
		switch {
		case c == '#':
			for at < len(text) && text[at] != '\n' {
				at++
			}
			word = at + 1
		case c == '"' || c == '\'' || c == '/' && depth > 0:
			// A slash outside of strings starts a regular expression.
			for at++; at < len(text) && text[at] != c; at++ {
				if text[at] == '\\' {
					at++
				}
			}
		case c == '{':
			if depth == 0 {
				body = at + 1
			}
			depth++
		case c == '}':
			if depth--; depth == 0 {
				out = append(out, Section{Kind: kind, Body: text[body:at]})
				kind, word = "", at+1
			}
		case depth == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			word = at + 1
		case depth == 0:
			kind = text[word : at+1]
		}
	}
	if depth != 0 {
		return nil, fmt.Errorf("%s: a block is not closed", src.Name)
	}
	return out, nil
}
