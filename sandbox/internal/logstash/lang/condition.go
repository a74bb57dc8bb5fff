package lang

import (
	"fmt"
	"strings"
	"time"

	"github.com/breml/logstash-config/ast"

	"obsandbox/sandbox/internal/logstash/event"
	"obsandbox/sandbox/internal/logstash/rubyre"
)

// condition compiles a chain of expressions. Logstash joins them by a shunting yard that takes only one operator off
// its stack at a time: `a and b and c or d` is `a and ((b and c) or d)` there, and so it is here.
func (b *builder) condition(c ast.Condition, pos Pos) (Condition, error) {
	var out []any
	var ops []int
	for i, e := range c.Expression {
		if i > 0 {
			op := e.BoolOperator().Op
			if n := len(ops); n > 0 {
				for _, o := range []int{ops[n-1], op} {
					if o != ast.And && o != ast.Or {
						return nil, pos.Errorf("Logstash takes xor and nand between two expressions only: put parentheses around %s", c)
					}
				}
				if ops[n-1] == ast.And && op == ast.Or {
					out = append(out, ops[n-1])
					ops = ops[:n-1]
				}
			}
			ops = append(ops, op)
		}
		cond, err := b.expression(e, pos)
		if err != nil {
			return nil, err
		}
		out = append(out, cond)
	}
	for i := len(ops) - 1; i >= 0; i-- {
		out = append(out, ops[i])
	}
	var stack []Condition
	for _, item := range out {
		if cond, ok := item.(Condition); ok {
			stack = append(stack, cond)
			continue
		}
		n := len(stack)
		if n < 2 {
			return nil, pos.Errorf("the condition is incomplete")
		}
		stack = append(stack[:n-2], join(item.(int), stack[n-2], stack[n-1]))
	}
	if len(stack) != 1 {
		return nil, pos.Errorf("the condition is incomplete")
	}
	return stack[0], nil
}

func join(op int, left, right Condition) Condition {
	return func(e *event.Event) (bool, error) {
		l, err := left(e)
		if err != nil {
			return false, err
		}
		switch {
		case op == ast.And && !l:
			return false, nil
		case op == ast.Or && l:
			return true, nil
		case op == ast.Nand && !l:
			return true, nil
		}
		r, err := right(e)
		switch op {
		case ast.Xor:
			r = l != r
		case ast.Nand:
			r = !r
		}
		return r, err
	}
}

func negate(c Condition) Condition {
	return func(e *event.Event) (bool, error) {
		ok, err := c(e)
		return !ok, err
	}
}

func constant(value bool) Condition {
	return func(*event.Event) (bool, error) { return value, nil }
}

func (b *builder) expression(e ast.Expression, pos Pos) (Condition, error) {
	switch x := e.(type) {
	case ast.ConditionExpression:
		return b.condition(x.Condition, pos)
	case ast.NegativeConditionExpression:
		c, err := b.condition(x.Condition, pos)
		if err != nil {
			return nil, err
		}
		return negate(c), nil
	case ast.NegativeSelectorExpression:
		o, err := b.operand(x.Selector, pos)
		if err != nil {
			return nil, err
		}
		return negate(truthy(o)), nil
	case ast.RvalueExpression:
		o, err := b.operand(x.RValue, pos)
		if err != nil {
			return nil, err
		}
		if !o.field {
			return nil, pos.Errorf("%s alone is no condition: compare it with something", x)
		}
		return truthy(o), nil
	case ast.InExpression:
		return b.in(x.LValue, x.RValue, pos)
	case ast.NotInExpression:
		c, err := b.in(x.LValue, x.RValue, pos)
		if err != nil {
			return nil, err
		}
		return negate(c), nil
	case ast.CompareExpression:
		return b.compare(x, pos)
	case ast.RegexpExpression:
		return b.regexp(x, pos)
	}
	return nil, pos.Errorf("unknown expression %T", e)
}

// operand is one side of a comparison: a field of the event or a constant.
type operand struct {
	field bool
	ref   event.Ref
	value any
}

func (o operand) get(e *event.Event) any {
	if o.field {
		return e.Get(o.ref)
	}
	return o.value
}

func (b *builder) operand(r ast.Rvalue, pos Pos) (operand, error) {
	switch x := r.(type) {
	case ast.Selector:
		// Logstash's grammar takes a list of one text for a field called "text", quotes included, and the condition is
		// silently false (elastic/logstash#9932).
		if text := x.String(); strings.HasPrefix(text, `["`) || strings.HasPrefix(text, `['`) {
			return operand{}, pos.Errorf("Logstash reads %s as a field's name, not as a list: use == or give the list a second element", text)
		}
		ref, err := event.ParseRef(x.String())
		if err != nil {
			return operand{}, pos.Errorf("%v", err)
		}
		return operand{field: true, ref: ref}, nil
	case ast.StringAttribute:
		s, err := b.str(x, pos)
		return operand{value: s}, err
	case ast.NumberAttribute:
		return operand{value: number(x.Value())}, nil
	case ast.ArrayAttribute:
		v, err := b.value(x, pos)
		return operand{value: v.Plain()}, err
	}
	return operand{}, pos.Errorf("%s cannot stand here", r)
}

