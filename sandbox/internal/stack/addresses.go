package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Addresses says where a running stack answers. `up` writes it as addresses.json; whatever looks at a running stack
// (smoke checks, faults, the viewer) needs nothing else.
type Addresses struct {
	// Mode is "embedded" or "containers".
	Mode string `json:"mode"`
	// StackDir is the stack directory that is running.
	StackDir string `json:"stack_dir"`
	// PID is the process that supervises the stack; 0 where it is not of this machine.
	PID int `json:"pid,omitempty"`
	// Factor is how many times as fast the monitoring goes; 0 for as it is checked in.
	Factor float64 `json:"factor,omitempty"`
	// Components maps a component's name and a port's name to "host:port".
	Components map[string]map[string]string `json:"components"`
}

// Of is the "host:port" of a component's port; empty where the component does not run.
func (a Addresses) Of(component, port string) string { return a.Components[component][port] }

// URL is "http://host:port" of a component's port; empty where the component does not run.
func (a Addresses) URL(component, port string) string {
	if hp := a.Of(component, port); hp != "" {
		return "http://" + hp
	}
	return ""
}

// On are the same ports on one host.
func (a Addresses) On(host string) (Addresses, error) {
	all := map[string]map[string]string{}
	for component, ports := range a.Components {
		all[component] = map[string]string{}
		for name, address := range ports {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return a, fmt.Errorf("the address of %s: %w", component, err)
			}
			all[component][name] = net.JoinHostPort(host, port)
		}
	}
	a.Components = all
	return a, nil
}

// ReadAddresses reads an addresses.json.
func ReadAddresses(file string) (Addresses, error) {
	var a Addresses
	data, err := os.ReadFile(file)
	if err != nil {
		return a, fmt.Errorf("read the addresses of a running stack: %s: %w", file, errors.Unwrap(err))
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, fmt.Errorf("read the addresses of a running stack: %s: %w", file, err)
	}
	if len(a.Components) == 0 {
		return a, fmt.Errorf("%s names no components: is it an addresses.json that `up` wrote?", file)
	}
	return a, nil
}

// Write stores the addresses so that a reader sees either the old file or the whole new one.
func (a Addresses) Write(file string) error {
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".addresses-*")
	if err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, werr := tmp.Write(append(data, '\n'))
	if err := errors.Join(werr, tmp.Close()); err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fmt.Errorf("write addresses: %w", err)
	}
	return nil
}
