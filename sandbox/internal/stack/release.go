package stack

import (
	"fmt"
	"strconv"
	"strings"
)

// SameRelease says whether an image's tag is the release of a pinned program: both ways to run the stack must run the
// same one, and embedded mode tells programs their release by that tag. Modules whose releases follow another rule, or
// an unknown one, are taken as they are.
func SameRelease(module, version, image string) error {
	release, err := releaseOf(module, version)
	if err != nil || release == "" {
		return err
	}
	if Tag(image) != release {
		return fmt.Errorf("the image is %s, and %s %s is release %s", image, module, version, release)
	}
	return nil
}

// Tag is the tag of a container image; empty where it has none.
func Tag(image string) string {
	name, _, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], "@")
	_, tag, _ := strings.Cut(name, ":")
	return tag
}

// releaseOf is what a module's version is published as. Prometheus' module v0.315.1 is its release v3.15.1; Jaeger's
// v1.76.0 was released together with, and contains, 2.13.0.
func releaseOf(module, version string) (string, error) {
	switch module {
	case "github.com/prometheus/alertmanager":
		return version, nil
	case "github.com/prometheus/prometheus":
		joined, patch, err := minorAndPatch(module, version, "v0.")
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("v%d.%d.%s", joined/100, joined%100, patch), nil
	case "github.com/jaegertracing/jaeger":
		minor, patch, err := minorAndPatch(module, version, "v1.")
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("2.%d.%s", minor-63, patch), nil
	}
	return "", nil
}

func minorAndPatch(module, version, major string) (minor int, patch string, err error) {
	rest, ok := strings.CutPrefix(version, major)
	text, patch, found := strings.Cut(rest, ".")
	minor, err = strconv.Atoi(text)
	if !ok || !found || err != nil {
		return 0, "", fmt.Errorf("which release %s %s is, is not known: expected %s…", module, version, major)
	}
	return minor, patch, nil
}
