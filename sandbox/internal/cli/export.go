package cli

import (
	"fmt"

	"obsandbox/sandbox/internal/export"
)

// exportCmd hands the stack over.
type exportCmd struct {
	Kubernetes exportKubernetes `cmd:"" help:"Write the stack's configuration as Kubernetes objects, for kustomize."`
}

type exportKubernetes struct {
	stackFlag
	Out       string `required:"" type:"path" placeholder:"DIR" help:"Where to write: a new directory, an empty one, or that of an earlier export."`
	Namespace string `default:"monitoring" help:"The namespace of the monitoring programs."`
}

func (c *exportKubernetes) Run(con *console) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	files, err := export.Kubernetes(s, export.Options{Namespace: c.Namespace})
	if err != nil {
		return err
	}
	if err := files.Write(c.Out); err != nil {
		return err
	}
	fmt.Fprintf(con.out, "%d files in %s\nwith the Prometheus operator:    kubectl apply -k %s/operator\nwithout it:                      kubectl apply -k %s/plain\nprobes, in the services' own kustomization:  components: [%s/probes]\n",
		len(files), c.Out, c.Out, c.Out, c.Out)
	return nil
}
