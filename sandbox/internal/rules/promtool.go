package rules

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Verdict is what promtool says of one test file.
type Verdict struct {
	OK bool
	// Cases are its test groups in order; empty where the file was not read to the end.
	Cases []VerdictCase
	// Errors are what kept promtool from running the file.
	Errors []string
	// Duration is the share of promtool's time that the file took; all files of a call count the same.
	Duration time.Duration
}

// VerdictCase is what promtool says of one test group.
type VerdictCase struct {
	Name     string
	Messages []string
}

// Promtool runs `promtool test rules` on files, several processes side by side, and keeps each file's verdict and
// messages as promtool gives them.
type Promtool struct {
	// Path is the program.
	Path string
	// Jobs is the number of processes; 0 is one for each processor.
	Jobs int
	// Args are further arguments, such as --ignore-unknown-fields.
	Args []string
}

// batchSize is the most files in one call. A process costs its start (25 ms) and the memory that it takes from the
// system; with more files in each, one may be left with much work when the others are done.
const batchSize = 32

// Test judges the files. The error says that promtool could not run at all.
func (p Promtool) Test(ctx context.Context, files []string) (map[string]*Verdict, error) {
	jobs := p.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	// Each process gets the same number of calls, of the same number of files.
	calls := jobs * max(1, (len(files)+jobs*batchSize-1)/(jobs*batchSize))
	// Neighbours are about the same thing, and take the same time: each call gets some of all.
	batches := make([][]string, min(calls, len(files)))
	for i, file := range files {
		batches[i%len(batches)] = append(batches[i%len(batches)], file)
	}
	work := make(chan []string)
	verdicts := map[string]*Verdict{}
	var errs []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(jobs, len(batches)) {
		wg.Go(func() {
			for batch := range work {
				got, err := p.call(ctx, batch, jobs)
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
				}
				for file, v := range got {
					verdicts[file] = v
				}
				mu.Unlock()
			}
		})
	}
	for _, batch := range batches {
		work <- batch
	}
	close(work)
	wg.Wait()
	return verdicts, errors.Join(errs...)
}

// junit is promtool's report.
type junit struct {
	Suites []struct {
		Name  string `xml:"name,attr"`
		Cases []struct {
			Name     string   `xml:"name,attr"`
			Failures []string `xml:"failure"`
			Aborts   []string `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func (p Promtool) call(ctx context.Context, files []string, jobs int) (map[string]*Verdict, error) {
	dir, err := os.MkdirTemp("", "promtool-")
	if err != nil {
		return nil, fmt.Errorf("run promtool: %w", err)
	}
	defer os.RemoveAll(dir)
	report := filepath.Join(dir, "report.xml")
	args := append([]string{"test", "rules", "--junit=" + report}, p.Args...)
	cmd := exec.CommandContext(ctx, p.Path, append(args, files...)...)
	// A collection for each few megabytes is a third of promtool's time, and collecting side by side with another
	// process is slower than one after the other. Its databases stay on disk: in a file system in memory, the files that
	// they grow to beforehand cost more than all the rest.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "GOGC=800", "GOMEMLIMIT=400MiB", fmt.Sprintf("GOMAXPROCS=%d", max(1, runtime.NumCPU()/jobs)))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	runErr := cmd.Run()
	took := time.Since(began) / time.Duration(len(files))
	var exit *exec.ExitError
	if runErr != nil && (!errors.As(runErr, &exit) || ctx.Err() != nil) {
		return nil, fmt.Errorf("run promtool on %s: %w", strings.Join(files, " "), runErr)
	}
	data, err := os.ReadFile(report)
	var parsed junit
	if err == nil {
		err = xml.Unmarshal(data, &parsed)
	}
	if err != nil || len(parsed.Suites) != len(files) {
		return nil, fmt.Errorf("promtool gave no report on %s: %s", strings.Join(files, " "), strings.TrimSpace(out.String()))
	}
	verdicts := map[string]*Verdict{}
	for i, suite := range parsed.Suites {
		v := &Verdict{OK: true, Duration: took}
		for _, c := range suite.Cases {
			v.Cases = append(v.Cases, VerdictCase{Name: c.Name, Messages: c.Failures})
			v.Errors = append(v.Errors, c.Aborts...)
			v.OK = v.OK && len(c.Failures) == 0 && len(c.Aborts) == 0
		}
		v.OK = v.OK && len(v.Errors) == 0
		verdicts[files[i]] = v
	}
	return verdicts, nil
}
