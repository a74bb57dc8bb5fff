package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockFile waits until it alone holds the lock on file; the lock ends with the process at the latest. waiting is called
// where another holds it, at once and then every tellEvery, with the time that was waited.
func lockFile(ctx context.Context, file string, waiting func(waited time.Duration)) (unlock func(), err error) {
	began := time.Now()
	var told time.Time
	for {
		unlock, err := tryLock(file)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		if time.Since(told) >= tellEvery {
			told = time.Now()
			waiting(told.Sub(began))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock %s: %w", file, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

var errLocked = errors.New("locked by another process")

// tryLock takes the lock on file or says errLocked.
func tryLock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}
