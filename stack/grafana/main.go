// Command grafana writes the platform's dashboards, one JSON file each, as Grafana's provisioning reads them.
//
//	go generate ./stack/grafana        writes dashboards/
//	go run ./stack/grafana -out DIR    writes somewhere else
//
// A dashboard is a function that lists its panels; panel.go has the words that all of them share, alerts.go reads the
// limits that panels draw from the alerts' own expressions.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

//go:generate go run .

func main() {
	_, file, _, _ := runtime.Caller(0)
	here := filepath.Dir(file)
	out := flag.String("out", filepath.Join(here, "dashboards"), "the directory to write to")
	rules := flag.String("rules", filepath.Join(here, "..", "prometheus", "*", "*.yml"), "the rule files whose limits are drawn")
	flag.Parse()
	if err := write(*out, *rules); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

// write builds all dashboards before it writes the first.
func write(dir, rules string) error {
	read, err := readLimits(rules)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	for _, build := range []func(*limits) *dashboard.DashboardBuilder{overview, collection, processing, storage, infrastructure, objectives} {
		board, err := build(read).Build()
		if err != nil {
			return fmt.Errorf("build a dashboard: %w", err)
		}
		number(&board)
		data, err := json.MarshalIndent(board, "", "  ")
		if err != nil {
			return fmt.Errorf("write dashboard %s: %w", *board.Uid, err)
		}
		files[*board.Uid+".json"] = append(data, '\n')
	}
	if err := read.err(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the dashboards: %w", err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("write the dashboards: %w", err)
		}
	}
	return nil
}

// number gives every panel an id that is its place, so that a link to a panel stays the same from one build to the next.
func number(board *dashboard.Dashboard) {
	for i, p := range board.Panels {
		id := uint32(i + 1)
		switch {
		case p.Panel != nil:
			p.Panel.Id = &id
		case p.RowPanel != nil:
			p.RowPanel.Id = id
		}
	}
}
