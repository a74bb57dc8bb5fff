package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"obsandbox/sandbox/internal/report"
)

// reportsCmd makes one report of several, in every format.
type reportsCmd struct {
	Dir   string   `required:"" type:"path" placeholder:"DIR" help:"Where junit.xml, report.json and report.html are written."`
	Files []string `arg:"" type:"path" help:"Reports that --format json has written."`
}

func (c *reportsCmd) Run(con *console) error {
	all := &report.Report{}
	for _, file := range c.Files {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read a report: %w", err)
		}
		var one report.Report
		if err := json.Unmarshal(data, &one); err != nil {
			return fmt.Errorf("%s is no report of --format json: %w", file, err)
		}
		all.Add(one.Results...)
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("write the reports: %w", err)
	}
	for name, write := range map[string]func(io.Writer) error{"junit.xml": all.JUnit, "report.json": all.JSON, "report.html": all.HTML} {
		if err := writeFile(filepath.Join(c.Dir, name), write); err != nil {
			return fmt.Errorf("write the reports: %w", err)
		}
	}
	if err := all.HumanEnd(con.out, colourful(con.out)); err != nil {
		return err
	}
	return verdict(all)
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
