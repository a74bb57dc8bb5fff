//go:build unix && !linux

package embedded

import "syscall"

// childAttributes put a child into a process group of its own, so that its children can be reached too and Ctrl-C in
// the terminal reaches the supervisor alone.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// kernelKills says that nothing but the guard pipe tells children of their parent's death.
const kernelKills = false
