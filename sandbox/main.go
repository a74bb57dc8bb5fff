// Command sandbox runs and checks the monitoring stack in stack/ on this machine, without containers.
package main

import (
	"os"

	"obsandbox/sandbox/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}
