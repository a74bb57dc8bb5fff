package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// NumValue is a number of a document.
type NumValue struct {
	Field *Field
	V     int64
}

// StrValue is a keyword or a text of a document.
type StrValue struct {
	Field *Field
	S     string
}

// Document is what of a document is indexed. Strings may share memory with the source.
type Document struct {
	Nums  []NumValue
	Terms []StrValue
	Texts []StrValue
	// Ignored are the fields that were left out because of ignore_malformed or ignore_above.
	Ignored []string
	// New is the mapping of fields that the mapping has not yet, {"properties":…}; nil where it has them all.
	New map[string]any
	// Nested are the documents of nested objects, in order, and Path the nested path of such a document itself.
	Nested []*Document
	Path   string
}

// Parser reads documents of one mapping; it is for one goroutine.
type Parser struct {
	m      *Mapping
	id     string
	src    []byte
	dec    *jsontext.Decoder
	root   *Document
	doc    *Document   // that is read at present: root or one nested in it
	within []*Document // the documents around doc
	nested int         // number of nested documents so far
	stamps int
	begin  int // of the value that was read last
}

// NewParser is a parser for a mapping.
func NewParser(m *Mapping) *Parser {
	return &Parser{m: m, dec: jsontext.NewDecoder(bytes.NewReader(nil))}
}

// Parse reads a source. Where the document has fields that the mapping lacks, Document.New says which: add them to the
// mapping and parse again.
func (p *Parser) Parse(id string, src []byte) (*Document, error) {
	p.id, p.src, p.root, p.within, p.nested, p.stamps = id, src, &Document{}, p.within[:0], 0, 0
	p.doc = p.root
	p.doc.Terms = make([]StrValue, 0, 16)
	p.dec.Reset(bytes.NewBuffer(src))
	if p.dec.PeekKind() != '{' {
		if len(bytes.TrimSpace(src)) == 0 {
			return nil, docFail("failed to parse, document is empty")
		}
		return nil, docFail("[1:1] failed to parse").CausedBy(eserr.New(400, "illegal_argument_exception", "Malformed content, must start with an object"))
	}
	if err := p.object("", p.m.Root, "true"); err != nil {
		var e *eserr.Error
		if errors.As(err, &e) {
			return nil, e
		}
		cause := xcontent.SyntaxError(src, int(p.dec.InputOffset()), err)
		line, col := p.at(int(p.dec.InputOffset()))
		return nil, docFail("[%d:%d] failed to parse", line, col).CausedBy(cause)
	}
	if p.m.DataStream && p.stamps != 1 {
		if p.stamps == 0 {
			return nil, docFail("[1:1] failed to parse: data stream timestamp field [@timestamp] is missing").
				CausedBy(eserr.Illegal("data stream timestamp field [@timestamp] is missing"))
		}
		return nil, docFail("[1:1] failed to parse: data stream timestamp field [@timestamp] encountered multiple values").
			CausedBy(eserr.Illegal("data stream timestamp field [@timestamp] encountered multiple values"))
	}
	return p.root, nil
}

func docFail(format string, args ...any) *eserr.Error {
	return eserr.New(400, "document_parsing_exception", format, args...)
}

func (p *Parser) at(off int) (line, col int) {
	off = min(off, len(p.src))
	return 1 + bytes.Count(p.src[:off], []byte{'\n'}), off - bytes.LastIndexByte(p.src[:off], '\n')
}

// ahead is where the next value begins.
func (p *Parser) ahead() int {
	off := int(p.dec.InputOffset())
	for off < len(p.src) && strings.IndexByte(" \t\r\n:,", p.src[off]) >= 0 {
		off++
	}
	return off
}

func (p *Parser) failAt(off int, format string, args ...any) *eserr.Error {
	line, col := p.at(off)
	return docFail("[%d:%d] %s", line, col, fmt.Sprintf(format, args...))
}

