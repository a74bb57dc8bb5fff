// Command gen writes the rules of the stack's objectives. Run it through `go generate ./sandbox/internal/slo`.
package main

import (
	"fmt"
	"os"

	"obsandbox/sandbox/internal/slo"
	"obsandbox/sandbox/internal/stack"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := stack.Find(".")
	if err != nil {
		return err
	}
	// Not stack.Load, which wants every file that stack.yaml names: these may be the ones that are about to be written.
	s := &stack.Stack{Dir: dir}
	if _, err := stack.DecodeFile(s.Path(stack.FileName), s); err != nil {
		return err
	}
	return slo.Write(s)
}