func truthy(o operand) Condition {
	return func(e *event.Event) (bool, error) {
		switch v := e.Get(o.ref).(type) {
		case nil:
			return false, nil
		case bool:
			return v, nil
		case string:
			return v != "" && v != "false", nil
		}
		return true, nil
	}
}

func (b *builder) regexp(x ast.RegexpExpression, pos Pos) (Condition, error) {
	left, err := b.operand(x.LValue, pos)
	if err != nil {
		return nil, err
	}
	var pattern string
	switch r := x.RValue.(type) {
	case ast.Regexp:
		pattern = strings.ReplaceAll(r.Regexp, `\/`, "/")
	case ast.StringAttribute:
		if pattern, err = b.str(r, pos); err != nil {
			return nil, err
		}
	}
	re, err := rubyre.Compile(pattern)
	if err != nil {
		return nil, pos.Errorf("%v", err)
	}
	matches := func(e *event.Event) (bool, error) {
		s, ok := left.get(e).(string)
		return ok && re.MatchString(s), nil
	}
	if x.RegexpOperator.Op == ast.RegexpNotMatch {
		return negate(matches), nil
	}
	return matches, nil
}

func (b *builder) compare(x ast.CompareExpression, pos Pos) (Condition, error) {
	left, err := b.operand(x.LValue, pos)
	if err != nil {
		return nil, err
	}
	right, err := b.operand(x.RValue, pos)
	if err != nil {
		return nil, err
	}
	for _, o := range []operand{left, right} {
		if _, list := o.value.([]any); list {
			return nil, pos.Errorf("Logstash cannot compare with a list by %s: use in", x.CompareOperator)
		}
	}
	op := x.CompareOperator.Op
	switch op {
	case ast.Equal, ast.NotEqual:
		return func(e *event.Event) (bool, error) {
			l, r := left.get(e), right.get(e)
			return (event.Equal(l, r) && isFloat(l) == isFloat(r)) == (op == ast.Equal), nil
		}, nil
	}
	return func(e *event.Event) (bool, error) {
		l, r := left.get(e), right.get(e)
		c, ok := order(l, r)
		if !ok {
			return false, fmt.Errorf("%s: %s cannot compare %T with %T", pos.File, x, l, r)
		}
		switch op {
		case ast.LessThan:
			return c < 0, nil
		case ast.LessOrEqual:
			return c <= 0, nil
		case ast.GreaterThan:
			return c > 0, nil
		}
		return c >= 0, nil
	}, nil
}

// order compares two numbers, two strings or two times; false for anything else.
func order(l, r any) (int, bool) {
	if a, ok := event.ToFloat(l); ok {
		b, ok := event.ToFloat(r)
		switch {
		case a < b:
			return -1, ok
		case a > b:
			return 1, ok
		}
		return 0, ok
	}
	switch a := l.(type) {
	case string:
		if b, ok := r.(string); ok {
			return strings.Compare(a, b), true
		}
	case time.Time:
		if b, ok := r.(time.Time); ok {
			return a.Compare(b), true
		}
		if s, ok := r.(string); ok {
			b, err := event.ToTimestamp(s)
			return a.Compare(b), err == nil
		}
	}
	return 0, false
}

// in compiles membership by the rules of Logstash's compiler, which differ by what stands on which side.
func (b *builder) in(l, r ast.Rvalue, pos Pos) (Condition, error) {
	left, err := b.operand(l, pos)
	if err != nil {
		return nil, err
	}
	right, err := b.operand(r, pos)
	if err != nil {
		return nil, err
	}
	list, isList := right.value.([]any)
	_, leftList := left.value.([]any)
	switch {
	case left.field && !right.field && isList:
		texts := make(map[string]bool, len(list))
		for _, v := range list {
			texts[event.ToString(v)] = true
		}
		return func(e *event.Event) (bool, error) {
			v := e.Get(left.ref)
			return v != nil && texts[event.ToString(v)], nil
		}, nil
	case left.field && !right.field:
		text := event.ToString(right.value)
		return func(e *event.Event) (bool, error) {
			s, ok := e.Get(left.ref).(string)
			return ok && strings.Contains(text, s), nil
		}, nil
	case !left.field && right.field && leftList:
		return nil, pos.Errorf("Logstash cannot look for a list in a field: write [field] in [ … ]")
	case right.field:
		return func(e *event.Event) (bool, error) {
			want, v := left.get(e), e.Get(right.ref)
			switch want.(type) {
			case []any, map[string]any, nil:
				return false, nil
			}
			if list, ok := v.([]any); ok {
				return contains(list, want), nil
			}
			if needle, ok := want.(string); ok {
				s, ok := v.(string)
				return ok && strings.Contains(s, needle), nil
			}
			return left.field && event.Equal(want, v), nil
		}, nil
	}
	switch {
	case isList && !leftList:
		return constant(contains(list, left.value)), nil
	case !isList && !leftList:
		return constant(strings.Contains(event.ToString(right.value), event.ToString(left.value))), nil
	}
	return constant(event.Equal(left.value, right.value)), nil
}

func contains(list []any, v any) bool {
	for _, item := range list {
		if event.Equal(item, v) {
			return true
		}
	}
	return false
}

// isFloat tells 5.0 from 5, which are not equal for Logstash's conditions.
func isFloat(v any) bool {
	_, ok := v.(float64)
	return ok
}
