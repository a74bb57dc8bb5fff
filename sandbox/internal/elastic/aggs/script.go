package aggs

import (
	"math"
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// expression is the part of Painless that aggregations are commonly given: arithmetic, comparisons, conditions, the
// functions of Math, parameters and _value. Anything else is refused by name.
type expression struct {
	source string
	params map[string]float64
	eval   func(vars map[string]float64) float64
}

func (x *expression) value(vars map[string]float64) float64 { return x.eval(vars) }

// parseScript reads a script: its source, or an object with source and params.
func parseScript(what string, v *xcontent.Value) (*expression, error) {
	x := &expression{params: map[string]float64{}}
	if v.Scalar() {
		x.source = v.Text()
	}
	for _, m := range v.Members {
		switch m.Key {
		case "source", "inline":
			x.source = m.Value.Text()
		case "lang":
			if l := m.Value.Text(); l != "painless" && l != "expression" {
				return nil, eserr.Illegal("script_lang not supported [%s]", l)
			}
		case "params":
			for _, p := range m.Value.Members {
				f, err := p.Value.Float()
				if err != nil {
					return nil, err
				}
				x.params[p.Key] = f
			}
		default:
			return nil, eserr.Unsupported("script parameter [%s] of [%s]", m.Key, what)
		}
	}
	p := &scriptParser{s: x.source, params: x.params}
	eval, err := p.parse()
	if err != nil {
		return nil, eserr.New(400, "script_exception", "compile error: script [%s] of [%s]: %s: not supported by this store", x.source, what, err).With("script", x.source).With("lang", "painless")
	}
	x.eval = eval
	return x, nil
}

type scriptFunc func(vars map[string]float64) float64

type scriptParser struct {
	s      string
	i      int
	params map[string]float64
	depth  int
}

func (p *scriptParser) fail(what string) error {
	return eserr.Reason("%s at position %d", what, p.i)
}

func (p *scriptParser) parse() (scriptFunc, error) {
	p.space()
	if strings.HasPrefix(p.s[p.i:], "return ") {
		p.i += len("return ")
	}
	f, err := p.ternary()
	if err != nil {
		return nil, err
	}
	p.take(";")
	if p.space(); p.i < len(p.s) {
		return nil, p.fail("[" + p.s[p.i:] + "]")
	}
	return f, nil
}

func (p *scriptParser) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

func (p *scriptParser) take(op string) bool {
	p.space()
	if strings.HasPrefix(p.s[p.i:], op) {
		p.i += len(op)
		return true
	}
	return false
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (p *scriptParser) ternary() (scriptFunc, error) {
	if p.depth++; p.depth > 100 {
		return nil, p.fail("too deeply nested expression")
	}
	defer func() { p.depth-- }()
	cond, err := p.binary(0)
	if err != nil || !p.take("?") {
		return cond, err
	}
	yes, err := p.ternary()
	if err != nil {
		return nil, err
	}
	if !p.take(":") {
		return nil, p.fail("missing [:]")
	}
	no, err := p.ternary()
	if err != nil {
		return nil, err
	}
	return func(v map[string]float64) float64 {
		if cond(v) != 0 {
			return yes(v)
		}
		return no(v)
	}, nil
}

type operator struct {
	op string
	do func(a, b float64) float64
}

// operators from those that bind least.
func operators(level int) []operator {
	switch level {
	case 0:
		return []operator{{"||", func(a, b float64) float64 { return truth(a != 0 || b != 0) }}}
	case 1:
		return []operator{{"&&", func(a, b float64) float64 { return truth(a != 0 && b != 0) }}}
	case 2:
		return []operator{{"==", func(a, b float64) float64 { return truth(a == b) }}, {"!=", func(a, b float64) float64 { return truth(a != b) }}}
	case 3:
		return []operator{{"<=", func(a, b float64) float64 { return truth(a <= b) }}, {">=", func(a, b float64) float64 { return truth(a >= b) }},
			{"<", func(a, b float64) float64 { return truth(a < b) }}, {">", func(a, b float64) float64 { return truth(a > b) }}}
	case 4:
		return []operator{{"+", func(a, b float64) float64 { return a + b }}, {"-", func(a, b float64) float64 { return a - b }}}
	case 5:
		return []operator{{"*", func(a, b float64) float64 { return a * b }}, {"/", func(a, b float64) float64 { return a / b }}, {"%", math.Mod}}
	}
	return nil
}

func (p *scriptParser) binary(level int) (scriptFunc, error) {
	ops := operators(level)
	if ops == nil {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
next:
	for {
		for _, o := range ops {
			if p.take(o.op) {
				right, err := p.binary(level + 1)
				if err != nil {
					return nil, err
				}
				a := left
				left = func(v map[string]float64) float64 { return o.do(a(v), right(v)) }
				continue next
			}
		}
		return left, nil
	}
}

func (p *scriptParser) unary() (scriptFunc, error) {
	if p.depth++; p.depth > 100 {
		return nil, p.fail("too deeply nested expression")
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("-"):
		f, err := p.unary()
		return func(v map[string]float64) float64 { return -f(v) }, err
	case p.take("+"):
		return p.unary()
	case p.take("!"):
		f, err := p.unary()
		return func(v map[string]float64) float64 { return truth(f(v) == 0) }, err
	case p.take("("):
		f, err := p.ternary()
		if err == nil && !p.take(")") {
			err = p.fail("missing [)]")
		}
		return f, err
	}
	p.space()
	start := p.i
	for p.i < len(p.s) && (p.s[p.i] >= '0' && p.s[p.i] <= '9' || p.s[p.i] == '.') {
		p.i++
	}
	if p.i > start {
		n, err := strconv.ParseFloat(p.s[start:p.i], 64)
		if err != nil {
			return nil, p.fail("number [" + p.s[start:p.i] + "]")
		}
		if p.i < len(p.s) && strings.IndexByte("LlDdFf", p.s[p.i]) >= 0 {
			p.i++
		}
		return func(map[string]float64) float64 { return n }, nil
	}
	return p.name()
}

func (p *scriptParser) ident() string {
	start := p.i
	for p.i < len(p.s) && (p.s[p.i] == '_' || p.s[p.i] >= 'a' && p.s[p.i] <= 'z' || p.s[p.i] >= 'A' && p.s[p.i] <= 'Z' || p.i > start && p.s[p.i] >= '0' && p.s[p.i] <= '9') {
		p.i++
	}
	return p.s[start:p.i]
}

func (p *scriptParser) name() (scriptFunc, error) {
	word := p.ident()
	switch word {
	case "true", "false":
		v := truth(word == "true")
		return func(map[string]float64) float64 { return v }, nil
	case "_value":
		return func(v map[string]float64) float64 { return v["_value"] }, nil
	case "null":
		return func(map[string]float64) float64 { return math.NaN() }, nil
	case "params":
		key := ""
		switch {
		case p.take("."):
			key = p.digitsOrIdent()
		case p.take("['"):
			end := strings.Index(p.s[p.i:], "']")
			if end < 0 {
				return nil, p.fail("missing [']]")
			}
			key = p.s[p.i : p.i+end]
			p.i += end + 2
		}
		if key == "" {
			return nil, p.fail("[params] without a name")
		}
		fixed, has := p.params[key]
		return func(v map[string]float64) float64 {
			if x, ok := v[key]; ok {
				return x
			}
			if has {
				return fixed
			}
			return math.NaN()
		}, nil
	case "Math":
		if !p.take(".") {
			return nil, p.fail("[Math] without a function")
		}
		return p.call(p.ident())
	}
	if word == "" {
		if p.i < len(p.s) {
			return nil, p.fail("[" + p.s[p.i:p.i+1] + "]")
		}
		return nil, p.fail("end of script")
	}
	return nil, p.fail("variable [" + word + "]")
}

// digitsOrIdent is a name after "params.", which Grafana also makes of digits.
func (p *scriptParser) digitsOrIdent() string {
	start := p.i
	for p.i < len(p.s) && (p.s[p.i] == '_' || p.s[p.i] >= 'a' && p.s[p.i] <= 'z' || p.s[p.i] >= 'A' && p.s[p.i] <= 'Z' || p.s[p.i] >= '0' && p.s[p.i] <= '9') {
		p.i++
	}
	return p.s[start:p.i]
}

func (p *scriptParser) call(name string) (scriptFunc, error) {
	one := map[string]func(float64) float64{"abs": math.Abs, "ceil": math.Ceil, "floor": math.Floor, "sqrt": math.Sqrt, "log": math.Log, "log10": math.Log10,
		"exp": math.Exp, "round": func(x float64) float64 { return math.Floor(x + 0.5) }, "signum": func(x float64) float64 { return truth(x > 0) - truth(x < 0) }}
	two := map[string]func(a, b float64) float64{"max": math.Max, "min": math.Min, "pow": math.Pow}
	f1, f2 := one[name], two[name]
	if f1 == nil && f2 == nil {
		return nil, p.fail("function [Math." + name + "]")
	}
	if !p.take("(") {
		return nil, p.fail("missing [(]")
	}
	a, err := p.ternary()
	if err != nil {
		return nil, err
	}
	var b scriptFunc
	if f2 != nil {
		if !p.take(",") {
			return nil, p.fail("missing [,]")
		}
		if b, err = p.ternary(); err != nil {
			return nil, err
		}
	}
	if !p.take(")") {
		return nil, p.fail("missing [)]")
	}
	if f1 != nil {
		return func(v map[string]float64) float64 { return f1(a(v)) }, nil
	}
	return func(v map[string]float64) float64 { return f2(a(v), b(v)) }, nil
}
