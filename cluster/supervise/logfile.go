package supervise

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A child writes straight into its file, opened for appending, so that it can
// go on when the server is killed; a pipe would end it with SIGPIPE. Rotation
// therefore copies the file away and truncates it.
const (
	logMaxBytes = 16 << 20
	logKeep     = 3
)

// LogFile is where the output of a child is kept.
func LogFile(logDir, name string) string { return filepath.Join(logDir, name+".log") }

func openLog(logDir, name string) (*os.File, error) {
	if err := os.MkdirAll(logDir, 0o750); err != nil {
		return nil, err
	}
	return os.OpenFile(LogFile(logDir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
}

// rotate moves a file that has grown beyond max to <file>.1, and the older
// ones on by one, keeping keep of them.
func rotate(file string, max int64, keep int) error {
	st, err := os.Stat(file)
	if err != nil || st.Size() <= max {
		return nil
	}
	for i := keep - 1; i >= 1; i-- {
		_ = os.Rename(fmt.Sprintf("%s.%d", file, i), fmt.Sprintf("%s.%d", file, i+1))
	}
	src, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(file+".1", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer dst.Close()
	if _, err := io.Copy(dst, src); err != nil {
		return fmt.Errorf("rotate %s: %w", file, err)
	}
	return src.Truncate(0)
}

// Tail returns the last lines of a child's log, for messages.
func Tail(file string, maxBytes int64) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > maxBytes {
		_, _ = f.Seek(-maxBytes, io.SeekEnd)
	}
	data, _ := io.ReadAll(io.LimitReader(f, maxBytes))
	return string(data)
}
