package runjob

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// archive is a zip with entries of these names, modes and contents.
func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type entry struct {
	name string
	mode fs.FileMode
	text string
}

func TestHostileArtifactsAreRefused(t *testing.T) {
	outside := t.TempDir()
	for name, data := range map[string][]byte{
		"parent":       archive(t, entry{"../evil", 0o644, "x"}),
		"absolute":     archive(t, entry{"/tmp/evil", 0o644, "x"}),
		"hidden":       archive(t, entry{"a/../../evil", 0o644, "x"}),
		"through link": archive(t, entry{"link", fs.ModeSymlink | 0o777, outside}, entry{"link/evil", 0o644, "x"}),
		"two links":    archive(t, entry{"a", fs.ModeSymlink | 0o777, "b"}, entry{"b", fs.ModeSymlink | 0o777, outside}, entry{"a/evil", 0o644, "x"}),
		"device":       archive(t, entry{"null", fs.ModeDevice | fs.ModeCharDevice | 0o666, ""}),
		"pipe":         archive(t, entry{"pipe", fs.ModeNamedPipe | 0o666, ""}),
		"socket":       archive(t, entry{"socket", fs.ModeSocket | 0o666, ""}),
		"file as dir":  archive(t, entry{"a", 0o644, "x"}, entry{"a/b", 0o644, "x"}),
		"no zip":       []byte("PK nonsense"),
	} {
		dir := t.TempDir()
		if err := Unzip(bytes.NewReader(data), dir, t.TempDir()); err == nil {
			t.Errorf("%s was unpacked", name)
		}
		if left, _ := os.ReadDir(outside); len(left) > 0 {
			t.Fatalf("%s: %v was written outside", name, left)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "evil")); err == nil {
			t.Fatalf("%s: written beside", name)
		}
	}
}

func TestWhatIsUnpackedIsBounded(t *testing.T) {
	dir := t.TempDir()
	p, err := newPlacer(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer p.root.Close()
	p.left, p.entries = 1000, 2
	if err := p.put("zeros", 0o644, "", time.Time{}, bytes.NewReader(make([]byte, 2000))); err == nil {
		t.Fatal("more than the limit was unpacked")
	}
	if info, err := os.Stat(filepath.Join(dir, "zeros")); err != nil || info.Size() > 1001 {
		t.Fatalf("%v %v", info, err)
	}
	for i, want := range []bool{true, false} {
		if err := p.put(fmt.Sprintf("d%d", i), fs.ModeDir|0o755, "", time.Time{}, nil); (err == nil) != want {
			t.Fatalf("entry %d: %v", i+2, err)
		}
	}
}

func TestReportsHaveNoSecrets(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "junit.xml"), []byte("<testcase>token: planted-secret</testcase>"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := zipFiles(&b, dir, []string{"junit.xml"}, [][]byte{[]byte("planted-secret")}); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := Unzip(&b, out, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "junit.xml"))
	if want := "<testcase>token: " + masked + "</testcase>"; err != nil || string(text) != want {
		t.Fatalf("%q, want %q (%v)", text, want, err)
	}
}

func FuzzUnzip(f *testing.F) {
	f.Add(archive(f, entry{"a/b", 0o644, "x"}, entry{"l", fs.ModeSymlink | 0o777, "../.."}, entry{"l/c", 0o644, "y"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		above := t.TempDir()
		dir := filepath.Join(above, "in")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_ = Unzip(bytes.NewReader(data), dir, t.TempDir())
		if left, err := os.ReadDir(above); err != nil || len(left) != 1 {
			t.Fatalf("%v beside the directory (%v)", left, err)
		}
	})
}
