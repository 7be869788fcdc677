package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func archive(t testing.TB, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = strings.Repeat("x", int(h.Size))
		}
		if h.Mode == 0 && h.Typeflag != tar.TypeXGlobalHeader {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func file(name string, size int64) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Size: size}
}

func link(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}

func TestUnpack(t *testing.T) {
	script := file("bin/run", 3)
	script.Mode = 0o4755
	plain := archive(t, tar.Header{Name: "pax", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}},
		tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}, script, file("./Dockerfile", 10), link("a/b/link", "../../Dockerfile"),
		link("dangling", "nothing"), link("circle", "circle"), tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "Dockerfile"})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(plain.Bytes())
	_ = z.Close()
	for name, data := range map[string]*bytes.Buffer{"plain": plain, "gzip": &zipped} {
		dir := t.TempDir()
		if err := Unpack(data, dir, DefaultLimits); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if info, err := os.Stat(filepath.Join(dir, "bin/run")); err != nil || info.Mode() != 0o755 {
			t.Errorf("%s: bin/run: %v %v", name, info, err)
		}
		for _, f := range []string{"Dockerfile", "a/b/link", "hard"} {
			if data, err := os.ReadFile(filepath.Join(dir, f)); err != nil || len(data) != 10 {
				t.Errorf("%s: %s: %q %v", name, f, data, err)
			}
		}
	}
}

// The classes of hostile contexts: each is refused with an error that names the
// entry or the limit, and nothing appears outside.
func TestHostileContexts(t *testing.T) {
	for name, c := range map[string]struct {
		headers []tar.Header
		says    string
	}{
		"parent":              {[]tar.Header{file("../x", 1)}, `"../x"`},
		"parent within":       {[]tar.Header{file("a/../../x", 1)}, `"a/../../x"`},
		"absolute":            {[]tar.Header{file("/etc/x", 1)}, `"/etc/x"`},
		"link to parent":      {[]tar.Header{link("l", "../x")}, "outside the context"},
		"link absolute":       {[]tar.Header{link("l", "/etc/passwd")}, "outside the context"},
		"link chain":          {[]tar.Header{link("p/q/up", "../.."), link("l", "p/q/up/../../../etc")}, "outside the context"},
		"write through link":  {[]tar.Header{link("l", "d"), file("l/x", 1)}, "not a directory"},
		"link below link":     {[]tar.Header{file("d/x", 1), link("a/b/c/l", "../../../d"), link("a/b/c/l/y", "../../../z")}, "not a directory"},
		"directory over link": {[]tar.Header{link("l", "d"), {Name: "l", Typeflag: tar.TypeDir}}, "something else"},
		"file over link":      {[]tar.Header{file("d", 1), link("l", "d"), file("l", 1)}, `"l"`},
		"hard link outside":   {[]tar.Header{{Name: "h", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"}}, "not a path within"},
		"hard link to link":   {[]tar.Header{link("l", "d"), {Name: "h", Typeflag: tar.TypeLink, Linkname: "l"}}, "hard link"},
		"device":              {[]tar.Header{{Name: "d", Typeflag: tar.TypeChar}}, "device"},
		"pipe":                {[]tar.Header{{Name: "d", Typeflag: tar.TypeFifo}}, "device"},
		"too large":           {[]tar.Header{file("a", 600), file("b", 600)}, "which is the limit"},
		"too many":            {[]tar.Header{file("1", 0), file("2", 0), file("3", 0), file("4", 0), file("5", 0)}, "more than 4 files"},
		"too deep":            {[]tar.Header{file(strings.Repeat("d/", 9)+"x", 1)}, "deeper than 8"},
	} {
		t.Run(name, func(t *testing.T) {
			outer := t.TempDir()
			dir := filepath.Join(outer, "in", "context")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			err := Unpack(archive(t, c.headers...), dir, Limits{Bytes: 1000, Entries: 4, Depth: 8})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q in it", err, c.says)
			}
			mustBeAlone(t, outer, dir)
		})
	}
}

// A gzip bomb stops at the limit, whatever the headers say.
func TestGzipBomb(t *testing.T) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	_ = w.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1 << 30})
	for range 64 {
		_, _ = w.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	if err := Unpack(&out, t.TempDir(), Limits{Bytes: 1 << 20, Entries: 10, Depth: 4}); err == nil || !strings.Contains(err.Error(), "1 MiB, which is the limit") {
		t.Error(err)
	}
}

func mustBeAlone(t testing.TB, outer, dir string) {
	t.Helper()
	err := filepath.WalkDir(outer, func(p string, _ fs.DirEntry, err error) error {
		if err == nil && !strings.HasPrefix(dir, p) && !strings.HasPrefix(p, dir+"/") {
			t.Errorf("%s appeared", p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, file("Dockerfile", 10), link("a/l", "../Dockerfile")).Bytes())
	f.Add(archive(f, link("p/q/up", "../.."), link("l", "p/q/up/../../../etc")).Bytes())
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "in", "context")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_ = Unpack(bytes.NewReader(data), dir, Limits{Bytes: 1 << 16, Entries: 20, Depth: 8})
		mustBeAlone(t, outer, dir)
	})
}
