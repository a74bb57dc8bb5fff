package elastic

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"obsandbox/sandbox/internal/elastic/cluster"
	"obsandbox/sandbox/internal/elastic/eserr"
	"obsandbox/sandbox/internal/elastic/mapping"
	"obsandbox/sandbox/internal/elastic/xcontent"
)

// column of a cat table: its name, further names, whether it is shown without being asked for, and whether it is a number.
type column struct {
	name    string
	aliases []string
	hidden  bool
	number  bool
}

// table is a cat API's answer before it is printed.
type table struct {
	columns []column
	rows    []map[string]string
}

func col(name string, aliases ...string) column { return column{name: name, aliases: aliases} }
func num(name string, aliases ...string) column {
	return column{name: name, aliases: aliases, number: true}
}

func (s *server) catRoutes() {
	params := expandParams + masterParams + "v h s help local bytes time health pri include_unloaded_segments full_id"
	cat := func(path string, make func(*request) (*table, error)) {
		s.on("GET /_cat/"+path, params, func(r *request) (any, error) {
			t, err := make(r)
			if err != nil {
				return nil, err
			}
			return r.table(t)
		})
	}
	s.on("GET /_cat", "", func(*request) (any, error) {
		return reply{text: "=^.^=\n/_cat/aliases\n/_cat/aliases/{alias}\n/_cat/count\n/_cat/count/{index}\n/_cat/health\n/_cat/indices\n/_cat/indices/{index}\n" +
			"/_cat/master\n/_cat/nodes\n/_cat/segments\n/_cat/segments/{index}\n/_cat/shards\n/_cat/shards/{index}\n/_cat/templates\n/_cat/templates/{name}\n"}, nil
	})
	for _, suffix := range []string{"", "/{index}"} {
		cat("indices"+suffix, (*request).catIndices)
		cat("shards"+suffix, (*request).catShards)
		cat("count"+suffix, (*request).catCount)
		cat("segments"+suffix, (*request).catSegments)
	}
	cat("aliases", (*request).catAliases)
	cat("aliases/{name}", (*request).catAliases)
	cat("templates", (*request).catTemplates)
	cat("templates/{name}", (*request).catTemplates)
	cat("health", (*request).catHealth)
	cat("nodes", (*request).catNodes)
	cat("master", func(r *request) (*table, error) {
		return &table{columns: []column{col("id"), col("host", "h"), col("ip"), col("node", "n")},
			rows: []map[string]string{{"id": nodeID, "host": "127.0.0.1", "ip": "127.0.0.1", "node": r.s.c.NodeName}}}, nil
	})
}

// size prints bytes as the bytes parameter asks.
func (r *request) size(n int64) string {
	units := map[string]int64{"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
	if u := units[r.q.Get("bytes")]; u > 0 {
		return strconv.FormatInt(n/u, 10)
	}
	for _, u := range []string{"tb", "gb", "mb", "kb"} {
		if n >= units[u] {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(units[u])), ".0") + u
		}
	}
	return strconv.FormatInt(n, 10) + "b"
}

