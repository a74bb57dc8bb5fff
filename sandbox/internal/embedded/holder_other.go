//go:build unix && !linux

package embedded

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// portHolders describes the processes that listen on a port, where lsof is installed and may see them.
func portHolders(port int, udp bool) []string {
	args := []string{"-nP", "-Fpc", "-iTCP:" + strconv.Itoa(port), "-sTCP:LISTEN"}
	if udp {
		args = []string{"-nP", "-Fpc", "-iUDP:" + strconv.Itoa(port)}
	}
	out, err := exec.Command("lsof", args...).Output()
	if err != nil {
		return nil
	}
	var holders []string
	pid := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "p"):
			pid = line[1:]
		case strings.HasPrefix(line, "c"):
			holders = append(holders, fmt.Sprintf("process %s (%s)", pid, line[1:]))
		}
	}
	return holders
}

// residentBytes is the memory of a process that lies in RAM; 0 where it is gone.
func residentBytes(pid int) int64 {
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0
	}
	return kib * 1024
}
