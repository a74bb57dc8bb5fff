package containers

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// secretKeys are the keys of alertmanager.yml that hold a secret, by the secret that belongs there, as FileName names it.
// With "_file" behind it, a key names the file that has the secret.
var secretKeys = map[string]string{
	"slack_api_url": "slack", "api_url": "slack", "routing_key": "pagerduty", "service_key": "pagerduty",
}

// Judge says what in a stack's FileName leads nowhere: a component that is not there, a directory, a file that a program
// is told of and no mount has, a secret that Alertmanager would look for elsewhere, a server where nobody looks for it. A
// stack without the file is right. Errors are *stack.FileError.
func Judge(s *stack.Stack) error {
	if !s.Has(FileName) {
		return nil
	}
	f, err := load(s)
	if err != nil {
		return err
	}
	var root yaml.Node
	if _, err := stack.DecodeFile(s.Path(FileName), &root); err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(f.Containers)) {
		r := f.Containers[name]
		fail := func(keys []string, format string, args ...any) {
			errs = append(errs, &stack.FileError{
				File: s.Path(FileName), Line: lineOf(&root, append([]string{"containers", name}, keys...)...),
				Msg: fmt.Sprintf("container %q: ", name) + fmt.Sprintf(format, args...),
			})
		}
		for _, need := range r.Needs {
			if _, err := s.Component(need); err != nil {
				fail([]string{"needs"}, "needs %q, which is no component", need)
			}
		}
		for _, arg := range r.Args {
			if file, ok := r.absent(s, arg); ok {
				fail([]string{"args"}, "%s: no mount has %s", arg, file)
			}
		}
	}
	for _, c := range s.Components {
		if c.Image != "" && !pinned(c.Image) {
			errs = append(errs, &stack.FileError{
				File: s.Path(stack.FileName), Line: c.ImageLine,
				Msg: fmt.Sprintf("component %q: the image %s is of no release: give it a tag other than latest, or a digest", c.Name, c.Image),
			})
		}
		if r := f.Containers[c.Name]; c.Image != "" && len(c.Config) > 0 && len(r.Mounts) == 0 {
			errs = append(errs, &stack.FileError{
				File: s.Path(stack.FileName), Line: c.Line,
				Msg: fmt.Sprintf("component %q: its image would not see its files: give the container mounts in %s", c.Name, FileName),
			})
		}
	}
	errs = append(errs, checkRecipes(s, f, &root)...)
	errs = append(errs, checkTopics(s, f)...)
	errs = append(errs, checkReplicas(s, f)...)
	errs = append(errs, checkSecrets(s, f, &root)...)
	return errors.Join(append(errs, checkNodes(s, f, &root)...)...)
}

// pinned says whether an image is always the same one.
func pinned(image string) bool {
	if strings.Contains(image, "@") {
		return true
	}
	_, tag, ok := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return ok && tag != "" && tag != "latest"
}

// absent is the file that an argument names below one of the mounts, where the stack directory has none there.
func (r recipe) absent(s *stack.Stack, arg string) (string, bool) {
	_, file, ok := strings.Cut(arg, "=")
	if !ok || !path.IsAbs(file) || path.Ext(file) == "" {
		return "", false
	}
	for from, to := range r.Mounts {
		if rest, ok := strings.CutPrefix(file, to+"/"); ok {
			return file, !s.Has(path.Join(from, rest))
		}
	}
	return file, true
}

// checkSecrets holds the files with secrets that alertmanager.yml names against those that its container is given.
func checkSecrets(s *stack.Stack, f *file, root *yaml.Node) []error {
	c, err := s.Component("alertmanager")
	given := f.Containers["alertmanager"].Secrets
	if err != nil || len(c.Config) == 0 || len(given) == 0 {
		return nil
	}
	config := s.Path(c.Config[0])
	var doc yaml.Node
	if _, err := stack.DecodeFile(config, &doc); err != nil {
		return nil // Alertmanager's own to say
	}
	var errs []error
	used := map[string]bool{}
	walk(&doc, func(key, value *yaml.Node) {
		fail := func(format string, args ...any) {
			errs = append(errs, &stack.FileError{File: config, Line: value.Line, Msg: key.Value + ": " + fmt.Sprintf(format, args...)})
		}
		name, isFile := strings.CutSuffix(key.Value, "_file")
		want, known := secretKeys[name]
		place, there := given[want]
		switch {
		case !known || !there || value.Value == "":
		case !isFile:
			used[want] = true
			fail("no secret may stand in a checked-in file: mount it as a file, and write %s_file: %s", name, place.File)
		case value.Value != place.File:
			used[want] = true
			fail("%s is not mounted: %s has the secret %s at %s", value.Value, FileName, want, place.File)
		default:
			used[want] = true
		}
	})
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !used[name] {
			errs = append(errs, &stack.FileError{
				File: s.Path(FileName), Line: lineOf(root, "containers", "alertmanager", "secrets", name),
				Msg: fmt.Sprintf("container %q: nothing in %s reads the secret %s", "alertmanager", c.Config[0], name),
			})
		}
	}
	return errs
}

// walk calls fn for every key with text for its value.
func walk(node *yaml.Node, fn func(key, value *yaml.Node)) {
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 1 && child.Kind == yaml.ScalarNode {
			fn(node.Content[i-1], child)
		}
		walk(child, fn)
	}
}
