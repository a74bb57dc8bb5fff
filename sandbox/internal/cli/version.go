package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCmd struct {
	stackFlag
}

func (c *versionCmd) Run(con *console) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) > 12 && !strings.Contains(version, s.Value[:12]) {
				version += " " + s.Value[:12]
			}
		}
	}
	fmt.Fprintf(con.out, "sandbox %s, %s, %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	s, err := c.load()
	if err != nil {
		return nil // outside of the repository there is nothing more to say
	}
	for _, component := range s.Components {
		if component.Image != "" {
			fmt.Fprintf(con.out, "%-14s %s\n", component.Name, component.Image[strings.LastIndex(component.Image, ":")+1:])
		}
	}
	return nil
}
