package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ServerName is the name under which the server itself keeps its pid file.
const ServerName = "server"

// Lock keeps a second server out of a data directory. The kernel drops it when
// the process ends, however it ends.
type Lock struct {
	file   *os.File
	runDir string
}

// TakeLock locks runDir for this process and writes its pid file.
func TakeLock(runDir string) (*Lock, error) {
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(runDir, ServerName+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			r, _, _ := ReadRecord(runDir, ServerName)
			return nil, fmt.Errorf("data directory %s: a server runs on it already (pid %d); stop it, or give another --data-dir",
				filepath.Dir(runDir), r.PID)
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	self, err := newRecord(os.Getpid(), ServerName)
	if err == nil {
		err = writeRecord(runDir, ServerName, self)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Lock{file: f, runDir: runDir}, nil
}

// Release removes the pid file and lets another server in. A second call does
// nothing.
func (l *Lock) Release() {
	if l.file == nil {
		return
	}
	removeRecord(l.runDir, ServerName)
	_ = l.file.Close()
	l.file = nil
}
