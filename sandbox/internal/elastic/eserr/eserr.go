// Package eserr is Elasticsearch's error: a status, a type, a reason and what caused it, in the JSON form that its
// clients read.
package eserr

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
)

// Error is one Elasticsearch exception.
type Error struct {
	// Status is the HTTP status; 0 counts as 400.
	Status int
	// Type is Elasticsearch's name of the exception, such as "parsing_exception".
	Type   string
	Reason string
	// Cause is the "caused_by".
	Cause *Error
	// Root is the "root_cause" where it is not the error itself.
	Root []*Error
	// Extra are further keys of the error object, such as "index" or "line".
	Extra map[string]any
}

func (e *Error) Error() string { return e.Type + ": " + e.Reason }

// Unwrap is the cause.
func (e *Error) Unwrap() error {
	if e.Cause == nil {
		return nil
	}
	return e.Cause
}

// New is an error of a status and a type.
func New(status int, typ, format string, args ...any) *Error {
	return &Error{Status: status, Type: typ, Reason: fmt.Sprintf(format, args...)}
}

// Illegal is an illegal_argument_exception, 400.
func Illegal(format string, args ...any) *Error {
	return New(http.StatusBadRequest, "illegal_argument_exception", format, args...)
}

// Parsing is a parsing_exception, 400, at a place of the request's body.
func Parsing(line, col int, format string, args ...any) *Error {
	return New(http.StatusBadRequest, "parsing_exception", format, args...).With("line", line).With("col", col)
}

// XContent is an x_content_parse_exception, 400, at a place of the request's body.
func XContent(line, col int, format string, args ...any) *Error {
	return New(http.StatusBadRequest, "x_content_parse_exception", "[%d:%d] %s", line, col, fmt.Sprintf(format, args...))
}

// Unsupported is what this store has not; it names the thing and is never answered otherwise.
func Unsupported(format string, args ...any) *Error {
	return New(http.StatusBadRequest, "illegal_argument_exception", "%s: not supported by this store", fmt.Sprintf(format, args...))
}

// IndexNotFound is the 404 of a missing index.
func IndexNotFound(name string) *Error {
	return New(http.StatusNotFound, "index_not_found_exception", "no such index [%s]", name).
		With("resource.type", "index_or_alias").With("resource.id", name).With("index_uuid", "_na_").With("index", name)
}

// With adds a key to the error object.
func (e *Error) With(key string, value any) *Error {
	if e.Extra == nil {
		e.Extra = map[string]any{}
	}
	e.Extra[key] = value
	return e
}

// CausedBy sets the cause.
func (e *Error) CausedBy(cause error) *Error {
	if cause != nil {
		e.Cause = From(cause)
	}
	return e
}

// From is err as an Elasticsearch error; what is none becomes an "exception" of status 500.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return New(http.StatusInternalServerError, "exception", "%s", err.Error())
}

// Code is the HTTP status.
func (e *Error) Code() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// Object is the error object without its root_cause, as bulk items carry it.
func (e *Error) Object() map[string]any {
	out := map[string]any{"type": e.Type, "reason": e.Reason}
	maps.Copy(out, e.Extra)
	if e.Cause != nil {
		out["caused_by"] = e.Cause.Object()
	}
	return out
}

// Body is the whole response body: {"error":{"root_cause":[…],…},"status":N}.
func (e *Error) Body() map[string]any {
	obj := e.Object()
	var roots []any
	if len(e.Root) == 0 {
		root := &Error{Type: e.Type, Reason: e.Reason, Extra: e.Extra}
		roots = append(roots, root.Object())
	}
	for _, r := range e.Root {
		roots = append(roots, (&Error{Type: r.Type, Reason: r.Reason, Extra: r.Extra}).Object())
	}
	obj["root_cause"] = roots
	return map[string]any{"error": obj, "status": e.Code()}
}

// MarshalJSON is Object.
func (e *Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.Object()) }

// Reason is an error whose text is one of Elasticsearch's reasons, word for word.
func Reason(format string, args ...any) error { return reason(fmt.Sprintf(format, args...)) }

type reason string

func (r reason) Error() string { return string(r) }
