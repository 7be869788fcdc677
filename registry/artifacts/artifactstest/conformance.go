// Package artifactstest owns the suite that every artifacts.Store passes. It is
// only for tests. Start at Conform.
package artifactstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"slipway.dev/registry/artifacts"
)

const mediaType = "application/vnd.slipway.test.v1+json"

// Conform checks what the comment of artifacts.Store promises.
func Conform(t *testing.T, s artifacts.Store) {
	ctx := context.Background()
	read := func(t *testing.T, repo, ref string) string {
		t.Helper()
		rc, err := s.Get(ctx, repo, ref)
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		data, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	put := func(t *testing.T, repo, tag, content string) string {
		t.Helper()
		digest, size, err := s.Put(ctx, repo, tag, mediaType, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		if size != int64(len(content)) {
			t.Fatalf("size %d, want %d", size, len(content))
		}
		return digest
	}
	t.Run("put and get", func(t *testing.T) {
		for _, content := range []string{"", "x", strings.Repeat("slipway ", 1<<18)} {
			digest := put(t, "default/runs/hello-1", "plan", content)
			for _, ref := range []string{"plan", digest} {
				if got := read(t, "default/runs/hello-1", ref); got != content {
					t.Errorf("%s: %d bytes, want %d", ref, len(got), len(content))
				}
			}
		}
	})
	t.Run("the same again has the same digest", func(t *testing.T) {
		if a, b := put(t, "default/same", "a", "same"), put(t, "default/same", "b", "same"); a != b {
			t.Errorf("%s, %s", a, b)
		}
	})
	t.Run("without a tag", func(t *testing.T) {
		if got := read(t, "default/untagged", put(t, "default/untagged", "", "by digest")); got != "by digest" {
			t.Error(got)
		}
	})
	t.Run("a failed put leaves the tag", func(t *testing.T) {
		put(t, "default/atomic", "t", "first")
		broken := io.MultiReader(strings.NewReader("second"), iotest.ErrReader(errors.New("the disk on the other side")))
		if _, _, err := s.Put(ctx, "default/atomic", "t", mediaType, broken); err == nil {
			t.Error("a put from a broken reader succeeded")
		}
		if got := read(t, "default/atomic", "t"); got != "first" {
			t.Error(got)
		}
	})
	t.Run("delete", func(t *testing.T) {
		digest := put(t, "default/gone", "t", "gone")
		if err := s.Delete(ctx, "default/gone", "t"); err != nil {
			t.Fatal(err)
		}
		for _, ref := range []string{"t", digest} {
			if _, err := s.Get(ctx, "default/gone", ref); !errors.Is(err, artifacts.ErrNotFound) {
				t.Errorf("%s: %v", ref, err)
			}
			if err := s.Delete(ctx, "default/gone", ref); !errors.Is(err, artifacts.ErrNotFound) {
				t.Errorf("delete %s again: %v", ref, err)
			}
		}
		if got := read(t, "default/gone", put(t, "default/gone", "t", "gone")); got != "gone" {
			t.Error(got)
		}
	})
	t.Run("names that are none", func(t *testing.T) {
		for _, repo := range []string{"", "../x", "a//b", "A", "a/../b", "a\x00"} {
			if _, _, err := s.Put(ctx, repo, "t", mediaType, bytes.NewReader(nil)); err == nil {
				t.Errorf("repository %q was accepted", repo)
			}
		}
		for _, tag := range []string{"../x", "-a", "a b", "a/b"} {
			if _, _, err := s.Put(ctx, "default/x", tag, mediaType, bytes.NewReader(nil)); err == nil {
				t.Errorf("tag %q was accepted", tag)
			}
		}
	})
	t.Run("many at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				content := fmt.Sprint("content ", i)
				tag := fmt.Sprint("t", i)
				if _, _, err := s.Put(ctx, "default/many", tag, mediaType, strings.NewReader(content)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i := range 8 {
			if got := read(t, "default/many", fmt.Sprint("t", i)); got != fmt.Sprint("content ", i) {
				t.Error(got)
			}
		}
	})
}