func (r *request) catIndices() (*table, error) {
	t := &table{columns: []column{col("health", "h"), col("status", "s"), col("index", "i", "idx"), col("uuid", "id"), num("pri", "p", "shards.primary"), num("rep", "r", "shards.replica"),
		num("docs.count", "dc", "docsCount"), num("docs.deleted", "dd", "docsDeleted"), num("store.size", "ss", "storeSize"), num("pri.store.size"), num("dataset.size"),
		{name: "creation.date", aliases: []string{"cd"}, hidden: true, number: true}, {name: "creation.date.string", aliases: []string{"cds"}, hidden: true}}}
	list, err := r.resolve(everything)
	if err != nil {
		return nil, err
	}
	for _, res := range list {
		idx := res.Index
		st := idx.Shard.Stats()
		health, replicas := "green", idx.Setting("number_of_replicas")
		if idx.Setting("auto_expand_replicas") != "" {
			replicas = "0"
		}
		if replicas != "0" && replicas != "" {
			health = "yellow"
		}
		if want := r.q.Get("health"); want != "" && want != health {
			continue
		}
		status := "open"
		if idx.State().Closed {
			status = "close"
		}
		row := map[string]string{"health": health, "status": status, "index": idx.Name, "uuid": idx.UUID, "pri": strconv.Itoa(idx.Shards()), "rep": replicas,
			"docs.count": strconv.Itoa(st.Docs), "docs.deleted": strconv.Itoa(st.Deleted), "store.size": r.size(st.Bytes), "pri.store.size": r.size(st.Bytes), "dataset.size": r.size(st.Bytes),
			"creation.date": strconv.FormatInt(idx.Created.UnixMilli(), 10), "creation.date.string": stamp(idx.Created)}
		if idx.State().Closed {
			row["docs.count"], row["docs.deleted"], row["store.size"], row["pri.store.size"], row["dataset.size"] = "", "", "", "", ""
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

func (r *request) catShards() (*table, error) {
	t := &table{columns: []column{col("index", "i"), num("shard", "s"), col("prirep", "p"), col("state", "st"), num("docs", "d"), num("store", "sto"), num("dataset"), col("ip"), col("node", "n")}}
	list, err := r.resolve(cluster.Options{Open: true, Hidden: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	for _, res := range list {
		st := res.Index.Shard.Stats()
		t.rows = append(t.rows, map[string]string{"index": res.Index.Name, "shard": "0", "prirep": "p", "state": "STARTED", "docs": strconv.Itoa(st.Docs),
			"store": r.size(st.Bytes), "dataset": r.size(st.Bytes), "ip": "127.0.0.1", "node": r.s.c.NodeName})
	}
	return t, nil
}

func (r *request) catSegments() (*table, error) {
	t := &table{columns: []column{col("index", "i"), num("shard", "s"), col("prirep", "p"), col("ip"), col("segment", "seg"), num("docs.count", "dc"), num("docs.deleted", "dd"), num("size", "si")}}
	list, err := r.resolve(cluster.Options{Open: true, Hidden: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	for _, res := range list {
		snap := res.Index.Shard.Snapshot()
		for i, v := range snap.Views {
			t.rows = append(t.rows, map[string]string{"index": res.Index.Name, "shard": "0", "prirep": "p", "ip": "127.0.0.1", "segment": "_" + strconv.FormatInt(int64(i), 36),
				"docs.count": strconv.Itoa(v.Live), "docs.deleted": strconv.Itoa(v.Docs() - v.Live), "size": r.size(v.Size())})
		}
		snap.Release()
	}
	return t, nil
}

func (r *request) catCount() (*table, error) {
	list, err := r.resolve(cluster.Options{Open: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	n := 0
	for _, res := range list {
		n += res.Index.Shard.Stats().Docs
	}
	now := time.Now().UTC()
	return &table{columns: []column{num("epoch", "t"), col("timestamp", "ts"), num("count", "dc")},
		rows: []map[string]string{{"epoch": strconv.FormatInt(now.Unix(), 10), "timestamp": now.Format("15:04:05"), "count": strconv.Itoa(n)}}}, nil
}

func (r *request) catAliases() (*table, error) {
	t := &table{columns: []column{col("alias", "a"), col("index", "i", "idx"), col("filter", "f"), col("routing.index", "ri"), col("routing.search", "rs"), col("is_write_index", "w")}}
	list, err := r.s.c.Resolve("*", cluster.Options{Open: true, Closed: true, Hidden: true, AllowNone: true})
	if err != nil {
		return nil, err
	}
	for _, res := range list {
		for _, name := range slices.Sorted(maps.Keys(res.Index.State().Aliases)) {
			if p := r.vars["name"]; p != "" && !matchesAny(strings.Split(p, ","), name) {
				continue
			}
			a := res.Index.State().Aliases[name]
			row := map[string]string{"alias": name, "index": res.Index.Name, "filter": "-", "routing.index": "-", "routing.search": "-", "is_write_index": "-"}
			if len(a.Filter) > 0 {
				row["filter"] = "*"
			}
			if a.IsWriteIndex != nil {
				row["is_write_index"] = strconv.FormatBool(*a.IsWriteIndex)
			}
			t.rows = append(t.rows, row)
		}
	}
	return t, nil
}

func (r *request) catTemplates() (*table, error) {
	t := &table{columns: []column{col("name", "n"), col("index_patterns", "t"), num("order", "o", "p"), num("version", "v"), col("composed_of", "c")}}
	found := r.s.c.Templates(r.vars["name"])
	for _, name := range slices.Sorted(maps.Keys(found)) {
		tpl := found[name]
		row := map[string]string{"name": name, "index_patterns": "[" + strings.Join(tpl.Patterns, ", ") + "]", "composed_of": "[" + strings.Join(tpl.ComposedOf, ", ") + "]"}
		if tpl.Priority != nil {
			row["order"] = strconv.FormatInt(*tpl.Priority, 10)
		}
		if tpl.Version != nil {
			row["version"] = strconv.FormatInt(*tpl.Version, 10)
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

func (r *request) catHealth() (*table, error) {
	out, err := r.health()
	if err != nil {
		return nil, err
	}
	h := out.(reply).body.(map[string]any)
	now := time.Now().UTC()
	return &table{columns: []column{num("epoch", "t"), col("timestamp", "ts"), col("cluster", "cl"), col("status", "st"), num("node.total", "nt"), num("node.data", "nd"), num("shards", "sh"),
		num("pri", "p"), num("relo", "r"), num("init", "i"), num("unassign", "u"), num("unassign.pri"), num("pending_tasks", "pt"), col("max_task_wait_time", "mtwt"), num("active_shards_percent", "asp")},
		rows: []map[string]string{{"epoch": strconv.FormatInt(now.Unix(), 10), "timestamp": now.Format("15:04:05"), "cluster": r.s.c.Name, "status": fmt.Sprint(h["status"]),
			"node.total": "1", "node.data": "1", "shards": fmt.Sprint(h["active_shards"]), "pri": fmt.Sprint(h["active_primary_shards"]), "relo": "0", "init": "0",
			"unassign": fmt.Sprint(h["unassigned_shards"]), "unassign.pri": "0", "pending_tasks": "0", "max_task_wait_time": "-", "active_shards_percent": fmt.Sprintf("%.1f%%", h["active_shards_percent_as_number"])}}}, nil
}

func (r *request) catNodes() (*table, error) {
	return &table{columns: []column{col("ip", "i"), num("heap.percent", "hp"), num("ram.percent", "rp"), num("cpu"), num("load_1m"), num("load_5m"), num("load_15m"), col("node.role", "r", "role"), col("master", "m"), col("name", "n")},
		rows: []map[string]string{{"ip": "127.0.0.1", "heap.percent": "1", "ram.percent": "1", "cpu": "0", "load_1m": "0.00", "load_5m": "0.00", "load_15m": "0.00",
			"node.role": "dim", "master": "*", "name": r.s.c.NodeName}}}, nil
}

// table prints a table as text, or as JSON where that is asked for.
func (r *request) table(t *table) (any, error) {
	if on, err := r.flag("help", false); err != nil || on {
		var b strings.Builder
		for _, c := range t.columns {
			fmt.Fprintf(&b, "%s | %s | \n", c.name, strings.Join(c.aliases, ","))
		}
		return reply{text: b.String()}, err
	}
	columns := slices.DeleteFunc(slices.Clone(t.columns), func(c column) bool { return c.hidden })
	if h := r.q.Get("h"); h != "" {
		columns = nil
		for _, want := range strings.Split(h, ",") {
			for _, c := range t.columns {
				if mapping.Glob(want, c.name) || slices.Contains(c.aliases, want) {
					columns = append(columns, c)
				}
			}
		}
	}
	if err := t.sort(r.q.Get("s")); err != nil {
		return nil, err
	}
	format := r.q.Get("format")
	switch {
	case format == "json" || format == "" && (strings.Contains(r.http.Header.Get("Accept"), "json")):
		out := []any{}
		for _, row := range t.rows {
			obj := map[string]any{}
			for _, c := range columns {
				if v := row[c.name]; v != "" || c.name == "filter" {
					obj[c.name] = v
				} else {
					obj[c.name] = nil
				}
			}
			out = append(out, obj)
		}
		return out, nil
	case format != "" && format != "text":
		return nil, eserr.Unsupported("cat format [%s]", format)
	}
	widths := make([]int, len(columns))
	verbose, err := r.flag("v", false)
	if err != nil {
		return nil, err
	}
	for i, c := range columns {
		if verbose {
			widths[i] = len(c.name)
		}
		for _, row := range t.rows {
			widths[i] = max(widths[i], len(row[c.name]))
		}
	}
	var b strings.Builder
	line := func(cell func(c column) string) {
		for i, c := range columns {
			if i > 0 {
				b.WriteByte(' ')
			}
			switch text := cell(c); {
			case c.number:
				fmt.Fprintf(&b, "%*s", widths[i], text)
			case i == len(columns)-1:
				b.WriteString(text)
			default:
				fmt.Fprintf(&b, "%-*s", widths[i], text)
			}
		}
		b.WriteByte('\n')
	}
	if verbose {
		line(func(c column) string { return c.name })
	}
	for _, row := range t.rows {
		line(func(c column) string { return row[c.name] })
	}
	return reply{text: b.String()}, nil
}

// sort orders the rows by columns, "docs.count:desc,index".
func (t *table) sort(spec string) error {
	if spec == "" {
		return nil
	}
	type key struct {
		c    column
		desc bool
	}
	var keys []key
	for _, part := range strings.Split(spec, ",") {
		name, order, _ := strings.Cut(part, ":")
		i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name || slices.Contains(c.aliases, name) })
		if i < 0 {
			return eserr.New(400, "unsupported_operation_exception", "Unable to sort by unknown sort key `%s`", name)
		}
		keys = append(keys, key{t.columns[i], order == "desc"})
	}
	slices.SortStableFunc(t.rows, func(a, b map[string]string) int {
		for _, k := range keys {
			c := strings.Compare(a[k.c.name], b[k.c.name])
			if k.c.number {
				x, errX := strconv.ParseFloat(a[k.c.name], 64)
				y, errY := strconv.ParseFloat(b[k.c.name], 64)
				if errX == nil && errY == nil {
					c = 0
					if x < y {
						c = -1
					} else if x > y {
						c = 1
					}
				}
			}
			if k.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return nil
}

// membersOf are the members of an object that may be missing.
func membersOf(v *xcontent.Value) []xcontent.Member {
	if v == nil {
		return nil
	}
	return v.Members
}
