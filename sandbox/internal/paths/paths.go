// Package paths finds the files that people name on the command line, and names files in results as people write them.
package paths

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Find lists the files that arguments lead to, each once, in order: a file as it is named, the files that a pattern
// matches, and in directories, at any depth, those that wanted says yes to. An argument that leads to nothing at all is
// an error, with what was looked for.
func Find(what string, args []string, wanted func(path string) bool) ([]string, error) {
	var files []string
	for _, arg := range args {
		matches, err := filepath.Glob(arg)
		if err == nil && len(matches) == 0 {
			err = errors.New("no such file or directory, and as a pattern it matches nothing")
		}
		if err != nil {
			return nil, fmt.Errorf("find %s: %s: %w", what, arg, err)
		}
		for _, m := range matches {
			err := filepath.WalkDir(m, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() && (path == m || wanted(path)) {
					files = append(files, path)
				}
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("find %s: %w", what, err)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// IsYAML says whether a file's name ends as those of YAML files do.
func IsYAML(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".yml" || ext == ".yaml"
}

// TestKeys are the keys of the tests of a YAML file whose first document has a list of them under the key tests: rules'
// and routes' tests are told apart by them. ok is false for any other file. A file that is no YAML and reads like tests
// is one of them: what is wrong with it must be told.
func TestKeys(path string) (keys map[string]bool, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	keys = map[string]bool{}
	top, doc := Keys(data)
	switch {
	case !top["tests"]:
		return nil, false
	case doc == nil || top["rule_files"]:
		for _, m := range words.FindAllSubmatch(data, -1) {
			keys[string(m[1])] = true
		}
		keys["input_series"] = keys["input_series"] || top["rule_files"]
		return keys, doc != nil || keys["alerts"] || hasPromtools(keys)
	}
	for i := 0; i+1 < len(doc.Content); i += 2 {
		tests := doc.Content[i+1]
		if doc.Content[i].Value != "tests" {
			continue
		}
		if tests.Kind != yaml.SequenceNode {
			return nil, false
		}
		for _, test := range tests.Content {
			for i := 0; i+1 < len(test.Content); i += 2 {
				keys[test.Content[i].Value] = true
			}
		}
	}
	return keys, true
}

var (
	topWords = regexp.MustCompile(`(?m)^([A-Za-z_]+):`)
	words    = regexp.MustCompile(`(?m)^[ \t-]*([A-Za-z_]+):`)
)

// Keys are those of the first document of YAML, and the document. Of what is no YAML, they are those that stand at the
// beginning of a line, and there is no document.
func Keys(data []byte) (map[string]bool, *yaml.Node) {
	keys := map[string]bool{}
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil {
		for _, m := range topWords.FindAllSubmatch(data, -1) {
			keys[string(m[1])] = true
		}
		return keys, nil
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return keys, &doc
	}
	for i := 0; i+1 < len(doc.Content[0].Content); i += 2 {
		keys[doc.Content[0].Content[i].Value] = true
	}
	return keys, doc.Content[0]
}

// RuleTests says whether the keys are those of promtool's tests, and RouteTests whether they are those of tests of
// routes. Where they are of neither, both say yes: it is a mistake in either.
func RuleTests(keys map[string]bool) bool  { return !keys["alerts"] || hasPromtools(keys) }
func RouteTests(keys map[string]bool) bool { return !hasPromtools(keys) }

func hasPromtools(keys map[string]bool) bool {
	return keys["input_series"] || keys["alert_rule_test"] || keys["promql_expr_test"]
}

// Relative is a file's path below root (below the working directory, where root is empty), with slashes; a file that is
// somewhere else keeps the path that it has.
func Relative(root, path string) string {
	if root == "" {
		dir, err := os.Getwd()
		if err != nil {
			return path
		}
		root = dir
	}
	absRoot, rootErr := filepath.Abs(root)
	abs, err := filepath.Abs(path)
	if err != nil || rootErr != nil {
		return path
	}
	rel, err := filepath.Rel(absRoot, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return filepath.ToSlash(rel)
}
