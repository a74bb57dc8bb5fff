package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"obsandbox/sandbox/internal/locate"
	"obsandbox/sandbox/internal/stack"
)

var (
	// What promtool, amtool and jaeger say besides the faults.
	checkerNoise = regexp.MustCompile(`^\s*(Checking .*|.*SUCCESS: .*|amtool\S*: error: .*|\d{4}/\d\d/\d\d .*|Found:|\s*- .*|yaml: unmarshal errors:)?$`)
	// The words around a fault that name no place and no reason.
	wrapping = regexp.MustCompile(`failed to get config: |cannot unmarshal the configuration: |decoding failed due to the following error\(s\):|parsing YAML file |yaml: unmarshal errors:|yaml: `)
	yamlLine = regexp.MustCompile(`^\s*line (\d+): (.*)$`)
	ruleLine = regexp.MustCompile(`^\s*(\d+):\d+: (.*)$`)
	// Go's templates say their file's base name.
	templateLine = regexp.MustCompile(`template: (\S+?):(\d+)(?::\d+)?: (.*)$`)
	// What promtool finds odd and is no fault.
	lintNotes = regexp.MustCompile(`(?s)\s*FAILED:\s*lint error \d+ duplicate rule\(s\) found\..*?Might cause inconsistency while recording expressions`)
	goType    = regexp.MustCompile(`field (\S+) not found in type \S+`)
)

// explain turns the output of a checker into errors with places in what is checked in.
func (st *starter) explain(c stack.Component, files []stack.Rendered, output string) error {
	if c.Program == "jaeger" {
		output = joinJaeger(output)
	}
	output = lintNotes.ReplaceAllString(output, "")
	at := files[0]
	var errs []error
	for line := range strings.SplitSeq(output, "\n") {
		if _, after, ok := strings.Cut(line, "FAILED:"); ok {
			line, at = after, files[0]
		}
		line = strings.TrimPrefix(line, "Error: ")
		if checkerNoise.MatchString(line) {
			continue
		}
		for _, f := range st.known(files, line) {
			// What follows the path is about this file.
			before, after, _ := strings.Cut(line, f.Path)
			at = f
			if strings.TrimSpace(wrapping.ReplaceAllString(before, "")) == "" {
				line = strings.TrimLeft(after, ": ")
			}
		}
		text := strings.Join(strings.Fields(wrapping.ReplaceAllString(line, "")), " ")
		number := 0
		for _, pattern := range []*regexp.Regexp{yamlLine, ruleLine} {
			if m := pattern.FindStringSubmatch(text); m != nil {
				number, _ = strconv.Atoi(m[1])
				text = m[2]
			}
		}
		text = goType.ReplaceAllString(text, `unknown key "$1"`)
		if text == "" {
			continue
		}
		if m := templateLine.FindStringSubmatch(text); m != nil {
			for _, f := range files {
				if filepath.Base(f.Name) == m[1] {
					number, _ = strconv.Atoi(m[2])
					at, text = f, m[3]
				}
			}
		}
		errs = append(errs, st.placed(at, number, text))
	}
	if len(errs) == 0 {
		errs = append(errs, &stack.FileError{File: st.stack.Path(files[0].Name), Msg: strings.TrimSpace(output)})
	}
	return errors.Join(errs...)
}

// explainStart finds, in the last lines of a program that has not started, a fault of its configuration that its checker
// does not see: Jaeger looks up storages by their names only when it starts.
func (st *starter) explainStart(c stack.Component, lines []string) error {
	if c.Program != "jaeger" || len(st.files[c.Name]) == 0 {
		return nil
	}
	main := st.files[c.Name][0]
	for _, line := range slices.Backward(lines) {
		text, ok := strings.CutPrefix(line, "Error: ")
		if at := locate.First(main.Running, text); ok && at > 0 {
			return st.placed(main, at, text)
		}
	}
	return nil
}

// placed is a fault at a line of the file that runs (0: not known), told as a place in the file that is checked in.
func (st *starter) placed(f stack.Rendered, line int, text string) error {
	if line == 0 {
		line = locate.Line(f.Running, text)
	} else {
		line = lineInRule(f.Running, line, text)
	}
	file := f.Path
	if f.Original != nil {
		if !filepath.IsAbs(f.Name) {
			file = st.stack.Path(f.Name)
		}
		if line > 0 {
			line = originalLine(f.Original, f.Running, line)
		}
	}
	return &stack.FileError{File: file, Line: line, Msg: text}
}

// known are the files that a line names.
func (st *starter) known(files []stack.Rendered, line string) []stack.Rendered {
	var named []stack.Rendered
	for _, f := range files {
		if strings.Contains(line, f.Path) {
			named = append(named, f)
		}
	}
	if len(named) > 0 {
		return named
	}
	// A file that a pattern of the main file has found, and stack.yaml does not list.
	for _, word := range strings.Fields(line) {
		path := strings.TrimRight(word, ":")
		if filepath.IsAbs(path) && strings.HasPrefix(path, st.stack.Dir) {
			if data, err := os.ReadFile(path); err == nil {
				return []stack.Rendered{{Name: path, Path: path, Original: data, Running: data}}
			}
		}
	}
	return nil
}

// joinJaeger puts the nested lines of one of Jaeger's errors into one.
func joinJaeger(output string) string {
	var parts []string
	for line := range strings.SplitSeq(output, "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "Error: ")
		if len(parts) > 0 && checkerNoise.MatchString(line) && line != "" {
			break // the log repeats it
		}
		if line == "" || checkerNoise.MatchString(line) {
			continue
		}
		line = strings.TrimSpace(wrapping.ReplaceAllString(line, ""))
		if line = strings.TrimSpace(strings.TrimPrefix(line, "''")); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, ": ")
}
