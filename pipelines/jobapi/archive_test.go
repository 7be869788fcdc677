package jobapi

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// zipped writes an archive of what add puts into it and opens it as a store would.
func zipped(t testing.TB, add func(*zip.Writer) error) (*Archive, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.zip")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	if err := errors.Join(add(w), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if f, err = os.Open(name); err != nil {
		t.Fatal(err)
	}
	return OpenArchive(f)
}

func entry(w *zip.Writer, name string, mode fs.FileMode, body string) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(mode)
	out, err := w.CreateHeader(h)
	if err == nil {
		_, err = io.WriteString(out, body)
	}
	return err
}

func TestArchiveRead(t *testing.T) {
	a, err := zipped(t, func(w *zip.Writer) error {
		return errors.Join(
			entry(w, "ci/child.yml", 0o644, "job: {script: echo}"), entry(w, "ci/child.yml", 0o644, "second"),
			entry(w, "ci/", fs.ModeDir|0o755, ""), entry(w, "link.yml", fs.ModeSymlink|0o777, "/etc/shadow"),
			entry(w, "../../up.yml", 0o644, "up"), entry(w, "bomb.yml", 0o644, strings.Repeat("a", 10<<20)),
			entry(w, "pipe.yml", fs.ModeNamedPipe|0o644, ""))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for name, want := range map[string]any{
		"ci/child.yml": "job: {script: echo}", "./ci//child.yml": "job: {script: echo}", "up.yml": fs.ErrNotExist, "none.yml": fs.ErrNotExist,
		"ci": ErrNoFile, "link.yml": ErrNoFile, "pipe.yml": ErrNoFile, "bomb.yml": ErrTooLarge,
	} {
		got, err := a.Read(name, 1<<20)
		if text, ok := want.(string); ok && (err != nil || string(got) != text) {
			t.Errorf("%s: %q %v", name, got, err)
		} else if fault, ok := want.(error); ok && !errors.Is(err, fault) {
			t.Errorf("%s: %q, want %v", name, err, fault)
		}
	}
}

// TestArchiveOfManyFiles: a list of files that would fill the memory is not read.
func TestArchiveOfManyFiles(t *testing.T) {
	long := strings.Repeat("n", 60_000)
	_, err := zipped(t, func(w *zip.Writer) error {
		for range maxDirectory/len(long) + 2 {
			if _, err := w.CreateHeader(&zip.FileHeader{Name: long}); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("err %v", err)
	}
}

type file struct{ *bytes.Reader }

func (file) Close() error                 { return nil }
func (f file) Stat() (fs.FileInfo, error) { return size(f.Size()), nil }

type size int64

func (s size) Size() int64 { return int64(s) }

func (size) ModTime() time.Time { return time.Time{} }
func (size) Name() string       { return "" }
func (size) Mode() fs.FileMode  { return 0 }
func (size) IsDir() bool        { return false }
func (size) Sys() any           { return nil }

// FuzzArchiveRead: whatever the bytes, no more than the limit comes out.
func FuzzArchiveRead(f *testing.F) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if err := errors.Join(entry(w, "a.yml", 0o644, "job: {script: echo}"), entry(w, "l.yml", fs.ModeSymlink, "a.yml"), w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := OpenArchive(file{bytes.NewReader(data)})
		if err != nil {
			return
		}
		for _, name := range []string{"a.yml", "l.yml", ""} {
			if got, err := a.Read(name, 1<<10); len(got) > 1<<10 || err != nil && got != nil {
				t.Errorf("%d bytes, err %v", len(got), err)
			}
		}
	})
}
