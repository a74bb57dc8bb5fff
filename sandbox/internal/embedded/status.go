package embedded

import (
	"time"
)

// State is where a component is in its life.
type State string

// The states, in the order in which a component goes through them.
const (
	// Waiting for what it needs.
	Waiting State = "waiting"
	// Building its program.
	Building State = "building"
	Starting State = "starting"
	Ready    State = "ready"
	// Restarting: it has died and will be started again.
	Restarting State = "restarting"
	// Failed: it could not be started at all, and the run ends.
	Failed  State = "failed"
	Stopped State = "stopped"
)

// Status is what is known of a component.
type Status struct {
	Component string `json:"component"`
	State     State  `json:"state"`
	// Addresses maps the names of its ports to host:port.
	Addresses map[string]string `json:"addresses"`
	// Address is the one of them that answers whether it is ready.
	Address string `json:"address"`
	// PID is 0 where no process runs.
	PID int `json:"pid,omitempty"`
	// ReadyAfter is the time from its process' start until it was ready, in nanoseconds; 0 before that.
	ReadyAfter time.Duration `json:"ready_after_ns,omitempty"`
	Restarts   int           `json:"restarts,omitempty"`
	// Memory is what it has in RAM, in bytes, as of a few seconds ago.
	Memory int64 `json:"memory_bytes,omitempty"`
	// Message is what is to be said about the state: progress of a build, how it ended.
	Message string `json:"message,omitempty"`
	// LastLines are the last lines of its log, where it has died.
	LastLines []string `json:"last_lines,omitempty"`
	// Log is its log file.
	Log string `json:"log"`
}

// Event is a change of a component's status.
type Event struct {
	Time time.Time `json:"time"`
	Status
}
