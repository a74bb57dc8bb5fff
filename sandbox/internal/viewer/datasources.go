package viewer

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"obsandbox/sandbox/internal/stack"
)

// datasources leads to the data sources of Grafana's provisioning, by their uid.
type datasources struct {
	byUID map[string]http.Handler
	all   []datasource
}

// datasource is one as Grafana's API lists it.
type datasource struct {
	UID       string `json:"uid"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	IsDefault bool   `json:"isDefault"`
}

// readDatasources reads which data sources there are; each leads to the component that its url names.
func readDatasources(addr stack.Addresses, log *slog.Logger) (*datasources, error) {
	d := &datasources{byUID: map[string]http.Handler{}, all: []datasource{}}
	files, err := filepath.Glob(filepath.Join(addr.StackDir, "grafana", "provisioning", "datasources", "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read the data sources: %w", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the data sources: %w", err)
		}
		var doc struct {
			Datasources []struct {
				UID, Name, Type, URL string
				IsDefault            bool `yaml:"isDefault"`
			}
		}
		if err := yaml.Unmarshal(data, &doc); err != nil {
			return nil, fmt.Errorf("read the data sources: %s: %w", file, err)
		}
		for _, source := range doc.Datasources {
			target, err := url.Parse(source.URL)
			if err != nil || target.Hostname() == "" {
				return nil, fmt.Errorf("read the data sources: %s: data source %q has the url %q", file, source.Name, source.URL)
			}
			d.all = append(d.all, datasource{source.UID, source.Name, source.Type, source.IsDefault})
			d.byUID[source.UID] = proxyTo(componentURL(addr, target.Hostname()), "/api/datasources/proxy/uid/"+source.UID, log)
		}
	}
	return d, nil
}

// componentURL is where a component's first HTTP API answers.
func componentURL(addr stack.Addresses, component string) string {
	for _, port := range []string{"http", "query", "api"} {
		if u := addr.URL(component, port); u != "" {
			return u
		}
	}
	return ""
}

func (d *datasources) list(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, d.all)
}

func (d *datasources) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	next, ok := d.byUID[r.PathValue("uid")]
	if !ok {
		fail(w, http.StatusNotFound, "no data source has the uid %q", r.PathValue("uid"))
		return
	}
	next.ServeHTTP(w, r)
}

// proxyTo passes requests on to base, without the prefix.
func proxyTo(base, prefix string, log *slog.Logger) http.Handler {
	target, err := url.Parse(base)
	if base == "" || err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fail(w, http.StatusBadGateway, "%s: this component does not run in this stack", r.URL.Path)
		})
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = ""
			// What a browser says of this page's origin is none of the component's business.
			r.Out.Header.Del("Origin")
			r.Out.Header.Del("Referer")
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			log.Warn("a component does not answer", "url", r.URL.String(), "error", err)
			fail(w, http.StatusBadGateway, "%s does not answer: %v", target.Host, err)
		},
	}
	return http.StripPrefix(prefix, proxy)
}
