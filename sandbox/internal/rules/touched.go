package rules

import (
	"path/filepath"
	"slices"

	"obsandbox/sandbox/internal/rules/unittest"
)

// Reads are the files that tests are made of: the test files and the rule files that they load. A test file that cannot
// be read counts by itself.
func Reads(tests []string) ([]string, error) {
	files, err := TestFiles(tests)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(files)
	for _, path := range files {
		if f, err := unittest.ReadFile(path); err == nil {
			all = append(all, f.RuleFiles...)
		}
	}
	for i := range all {
		all[i] = absolute(all[i])
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Touched are what saved files change the verdict of: the test files that are saved or load a saved rule file, and the
// rule files that are saved or that a saved test file loads. ok is false where a saved file is none of these, or a test
// file cannot be read: anything may be touched then.
func Touched(tests, saved []string) (testFiles, ruleFiles []string, ok bool) {
	files, err := TestFiles(tests)
	if err != nil {
		return nil, nil, false
	}
	known := map[string]bool{}
	isSaved := func(path string) bool {
		path = absolute(path)
		return slices.ContainsFunc(saved, func(s string) bool { return absolute(s) == path })
	}
	for _, path := range files {
		f, err := unittest.ReadFile(path)
		if err != nil {
			return nil, nil, false
		}
		known[absolute(path)] = true
		touched := isSaved(path)
		for _, rf := range f.RuleFiles {
			known[absolute(rf)] = true
			if isSaved(rf) || isSaved(path) {
				touched = true
				ruleFiles = append(ruleFiles, rf)
			}
		}
		if touched {
			testFiles = append(testFiles, path)
		}
	}
	for _, s := range saved {
		if !known[absolute(s)] {
			return nil, nil, false
		}
	}
	slices.Sort(ruleFiles)
	return testFiles, slices.Compact(ruleFiles), len(testFiles) > 0
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}
