// Package report is the one model of what a check found, whatever kind of check it is, and the ways to write it down:
// for people, as JSON, as JUnit XML and as GitHub annotations.
package report

import "time"

// Status is a check's verdict.
type Status string

// The verdicts. A check that did not run says why in Detail and counts neither as passed nor as failed.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Result is what one check found.
type Result struct {
	// Suite groups results: "smoke", "rules", "configuration" …
	Suite string `json:"suite"`
	// Name is unique within the suite and says what holds when the check passes.
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Detail is, on failure, what was expected, what was seen and what to do; on a pass it may hold a figure.
	Detail string `json:"detail,omitempty"`
	// File and Line are the place to mend, where there is one; Column, in characters from 1, where it is known.
	File     string        `json:"file,omitempty"`
	Line     int           `json:"line,omitempty"`
	Column   int           `json:"column,omitempty"`
	Duration time.Duration `json:"duration_ns"`
}

// Report is the outcome of a run.
type Report struct {
	Results []Result `json:"results"`
	// Root is the directory that files of results are relative to; the working directory where it is empty. People are
	// shown the lines that failures are at.
	Root string `json:"-"`
}

// Add appends results.
func (r *Report) Add(results ...Result) { r.Results = append(r.Results, results...) }

// Count is the number of results with the given verdict.
func (r *Report) Count(status Status) int {
	n := 0
	for _, res := range r.Results {
		if res.Status == status {
			n++
		}
	}
	return n
}

// OK says whether something was checked and nothing failed: a run in which every check was skipped proves nothing.
func (r *Report) OK() bool { return r.Count(Pass) > 0 && r.Count(Fail) == 0 }
