package logs

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAnInodeIsUsedAgain by a pod's file after that of another was deleted while the
// collector was down.
func TestAnInodeIsUsedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	old := record("F", "read already") + record("F", "and this")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil { // truncates: the inode stays
			t.Fatal(err)
		}
	}
	offset := func(known map[uint64]position) int64 {
		t.Helper()
		f, err := openTail(path, known)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.file.Close(); err != nil {
			t.Fatal(err)
		}
		return f.offset
	}
	write(old)
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	known := map[uint64]position{fi.Sys().(*syscall.Stat_t).Ino: {Offset: int64(len(old)), Head: []byte(old[:headBytes])}}
	write(old + record("F", "new"))
	if got := offset(known); got != int64(len(old)) {
		t.Errorf("the same file is read from %d, want %d", got, len(old))
	}
	for what, text := range map[string]string{"shorter": record("F", "x"), "longer": record("F", "a line of another pod") + old, "empty": ""} {
		write(text)
		if got := offset(known); got != 0 {
			t.Errorf("another file, %s, is read from %d", what, got)
		}
	}
}
