package git

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// browsed is a repository with all kinds of entries.
func browsed(t *testing.T) (b *bench, first, second string) {
	b = newBench(t)
	b.commit("w", "d/old", strings.Join(strings.Split(strings.Repeat("line ", 40), " "), "\n"))
	file := func(name string) string { return filepath.Join(b.work, "w", name) }
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(file("bin"), []byte("x\x00y"), 0o644))
	must(os.WriteFile(file("latin"), []byte("caf\xe9\n"), 0o644))
	must(os.Symlink("/etc/passwd", file("link")))
	must(os.WriteFile(file("large"), []byte(strings.Repeat("0123456789\n", 200_000)), 0o644))
	first = b.commit("w", "a", "a\nb\n")
	must(os.Remove(file("link")))
	must(os.WriteFile(file("bin"), []byte("x\x00z"), 0o644))
	b.git("w", "mv", "d/old", `d/<script> "x" 名`)
	b.git("w", "rm", "-q", "latin")
	must(os.Chmod(file("a"), 0o755))
	second = b.commit("w", "link", "diff --git a/x b/x\n")
	b.git("w", "push", "-q", b.url("w"), "main")
	return b, first, second
}

func TestShow(t *testing.T) {
	b, first, _ := browsed(t)
	for path, want := range map[string]Blob{
		"a":     {Size: 4, Kind: "file", Text: "a\nb\n"},
		"bin":   {Size: 3, Kind: "file", Binary: true},
		"latin": {Size: 5, Kind: "file", Binary: true},
		"link":  {Size: 11, Kind: "link", Text: "/etc/passwd"},
		"large": {Size: 2_200_000, Kind: "file", Large: true},
	} {
		want.Path = path
		if got, err := b.host.Show(t.Context(), "default", "w", first, path); err != nil || got != want {
			t.Errorf("%s: %+v %v", path, got, err)
		}
	}
	for path, want := range map[string]error{"d": ErrName, "": ErrName, "../x": ErrName, "/etc/passwd": ErrName, "a/b": ErrNotFound, "none": ErrNotFound, "a\x00b": ErrName} {
		if _, err := b.host.Show(t.Context(), "default", "w", first, path); !errors.Is(err, want) {
			t.Errorf("%q: %v", path, err)
		}
		if _, _, err := b.host.Open(t.Context(), "default", "w", first, path); !errors.Is(err, want) {
			t.Errorf("%q: %v", path, err)
		}
	}
	r, size, err := b.host.Open(t.Context(), "default", "w", first, "large")
	if err != nil || size != 2_200_000 {
		t.Fatal(size, err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); err != nil || n != size {
		t.Fatal(n, err)
	}
}

func TestCommitDiff(t *testing.T) {
	b, first, second := browsed(t)
	c, d, err := b.host.CommitDiff(t.Context(), "default", "w", second)
	if err != nil || c.Hash != second || d.From != first {
		t.Fatal(c, d, err)
	}
	got := map[string]string{}
	for _, f := range d.Files {
		got[f.Path] = fmt.Sprintf("%s %s +%d -%d %v %v", f.Status, f.Old, f.Additions, f.Deletions, f.Binary, f.Patch != "")
	}
	want := map[string]string{
		"a":                "modified  +0 -0 false false", // its mode only
		"bin":              "modified  +0 -0 true false",
		`d/<script> "x" 名`: "renamed d/old +0 -0 false false",
		"latin":            "deleted  +0 -1 false true",
		"link":             "retyped  +1 -1 false true",
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	for path, w := range want {
		if got[path] != w {
			t.Errorf("%s: %q, want %q", path, got[path], w)
		}
	}
	link := d.Files[slices.IndexFunc(d.Files, func(f FileDiff) bool { return f.Path == "link" })]
	if link.Patch != "@@ -1 +0,0 @@\n-/etc/passwd\n\\ No newline at end of file\n@@ -0,0 +1 @@\n+diff --git a/x b/x\n" {
		t.Errorf("%q", link.Patch)
	}
	// The root has no parent: all of it is new.
	root := b.git("w", "rev-list", "--max-parents=0", "HEAD")
	if _, d, err := b.host.CommitDiff(t.Context(), "default", "w", root); err != nil || len(d.Files) != 1 || d.Files[0].Status != "added" || d.Files[0].Additions == 0 || d.From != "" {
		t.Fatal(d, err)
	}
	if _, d, err := b.host.CommitDiff(t.Context(), "default", "w", first); err != nil || !d.Files[slices.IndexFunc(d.Files, func(f FileDiff) bool { return f.Path == "large" })].Large {
		t.Fatal(err)
	}
}

func TestHistoryAndCompare(t *testing.T) {
	b := newBench(t)
	for i := range 7 {
		b.commit("w", fmt.Sprintf("f%d", i%2), fmt.Sprint(i))
	}
	b.git("w", "checkout", "-q", "-b", "side", "HEAD~3")
	b.commit("w", "side", "1")
	b.git("w", "checkout", "-q", "--orphan", "apart")
	b.commit("w", "apart", "1")
	b.git("w", "push", "-q", b.url("w"), "main", "side", "apart")
	at := func(rev string) string {
		c, err := b.host.Look(t.Context(), "default", "w", rev)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	main, side := at("main"), at("side")
	if at(main) != main || at(main[:8]) != main {
		t.Fatal("not found by its name")
	}
	subjects := func(p Page) (out []string) {
		for _, c := range p.Items {
			out = append(out, c.Subject)
		}
		return out
	}
	p, err := b.host.History(t.Context(), "default", "w", main, "", 0, 3)
	if err != nil || !p.More || len(p.Items) != 3 || p.Items[0].Hash != main {
		t.Fatal(p, err)
	}
	if p, err = b.host.History(t.Context(), "default", "w", main, "", 6, 3); err != nil || p.More || len(p.Items) != 1 {
		t.Fatal(p, err)
	}
	if p, err = b.host.History(t.Context(), "default", "w", main, "f1", 0, 0); err != nil || len(p.Items) != 3 || subjects(p)[0] != "write f1" {
		t.Fatal(p, err)
	}
	for _, path := range []string{"--all", ":(top)f0", "*", ":!f1", "none"} { // a path is a path
		if p, err := b.host.History(t.Context(), "default", "w", main, path, 0, 0); err != nil || len(p.Items) != 0 {
			t.Errorf("%s: %v %v", path, p, err)
		}
	}
	for _, path := range []string{"a\nb", "../x", "/x"} {
		if _, err := b.host.History(t.Context(), "default", "w", main, path, 0, 0); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", path, err)
		}
	}
	c, err := b.host.Compare(t.Context(), "default", "w", main, side)
	if err != nil || c.Base != at(main) && c.Base == "" || len(c.Items) != 1 || len(c.Diff.Files) != 1 || c.Diff.Files[0].Path != "side" {
		t.Fatal(c, err)
	}
	if c, err = b.host.Compare(t.Context(), "default", "w", main, at("apart")); err != nil || c.Base != "" || len(c.Items) != 1 || len(c.Diff.Files) < 2 {
		t.Fatal(c, err)
	}
	for _, rev := range []string{"-x", "main^", "--all", "HEAD@{1}", "abcdef12", ":/x", "main..side"} {
		if c, err := b.host.Look(t.Context(), "default", "w", rev); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %s %v", rev, c, err)
		}
	}
}

func TestViewsAreBounded(t *testing.T) {
	b := newBench(t)
	b.host.init()
	big := &limitedBuffer{most: 10, full: func() {}}
	for range 5 {
		if n, err := big.Write([]byte("abcd")); n != 4 || err != nil {
			t.Fatal(n, err)
		}
	}
	if big.String() != "abcdabcdab" || !big.cut {
		t.Fatal(big.String())
	}
	b.commit("w", "a", strings.Repeat("x\n", maxDiff))
	b.git("w", "push", "-q", b.url("w"), "main")
	d, err := b.host.Diff(t.Context(), "default", "w", "", b.git("w", "rev-parse", "HEAD"))
	if err != nil || !d.More || len(d.Files) != 1 || !d.Files[0].Large {
		t.Fatal(d.More, err)
	}
}

func FuzzParseDiff(f *testing.F) {
	f.Add([]byte(":100644 100644 a b R097\x00d/old\x00d/new\x000\t1\t\x00d/old\x00d/new\x00\x00diff --git a b\n@@ -1 +1 @@\n-a\n+b\n"), false)
	f.Add([]byte(":100644 100644 a b T\x00l\x001\t1\tl\x00\x00diff --git a b\n@@ -1 +0,0 @@\n-a\ndiff --git a b\n@@ -0,0 +1 @@\n+b\n"), true)
	f.Add([]byte(":000000 100644 a b A\x00l"), false)
	f.Fuzz(func(t *testing.T, b []byte, cut bool) {
		d, err := parseDiff(b, cut)
		if err == nil && d.Files == nil {
			t.Fatal("no list")
		}
	})
}
