package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// JSON writes {"passed": N, "failed": N, "skipped": N, "results": […]}, indented, a newline at the end. Durations are
// nanoseconds. It decodes back into a Report.
func (r *Report) JSON(w io.Writer) error {
	results := r.Results
	if results == nil {
		results = []Result{} // readers iterate over it: null would break them
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Passed  int      `json:"passed"`
		Failed  int      `json:"failed"`
		Skipped int      `json:"skipped"`
		Results []Result `json:"results"`
	}{r.Count(Pass), r.Count(Fail), r.Count(Skip), results})
	if err != nil {
		return fmt.Errorf("write the JSON report: %w", err)
	}
	return write(w, "the JSON report", b.Bytes())
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"` // required by the schema; a check that cannot run has failed
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Line    int           `xml:"line,attr,omitempty"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes JUnit XML as Jenkins and GitLab read it: one testsuite per suite, in the order in which the suites
// first appear. A failure's message is the first line of its detail, its text the whole detail; a testcase has the
// attributes file and line where the result names a place.
func (r *Report) JUnit(w io.Writer) error {
	all := junitSuites{Tests: len(r.Results), Failures: r.Count(Fail), Skipped: r.Count(Skip)}
	var bySuite []*Report
	index := map[string]int{}
	for _, res := range r.Results {
		i, ok := index[res.Suite]
		if !ok {
			i = len(bySuite)
			index[res.Suite] = i
			bySuite = append(bySuite, &Report{})
		}
		bySuite[i].Add(res)
	}
	var total time.Duration
	for _, part := range bySuite {
		suite := junitSuite{
			Name: part.Results[0].Suite, Tests: len(part.Results),
			Failures: part.Count(Fail), Skipped: part.Count(Skip),
		}
		var sum time.Duration
		for _, res := range part.Results {
			sum += res.Duration
			suite.Cases = append(suite.Cases, junitOf(res))
		}
		suite.Time = junitSeconds(sum)
		total += sum
		all.Suites = append(all.Suites, suite)
	}
	all.Time = junitSeconds(total)
	data, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write the JUnit report: %w", err)
	}
	return write(w, "the JUnit report", []byte(xml.Header+string(data)+"\n"))
}

func junitOf(res Result) junitCase {
	c := junitCase{Class: res.Suite, Name: res.Name, File: res.File, Line: res.Line, Time: junitSeconds(res.Duration)}
	switch res.Status {
	case Fail:
		c.Failure = &junitMessage{Message: firstLine(res.Detail), Text: res.Detail}
	case Skip:
		c.Skipped = &junitMessage{Message: res.Detail}
	default:
		c.Output = res.Detail
	}
	return c
}

func junitSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// GitHub writes one workflow command per failure, which GitHub shows as an annotation at the file and line:
// "::error file=…,line=…,title=…::detail". Checks that were skipped are notices; passes are silent.
func (r *Report) GitHub(w io.Writer) error {
	var b bytes.Buffer
	for _, res := range r.Results {
		command := ""
		switch res.Status {
		case Fail:
			command = "error"
		case Skip:
			command = "notice"
		default:
			continue
		}
		var properties []string
		if res.File != "" {
			properties = append(properties, "file="+githubProperty(res.File))
			if res.Line > 0 {
				properties = append(properties, fmt.Sprintf("line=%d", res.Line))
			}
			if res.Column > 0 {
				properties = append(properties, fmt.Sprintf("col=%d", res.Column))
			}
		}
		properties = append(properties, "title="+githubProperty(res.Suite+": "+res.Name))
		detail := res.Detail
		if detail == "" {
			detail = res.Name // an annotation without text is not shown
		}
		fmt.Fprintf(&b, "::%s %s::%s\n", command, strings.Join(properties, ","), githubData(detail))
	}
	return write(w, "the annotations", b.Bytes())
}

// githubData escapes what ends a workflow command, as @actions/core does.
func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// githubProperty also escapes what ends a property.
func githubProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

// Filter keeps the results whose "suite: name" matches; nil keeps everything.
func (r *Report) Filter(pattern *regexp.Regexp) *Report {
	kept := &Report{}
	for _, res := range r.Results {
		if pattern == nil || pattern.MatchString(res.Suite+": "+res.Name) {
			kept.Add(res)
		}
	}
	return kept
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
