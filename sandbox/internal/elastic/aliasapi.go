package elastic

import (
	"fmt"
	"slices"
	"strings"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/eserr"
)

func (s *server) aliasRoutes() {
	alias := expandParams + masterParams + "local"
	s.on("POST /_aliases", alias, (*request).updateAliases)
	s.on("GET /_alias", alias, (*request).getAlias)
	s.on("GET /_alias/{name}", alias, (*request).getAlias)
	s.on("GET /{index}/_alias", alias, (*request).getAlias)
	s.on("GET /{index}/_alias/{name}", alias, (*request).getAlias)
	for _, path := range []string{"_alias", "_aliases"} {
		s.on("PUT,POST /{index}/"+path+"/{name}", alias, (*request).putAlias)
		s.on("DELETE /{index}/"+path+"/{name}", alias, (*request).deleteAlias)
	}
}

func (r *request) updateAliases() (any, error) {
	m, err := r.object()
	if err != nil {
		return nil, err
	}
	list, _ := m["actions"].([]any)
	if len(list) == 0 {
		return nil, eserr.Illegal("No action specified")
	}
	var actions []cluster.AliasAction
	for _, item := range list {
		obj, ok := item.(map[string]any)
		if !ok || len(obj) != 1 {
			return nil, eserr.Illegal("Alias action must be an object with one of [add, remove, remove_index]")
		}
		for kind, spec := range obj {
			fields, _ := spec.(map[string]any)
			a := cluster.AliasAction{Kind: kind, Spec: map[string]any{}}
			if kind != "add" && kind != "remove" && kind != "remove_index" {
				return nil, eserr.New(400, "x_content_parse_exception", "[1:1] [aliases] failed to parse field [actions]: [alias_action] unknown field [%s]", kind)
			}
			for key, v := range fields {
				switch key {
				case "index", "indices":
					a.Indices = append(a.Indices, stringList(v)...)
				case "alias", "aliases":
					a.Aliases = append(a.Aliases, stringList(v)...)
				case "must_exist":
					b := fmt.Sprint(v) == "true"
					a.MustExist = &b
				default:
					a.Spec[key] = v
				}
			}
			if len(a.Indices) == 0 {
				return nil, eserr.Illegal("One of [index] or [indices] is required")
			}
			if len(a.Aliases) == 0 && kind != "remove_index" {
				return nil, eserr.Illegal("One of [alias] or [aliases] is required")
			}
			actions = append(actions, a)
		}
	}
	if err := r.s.c.UpdateAliases(actions); err != nil {
		return nil, err
	}
	return map[string]any{"acknowledged": true, "errors": false}, nil
}

func stringList(v any) []string {
	if list, ok := v.([]any); ok {
		var out []string
		for _, item := range list {
			out = append(out, fmt.Sprint(item))
		}
		return out
	}
	return strings.Split(fmt.Sprint(v), ",")
}

func (r *request) getAlias() (any, error) {
	o, err := r.expand(cluster.Options{Open: true, Closed: true, Hidden: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	list, err := r.s.c.Resolve(r.vars["index"], o)
	if err != nil {
		return nil, err
	}
	var patterns []string
	if name := r.vars["name"]; name != "" {
		patterns = strings.Split(name, ",")
	}
	out := map[string]any{}
	found := map[string]bool{}
	for _, res := range list {
		aliases := aliasesOf(res.Index, patterns)
		for name := range aliases {
			found[name] = true
		}
		if len(aliases) > 0 || patterns == nil {
			out[res.Index.Name] = map[string]any{"aliases": aliases}
		}
	}
	var missing []string
	for _, p := range patterns {
		if !strings.Contains(p, "*") && p != "_all" && !found[p] {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		plural := "alias"
		if len(missing) > 1 {
			plural = "aliases"
		}
		out["error"], out["status"] = fmt.Sprintf("%s [%s] missing", plural, strings.Join(missing, ",")), 404
		return reply{status: 404, body: out}, nil
	}
	return out, nil
}

func (r *request) putAlias() (any, error) {
	spec := map[string]any{}
	if len(r.body) > 0 {
		var err error
		if spec, err = r.object(); err != nil {
			return nil, err
		}
	}
	err := r.s.c.UpdateAliases([]cluster.AliasAction{{Kind: "add", Indices: []string{r.vars["index"]}, Aliases: []string{r.vars["name"]}, Spec: spec}})
	if err != nil {
		return nil, err
	}
	return acknowledged(), nil
}

func (r *request) deleteAlias() (any, error) {
	err := r.s.c.UpdateAliases([]cluster.AliasAction{{Kind: "remove", Indices: []string{r.vars["index"]}, Aliases: strings.Split(r.vars["name"], ",")}})
	if err != nil {
		return nil, err
	}
	return map[string]any{"acknowledged": true, "errors": false}, nil
}
