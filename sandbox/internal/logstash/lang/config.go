// Package lang is Logstash's configuration language: it turns pipeline files into plugins with options, and conditionals
// into functions of an event, every one of them with its place in the files.
package lang

import (
	"fmt"
	"strconv"

	"obsandbox/sandbox/internal/logstash/event"
)

// Pos is a place in a file.
type Pos struct {
	File         string
	Line, Column int
}

// Error is a fault at a place.
type Error struct {
	Pos Pos
	Msg string
}

// Error is "file:line: message".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.Pos.File, e.Pos.Line, e.Msg) }

// Errorf is an error at a place.
func (p Pos) Errorf(format string, args ...any) error {
	return &Error{Pos: p, Msg: fmt.Sprintf(format, args...)}
}

// Source is one pipeline file.
type Source struct {
	Name, Text string
}

// Config is a pipeline: the sections of all its files, in order.
type Config struct {
	Inputs, Filters, Outputs []Node
}

// Node is a *Plugin or a *Branch.
type Node any

// Plugin is a use of a plugin.
type Plugin struct {
	Pos Pos
	// Section is input, filter, output or codec.
	Section, Name string
	Options       []Option
}

// Option is one setting of a plugin; what the file repeats has been merged.
type Option struct {
	Pos   Pos
	Name  string
	Value Value
}

// Value is a setting's value: string, int64, float64, []Value, Hash or *Plugin (a codec).
type Value struct {
	Pos Pos
	Any any
}

// Hash is a hash in the order of the file.
type Hash []Entry

// Entry is a key of a hash with its value.
type Entry struct {
	Pos   Pos
	Key   string
	Value Value
}

// Branch is an if with its else ifs and its else.
type Branch struct {
	Pos  Pos
	Arms []Arm
	Else []Node
	// ElsePos is the place of the else; its line is 0 where there is none.
	ElsePos Pos
}

// Arm is one condition with what it leads to.
type Arm struct {
	Pos  Pos
	Text string
	Cond Condition
	Body []Node
}

// Condition is a compiled condition. An error means that Logstash could not compare the two values.
type Condition func(e *event.Event) (bool, error)

// String is a scalar as the text that Logstash would take it for; false for lists, hashes and codecs.
func (v Value) String() (string, bool) {
	switch t := v.Any.(type) {
	case string:
		return t, true
	case int64:
		return strconv.FormatInt(t, 10), true
	case float64:
		return event.ToString(t), true
	}
	return "", false
}

// List is the value as a list: a scalar is a list of one, as for Logstash.
func (v Value) List() []Value {
	if list, ok := v.Any.([]Value); ok {
		return list
	}
	return []Value{v}
}

// Plain is the value as an event would hold it.
func (v Value) Plain() any {
	switch t := v.Any.(type) {
	case []Value:
		list := make([]any, len(t))
		for i, item := range t {
			list[i] = item.Plain()
		}
		return list
	case Hash:
		m := make(map[string]any, len(t))
		for _, e := range t {
			m[e.Key] = e.Value.Plain()
		}
		return m
	}
	return v.Any
}

// Walk visits every plugin below nodes, in the order of the file.
func Walk(nodes []Node, visit func(*Plugin)) {
	for _, n := range nodes {
		switch n := n.(type) {
		case *Plugin:
			visit(n)
		case *Branch:
			for _, arm := range n.Arms {
				Walk(arm.Body, visit)
			}
			Walk(n.Else, visit)
		}
	}
}
