package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portHolders describes the processes that listen on a port, as far as this user may see them.
func portHolders(port int, udp bool) []string {
	tables := []string{"/proc/net/tcp", "/proc/net/tcp6"}
	if udp {
		tables = []string{"/proc/net/udp", "/proc/net/udp6"}
	}
	sockets := map[string]bool{}
	for _, table := range tables {
		data, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
			f := strings.Fields(line)
			const listening = "0A"
			if len(f) < 10 || (!udp && f[3] != listening) {
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			if n, err := strconv.ParseInt(hex, 16, 32); err == nil && int(n) == port {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	if len(sockets) == 0 {
		return nil
	}
	var holders []string
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	for _, dir := range processes {
		fds, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			continue // gone, or of another user
		}
		for _, fd := range fds {
			if link, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err == nil && sockets[link] {
				holders = append(holders, describeProcess(filepath.Base(dir)))
				break
			}
		}
	}
	return holders
}

// describeProcess is "process 12 (name args …)".
func describeProcess(pid string) string {
	data, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err != nil || len(data) == 0 {
		return "process " + pid
	}
	line := strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))
	const enough = 100
	if r := []rune(line); len(r) > enough {
		line = string(r[:enough]) + "…"
	}
	return fmt.Sprintf("process %s (%s)", pid, line)
}

// residentBytes is the memory of a process that lies in RAM; 0 where it is gone.
func residentBytes(pid int) int64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(data))
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
