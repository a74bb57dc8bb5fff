package viewer

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/dashboards"
	"obsandbox/sandbox/internal/stack"
)

// datasourcesFile is Grafana's provisioning of data sources. What a data source of a type may say beyond it is free.
type datasourcesFile struct {
	APIVersion  int  `yaml:"apiVersion"`
	Prune       bool `yaml:"prune"`
	Datasources []struct {
		Name           string         `yaml:"name"`
		UID            string         `yaml:"uid"`
		Type           string         `yaml:"type"`
		Access         string         `yaml:"access"`
		URL            string         `yaml:"url"`
		IsDefault      bool           `yaml:"isDefault"`
		Editable       bool           `yaml:"editable"`
		User           string         `yaml:"user"`
		Database       string         `yaml:"database"`
		BasicAuth      bool           `yaml:"basicAuth"`
		BasicAuthUser  string         `yaml:"basicAuthUser"`
		JSONData       yaml.Node      `yaml:"jsonData"`
		SecureJSONData map[string]any `yaml:"secureJsonData"`
	} `yaml:"datasources"`
}

// providersFile is Grafana's provisioning of dashboards.
type providersFile struct {
	APIVersion int `yaml:"apiVersion"`
	Providers  []struct {
		Name                  string         `yaml:"name"`
		OrgID                 int            `yaml:"orgId"`
		Folder                string         `yaml:"folder"`
		FolderUID             string         `yaml:"folderUid"`
		Type                  string         `yaml:"type"`
		DisableDeletion       bool           `yaml:"disableDeletion"`
		UpdateIntervalSeconds int            `yaml:"updateIntervalSeconds"`
		AllowUIUpdates        bool           `yaml:"allowUiUpdates"`
		Options               map[string]any `yaml:"options"`
	} `yaml:"providers"`
}

// dashboardsDir is where the container of Grafana has stack/grafana/dashboards.
const dashboardsDir = "/var/lib/grafana/dashboards"

// Check reads what Grafana would be provisioned with. Errors name the file and the line.
func Check(s *stack.Stack) error {
	var errs []error
	for _, pattern := range []struct {
		dir  string
		read func(s *stack.Stack, file string) error
	}{{"datasources", checkDatasources}, {"dashboards", checkProviders}} {
		files, err := filepath.Glob(s.Path("grafana/provisioning/" + pattern.dir + "/*.yaml"))
		errs = append(errs, err)
		for _, file := range files {
			errs = append(errs, pattern.read(s, file))
		}
	}
	if s.Has("grafana/dashboards") {
		_, err := dashboards.Load(s.Path("grafana/dashboards"))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func checkDatasources(s *stack.Stack, file string) error {
	var doc datasourcesFile
	root, err := stack.DecodeFile(file, &doc)
	if err != nil {
		return err
	}
	if doc.APIVersion != 1 {
		return &stack.FileError{File: file, Line: 1, Msg: "apiVersion must be 1"}
	}
	var errs []error
	kinds := map[string]string{} // types by uid
	defaults := 0
	for i, d := range doc.Datasources {
		fail := func(format string, args ...any) {
			errs = append(errs, &stack.FileError{File: file, Line: lineOf(root, "datasources", i), Msg: fmt.Sprintf("data source %q: ", d.Name) + fmt.Sprintf(format, args...)})
		}
		if d.Name == "" || d.UID == "" || d.Type == "" {
			fail("name, uid and type are needed")
		}
		if _, taken := kinds[d.UID]; taken {
			fail("another one has the uid %q", d.UID)
		}
		kinds[d.UID] = d.Type
		if d.IsDefault {
			if defaults++; defaults > 1 {
				fail("another one is the default already, and Grafana takes one only")
			}
		}
		if d.Access != "" && d.Access != "proxy" && d.Access != "direct" {
			fail("access is %q, expected proxy or direct", d.Access)
		}
		u, err := url.Parse(d.URL)
		if err != nil || u.Host == "" {
			fail("%q is no URL", d.URL)
			continue
		}
		c, err := s.Component(u.Hostname())
		if err != nil {
			fail("its url leads out of the stack: %v", err)
			continue
		}
		if _, serves := settings()[c.Name]; serves && d.Type != c.Name {
			fail("its url leads to %s, and its type is %s", c.Name, d.Type)
		}
		if !slices.ContainsFunc(c.Ports, func(p stack.Port) bool { return strconv.Itoa(p.Number) == u.Port() }) {
			fail("%s has no port %s", c.Name, u.Port())
		}
	}
	// Links from one data source to another.
	for i, d := range doc.Datasources {
		errs = append(errs, checkLinks(file, doc.Datasources[i].Name, &d.JSONData, kinds)...)
		if sources := key(root, "datasources").Content; d.Type != "" && i < len(sources) {
			checker := sourceChecker{stack: s, file: file, name: d.Name}
			errs = append(errs, checker.check(d.Type, sources[i], kinds)...)
		}
	}
	return errors.Join(errs...)
}

// checkLinks follows every …Uid of a data source's settings.
func checkLinks(file, name string, node *yaml.Node, kinds map[string]string) []error {
	var errs []error
	for i := 0; i < len(node.Content); i++ {
		child := node.Content[i]
		if node.Kind == yaml.MappingNode && i%2 == 1 {
			key := node.Content[i-1].Value
			_, there := kinds[child.Value]
			if strings.HasSuffix(strings.ToLower(key), "uid") && child.Kind == yaml.ScalarNode && !there {
				errs = append(errs, &stack.FileError{File: file, Line: child.Line, Msg: fmt.Sprintf("data source %q: %s: no data source has the uid %q", name, key, child.Value)})
			}
		}
		errs = append(errs, checkLinks(file, name, child, kinds)...)
	}
	return errs
}

func checkProviders(_ *stack.Stack, file string) error {
	var doc providersFile
	root, err := stack.DecodeFile(file, &doc)
	if err != nil {
		return err
	}
	var errs []error
	for i, p := range doc.Providers {
		path, _ := p.Options["path"].(string)
		if path != "" && path != dashboardsDir {
			errs = append(errs, &stack.FileError{File: file, Line: lineOf(root, "providers", i), Msg: fmt.Sprintf("options.path is %s, and the dashboards are mounted at %s", path, dashboardsDir)})
		}
		if p.UpdateIntervalSeconds < 0 {
			errs = append(errs, &stack.FileError{File: file, Line: lineOf(root, "providers", i), Msg: fmt.Sprintf("updateIntervalSeconds is %d, expected a time from 0 on", p.UpdateIntervalSeconds)})
		}
		if p.Name == "" || p.Type != "file" || path == "" {
			errs = append(errs, &stack.FileError{File: file, Line: lineOf(root, "providers", i), Msg: "a provider needs a name, type: file, and options.path"})
		}
	}
	if doc.APIVersion != 1 || len(doc.Providers) == 0 {
		errs = append(errs, &stack.FileError{File: file, Line: 1, Msg: "apiVersion: 1 and a list of providers are needed"})
	}
	return errors.Join(errs...)
}

// lineOf is the line of an element of a list.
func lineOf(root *yaml.Node, key string, i int) int {
	for k := 0; k+1 < len(root.Content); k += 2 {
		if root.Content[k].Value == key && i < len(root.Content[k+1].Content) {
			return root.Content[k+1].Content[i].Line
		}
	}
	return root.Line
}
