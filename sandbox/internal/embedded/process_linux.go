package embedded

import "syscall"

// childAttributes put a child into a process group of its own, so that its children can be reached too and Ctrl-C in
// the terminal reaches the supervisor alone. The kernel kills the child when the thread that started it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kernelKills says that the kernel ends the children of a dead parent.
const kernelKills = true
