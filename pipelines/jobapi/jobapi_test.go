package jobapi

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func tokens(t testing.TB) *Tokens {
	t.Helper()
	tk, err := NewTokens(bytes.Repeat([]byte("k"), MinKey))
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

func TestForgedExpiredAndForeignTokensAreRefused(t *testing.T) {
	tk := tokens(t)
	ref := Ref{Namespace: "default", Run: "shop-1", Job: "test", Attempt: 2}
	good := tk.Issue(ref, time.Now().Add(time.Minute))
	if got, err := tk.Check(good); err != nil || got != ref {
		t.Fatalf("ref %v, err %v", got, err)
	}
	body, mac, _ := strings.Cut(good, ".")
	other, err := NewTokens(bytes.Repeat([]byte("o"), MinKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "no mac": body, "changed body": "x" + body + "." + mac, "changed mac": body + ".AAAA",
		"other key": other.Issue(ref, time.Now().Add(time.Minute)), "expired": tk.Issue(ref, time.Now().Add(-time.Second)),
	} {
		if _, err := tk.Check(bad); !errors.Is(err, errToken) {
			t.Errorf("%s: err %v", name, err)
		}
	}
	if _, err := NewTokens([]byte("short")); err == nil {
		t.Error("a short key was taken")
	}
}

func TestStoreKeepsWholeFilesOnly(t *testing.T) {
	d, ctx := Dir(t.TempDir()), t.Context()
	if err := d.Put(ctx, "default", "shop-1", "test.zip", strings.NewReader("12345"), 4); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("err %v", err)
	}
	if _, err := d.Get(ctx, "default", "shop-1", "test.zip"); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("err %v", err)
	}
	for _, text := range []string{"1234", "new"} {
		if err := d.Put(ctx, "default", "shop-1", "test.zip", strings.NewReader(text), 4); err != nil {
			t.Fatal(err)
		}
		rc, err := d.Get(ctx, "default", "shop-1", "test.zip")
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		rc.Close()
		if err != nil || string(data) != text {
			t.Errorf("%q, err %v", data, err)
		}
	}
	for _, bad := range []string{"..", "../x", "a/b", "", "A\x00"} {
		if err := d.Put(ctx, "default", bad, "x", strings.NewReader(""), 1); err == nil {
			t.Errorf("name %q was taken", bad)
		}
	}
	if err := d.DeleteRun(ctx, "default", "shop-1"); err != nil {
		t.Fatal(err)
	}
}

func TestImagesOfOtherTenantsAreRefused(t *testing.T) {
	for image, want := range map[string]string{
		"": "shop", "web": "web", "shop/web:v1": "shop/web", "registry.slipway.internal/default/web@sha256:1": "web",
	} {
		if got, err := imageName(image, "default", "shop"); err != nil || got != want {
			t.Errorf("%q: %q, err %v", image, got, err)
		}
	}
	if _, err := imageName("registry.slipway.internal/other/web", "default", "shop"); err == nil {
		t.Error("another tenant's image was taken")
	}
}

func FuzzCheck(f *testing.F) {
	tk := tokens(f)
	f.Add(tk.Issue(Ref{Namespace: "a", Run: "b", Job: "c", Attempt: 1}, time.Now()) + "x")
	f.Fuzz(func(t *testing.T, token string) {
		if ref, err := tk.Check(token); err == nil {
			t.Fatalf("%q is good for %v", token, ref)
		}
	})
}
