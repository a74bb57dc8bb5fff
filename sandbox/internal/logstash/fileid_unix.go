//go:build unix

package logstash

import (
	"fmt"
	"io/fs"
	"syscall"
)

// fileID tells files apart whatever they are called: inode and device.
func fileID(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d 0 %d", st.Ino, st.Dev)
	}
	return info.Name() + " 0 0"
}