// text reads a string value without copying where it has no escapes.
func (p *Parser) text() (string, error) {
	raw, err := p.dec.ReadValue()
	if err != nil {
		return "", err
	}
	p.begin = int(p.dec.InputOffset()) - len(raw)
	if bytes.IndexByte(raw, '\\') >= 0 {
		b, err := jsontext.AppendUnquote(nil, raw)
		return string(b), err
	}
	end := int(p.dec.InputOffset()) - 1
	start := end - (len(raw) - 2)
	if start == end {
		return "", nil
	}
	return unsafe.String(&p.src[start], end-start), nil
}

// object reads an object whose members belong to o; o is nil where the mapping does not know it yet.
func (p *Parser) object(prefix string, o *Object, dyn string) error {
	if o != nil {
		if !o.Enabled {
			return p.dec.SkipValue()
		}
		if o.Dynamic != "" {
			dyn = o.Dynamic
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for p.dec.PeekKind() != '}' {
		key, err := p.text()
		if err != nil {
			return err
		}
		if err := p.member(prefix, key, o, dyn); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

// member reads the value of a key, which may be a dotted path.
func (p *Parser) member(prefix, key string, o *Object, dyn string) error {
	for strings.IndexByte(key, '.') >= 0 {
		head, rest, _ := strings.Cut(key, ".")
		if head == "" || rest == "" || strings.TrimSpace(head) == "" {
			return p.failAt(int(p.dec.InputOffset()), "field name cannot contain only whitespace or start or end with a [.]: [%s]", join(prefix, key))
		}
		var child *Object
		if o != nil {
			if f := o.Fields[head]; f != nil {
				if f.Keyed != nil {
					return p.flattened(f, rest)
				}
				return p.failAt(int(p.dec.InputOffset()), "object mapping for [%s] tried to parse field [%s] as object, but found a concrete value", f.Name, f.Leaf)
			}
			child = o.Objects[head]
		}
		if child != nil {
			if !child.Enabled {
				return p.dec.SkipValue()
			}
			if child.Dynamic != "" {
				dyn = child.Dynamic
			}
			if child.Nested {
				return p.nest(child, func() error { return p.member(child.Name, rest, child, dyn) })
			}
		} else if dyn == "strict" {
			return p.strict(prefix, head)
		}
		prefix, key, o = join(prefix, head), rest, child
	}
	if key == "" || strings.TrimSpace(key) == "" {
		return p.failAt(int(p.dec.InputOffset()), "Field name cannot contain only whitespace: [%s]", join(prefix, key))
	}
	if o != nil {
		if f := o.Fields[key]; f != nil {
			return p.value(f)
		}
		if child := o.Objects[key]; child != nil {
			return p.child(child.Name, base(child.Name), child, dyn)
		}
	}
	if prefix == "" && strings.HasPrefix(key, "_") && strings.Contains(" _id _index _source _version _seq_no _routing _field_names _ignored _primary_term _tier _doc_count _nested_path ", " "+key+" ") {
		return p.failAt(int(p.dec.InputOffset()), "Field [%s] is a metadata field and cannot be added inside a document. Use the index API request parameters.", key)
	}
	return p.unknown(prefix, key, dyn)
}

// child reads the value of an object: an object, an array of objects or null. In an array the error calls it null.
func (p *Parser) child(name, key string, o *Object, dyn string) error {
	if !o.Enabled {
		return p.dec.SkipValue()
	}
	switch p.dec.PeekKind() {
	case '{':
		if o.Nested {
			return p.nest(o, func() error { return p.object(name, o, dyn) })
		}
		return p.object(name, o, dyn)
	case 'n':
		return p.dec.SkipValue()
	case '[':
		if _, err := p.dec.ReadToken(); err != nil {
			return err
		}
		for p.dec.PeekKind() != ']' {
			if err := p.child(name, "null", o, dyn); err != nil {
				return err
			}
		}
		_, err := p.dec.ReadToken()
		return err
	case 0:
		_, err := p.dec.ReadToken()
		return err
	}
	return p.failAt(p.ahead(), "object mapping for [%s] tried to parse field [%s] as object, but found a concrete value", name, key)
}

// value reads what a document has for a field: a value, an array of values, or null.
func (p *Parser) value(f *Field) error {
	switch kind := p.dec.PeekKind(); kind {
	case '[':
		if _, err := p.dec.ReadToken(); err != nil {
			return err
		}
		for p.dec.PeekKind() != ']' {
			if err := p.value(f); err != nil {
				return err
			}
		}
		_, err := p.dec.ReadToken()
		return err
	case '{':
		if f.Keyed != nil {
			return p.flattened(f, "")
		}
		raw, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		at := int(p.dec.InputOffset()) - len(raw)
		cause := "Can't get text on a START_OBJECT"
		if f.Numeric() {
			cause = "Cannot parse object as " + f.Type
		}
		line, col := p.at(at + 1)
		return p.malformed(f, at+len(raw)-1, javaText(raw), eserr.New(400, "illegal_state_exception", "%s at %d:%d", cause, line, col))
	case '"':
		s, err := p.text()
		if err != nil {
			return err
		}
		return p.add(f, s, true)
	case 'n':
		if err := p.dec.SkipValue(); err != nil {
			return err
		}
		if f.Null != nil {
			return p.add(f, *f.Null, false)
		}
		for _, sub := range f.Subs {
			if sub.Null != nil {
				if err := p.put(sub, *sub.Null, false); err != nil {
					return err
				}
			}
		}
		return nil
	case '0', 't', 'f':
		raw, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		p.begin = int(p.dec.InputOffset()) - len(raw)
		return p.add(f, string(raw), false)
	default:
		_, err := p.dec.ReadToken()
		return err
	}
}

func (p *Parser) malformed(f *Field, off int, preview string, cause error) error {
	return p.failAt(off, "failed to parse field [%s] of type [%s] in document with id '%s'. Preview of field's value: '%s'", f.Name, f.Type, p.id, preview).CausedBy(cause)
}

// javaText is a JSON value as Java prints it: {a=1, b=[x, y]}.
func javaText(raw []byte) string {
	v, err := xcontent.Parse(raw)
	if err != nil {
		return string(raw)
	}
	var text func(v *xcontent.Value) string
	text = func(v *xcontent.Value) string {
		var parts []string
		switch {
		case v.Is(xcontent.Object):
			for _, m := range v.Members {
				parts = append(parts, m.Key+"="+text(m.Value))
			}
			return "{" + strings.Join(parts, ", ") + "}"
		case v.Is(xcontent.Array):
			for _, item := range v.Items {
				parts = append(parts, text(item))
			}
			return "[" + strings.Join(parts, ", ") + "]"
		case v.Is(xcontent.Null):
			return "null"
		}
		return v.Text()
	}
	return text(v)
}

func (p *Parser) ignore(name string) {
	for _, have := range p.root.Ignored {
		if have == name {
			return
		}
	}
	p.root.Ignored = append(p.root.Ignored, name)
}

// add gives a value to a field, its multi-fields and the fields it is copied to.
func (p *Parser) add(f *Field, s string, quoted bool) error {
	if err := p.put(f, s, quoted); err != nil {
		return err
	}
	for _, sub := range f.Subs {
		if err := p.put(sub, s, quoted); err != nil {
			return err
		}
	}
	for _, to := range f.CopyTo {
		target := p.m.Field(to)
		if target == nil {
			if err := p.learn(to, s, quoted); err != nil {
				return err
			}
			continue
		}
		if err := p.copyTo(target, s, quoted); err != nil {
			return err
		}
	}
	return nil
}

func (p *Parser) put(f *Field, s string, quoted bool) error {
	switch f.Kind {
	case Num, Float:
		if quoted && s == "" && f.Coerce && !f.IsDate() && f.Type != "boolean" {
			return nil // coerced to null
		}
		v, err := int64(0), error(nil)
		if quoted && !f.Coerce && !f.IsDate() && f.Type != "boolean" {
			err = eserr.Reason("Integer value passed as String")
		} else {
			v, err = f.Number(s, quoted)
		}
		if err != nil {
			if f.IgnoreMalformed {
				p.ignore(f.Name)
				return nil
			}
			cause := eserr.Illegal("%s", err)
			if f.IsDate() {
				cause.CausedBy(eserr.New(400, "date_time_parse_exception", "Failed to parse with all enclosed parsers"))
			} else if f.Type != "boolean" && f.Type != "long" && strings.HasPrefix(err.Error(), "For input string") {
				cause.Type = "number_format_exception"
			}
			return p.malformed(f, p.begin, s, cause)
		}
		if f.Name == "@timestamp" {
			p.stamps++
		}
		p.doc.Nums = append(p.doc.Nums, NumValue{f, v})
	case Keyword:
		if f.TooLong(s) {
			p.ignore(f.Name)
			return nil
		}
		if f.Type == "constant_keyword" && f.Null != nil && *f.Null != s {
			return p.malformed(f, p.begin, s, eserr.Illegal("[constant_keyword] field [%s] only accepts values that are equal to the value defined in the mappings [%s], but got [%s]", f.Name, *f.Null, s))
		}
		term, err := f.Term(s)
		if err != nil {
			if f.IgnoreMalformed {
				p.ignore(f.Name)
				return nil
			}
			return p.malformed(f, p.begin, s, eserr.Illegal("%s", err))
		}
		if !f.Index && !f.DocValues {
			return nil
		}
		if len(term) > 32766 {
			return p.malformed(f, p.begin, s[:30], eserr.Illegal(
				"Document contains at least one immense term in field=\"%s\" (whose UTF8 encoding is longer than the max length 32766), all of which were skipped.  Please correct the analyzer to not produce such terms.", f.Name))
		}
		p.doc.Terms = append(p.doc.Terms, StrValue{f, term})
	case Text:
		if f.Index {
			p.doc.Texts = append(p.doc.Texts, StrValue{f, s})
		}
	}
	return nil
}

// flattened reads the value of a flattened field, below a key where one was part of a dotted name.
func (p *Parser) flattened(f *Field, key string) error {
	switch p.dec.PeekKind() {
	case '{':
		if _, err := p.dec.ReadToken(); err != nil {
			return err
		}
		for p.dec.PeekKind() != '}' {
			name, err := p.text()
			if err != nil {
				return err
			}
			if err := p.flattened(f, join(key, name)); err != nil {
				return err
			}
		}
		_, err := p.dec.ReadToken()
		return err
	case '[':
		if _, err := p.dec.ReadToken(); err != nil {
			return err
		}
		for p.dec.PeekKind() != ']' {
			if err := p.flattened(f, key); err != nil {
				return err
			}
		}
		_, err := p.dec.ReadToken()
		return err
	case 'n':
		return p.dec.SkipValue()
	case '"':
		s, err := p.text()
		if err != nil {
			return err
		}
		return p.flatValue(f, key, s)
	default:
		raw, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		p.begin = int(p.dec.InputOffset()) - len(raw)
		return p.flatValue(f, key, string(raw))
	}
}

func (p *Parser) flatValue(f *Field, key, s string) error {
	if key == "" {
		return p.malformed(f, p.begin, s, eserr.New(400, "parsing_exception", "Failed to parse object: expecting token of type [START_OBJECT] but found [VALUE_STRING]"))
	}
	if f.TooLong(s) {
		p.ignore(f.Name)
		return nil
	}
	if f.Index || f.DocValues {
		p.doc.Terms = append(p.doc.Terms, StrValue{f, s}, StrValue{f.Keyed, key + "\x00" + s})
	}
	return nil
}

// Mapping is the mapping that the parser reads by.
func (p *Parser) Mapping() *Mapping { return p.m }
