package jobcache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/cluster/disk"
)

func read(t *testing.T, s *Store, scope Scope, keys ...string) (text, key string) {
	t.Helper()
	f, key, err := s.Get(scope, keys)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), key
}

func put(t *testing.T, s *Store, scope Scope, key, text string) {
	t.Helper()
	if err := s.Put(scope, key, strings.NewReader(text), 1<<20); err != nil {
		t.Fatal(err)
	}
}

func TestKeysFallBackAndScopesAreApart(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	shop := Scope{Namespace: "default", Repository: "shop"}
	put(t, s, shop, "main", "one")
	put(t, s, shop, "../../evil\x00\n", "two")
	if text, key := read(t, s, shop, "feature", "main"); text != "one" || key != "main" {
		t.Errorf("%q under %q", text, key)
	}
	if text, _ := read(t, s, shop, "../../evil\x00\n"); text != "two" {
		t.Errorf("%q", text)
	}
	for _, other := range []Scope{{"default", "shop", true, 0}, {"default", "shop", false, 7}, {"default", "other", false, 0}, {"team", "shop", false, 0}} {
		if text, _ := read(t, s, other, "main"); text != "" {
			t.Errorf("%v reads %q", other, text)
		}
	}
	put(t, s, shop, "main", "three")
	if text, _ := read(t, s, shop, "main"); text != "three" {
		t.Errorf("%q", text)
	}
	if blobs, _ := os.ReadDir(filepath.Join(s.Dir, "blobs")); len(blobs) != 2 {
		t.Errorf("%d blobs; the one that no key names is still there", len(blobs))
	}
	if err := s.Put(Scope{Namespace: "..", Repository: "x"}, "k", strings.NewReader("x"), 1); err == nil {
		t.Error("a scope outside the directory was taken")
	}
	if err := s.Forget("default", "shop"); err != nil {
		t.Fatal(err)
	}
	if text, _ := read(t, s, shop, "main"); text != "" {
		t.Errorf("%q after it was forgotten", text)
	}
}

func TestWhatWasNotUsedGoesFirst(t *testing.T) {
	s := &Store{Dir: t.TempDir(), Max: 30}
	shop := Scope{Namespace: "default", Repository: "shop"}
	old := time.Now().Add(-time.Hour)
	for i := range 3 {
		key := fmt.Sprint(i)
		put(t, s, shop, key, strings.Repeat(key, 10))
		name, err := s.indexFile(shop, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, old, old.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	read(t, s, shop, "0")
	put(t, s, shop, "3", strings.Repeat("3", 10))
	got := ""
	for i := range 4 {
		if text, _ := read(t, s, shop, fmt.Sprint(i)); text != "" {
			got += fmt.Sprint(i)
		}
	}
	if got != "023" {
		t.Errorf("left: %s", got)
	}
	if err := s.Put(shop, "big", strings.NewReader(strings.Repeat("x", 31)), 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("err %v", err)
	}
}

// TestNothingIsKeptOnAFullDisk, and nothing is left of what was begun.
func TestNothingIsKeptOnAFullDisk(t *testing.T) {
	full := disk.Full{Free: 1, Reserve: 2}
	s := &Store{Dir: t.TempDir(), Room: func() error { return full }}
	scope := Scope{Namespace: "default", Repository: "shop"}
	if err := s.Put(scope, "main", strings.NewReader("one"), 1<<20); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if blobs, err := os.ReadDir(filepath.Join(s.Dir, "blobs")); err != nil || len(blobs) != 0 {
		t.Errorf("left: %v %v", blobs, err)
	}
	if text, _ := read(t, s, scope, "main"); text != "" {
		t.Errorf("kept %q", text)
	}
}

func TestSizeIsNoUse(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	shop := Scope{Namespace: "default", Repository: "shop"}
	put(t, s, shop, "main", "four")
	name, err := s.indexFile(shop, "main")
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(name, long, long); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		scope Scope
		keys  []string
		want  int64
	}{{shop, []string{"feature", "main"}, 4}, {shop, []string{"feature"}, 0}, {Scope{Namespace: "default", Repository: "other"}, []string{"main"}, 0}, {Scope{Namespace: "..", Repository: "shop"}, []string{"main"}, 0}} {
		if got := s.Size(tt.scope, tt.keys); got != tt.want {
			t.Errorf("%v %q: %d, want %d", tt.scope, tt.keys, got, tt.want)
		}
	}
	if info, err := os.Stat(name); err != nil || !info.ModTime().Equal(long) {
		t.Errorf("it counts as a use: %v %v", info.ModTime(), err)
	}
}
