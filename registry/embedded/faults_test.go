package embedded

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"slipway.dev/registry/artifacts"
)

// TestAFaultIsNoAbsence: what the disk does not give up is answered by an error that
// clients try again after, never by "not found", wherever the image came from.
func TestAFaultIsNoAbsence(t *testing.T) {
	h := newHub(t)
	h.push(t, "22")
	r, host := open(t, func(o *Options) { h.upstream(o) })
	img := image(t)
	dgst, _ := img.Digest()
	layers, _ := img.Layers()
	blob, _ := layers[0].Digest()
	for _, repo := range []string{"system/runner", "docker.io/library/absent", "quay.io/team/app"} {
		t.Run(repo, func(t *testing.T) {
			name := repo
			if strings.HasPrefix(repo, "system/") {
				name = serviceName + "/" + repo
			}
			if err := r.Keep(t.Context(), name+":1", func() (v1.Image, error) { return img, nil }); err != nil {
				t.Fatal(err)
			}
			base, token := "http://"+host+"/v2/"+repo, "Bearer "+getToken(t, host, "reader", "repository:"+repo+":pull")
			for what, link := range map[string]string{
				"/manifests/1":                  "_manifests/tags/1/current/link",
				"/manifests/" + dgst.String():   "_manifests/revisions/sha256/" + dgst.Hex + "/link",
				"/blobs/" + blob.String():       "_layers/sha256/" + blob.Hex + "/link",
				"/manifests/1?after=revision":   "_manifests/revisions/sha256/" + dgst.Hex + "/link",
				"/manifests/" + "1?after=blobs": "",
			} {
				file := filepath.Join(r.options.Dir, "docker/registry/v2/repositories", repo, link)
				if link == "" {
					file = filepath.Join(r.options.Dir, "docker/registry/v2/blobs/sha256", dgst.Hex[:2], dgst.Hex, "data")
				}
				ask := func(when string, want int) {
					t.Helper()
					if res := do(t, http.MethodHead, base+what, token, "Accept", acceptAll); res.StatusCode != want {
						t.Errorf("%s, %s: %s, want %d", what, when, res.Status, want)
					}
				}
				ask("healthy", http.StatusOK)
				if err := os.Rename(file, file+".away"); err != nil {
					t.Fatal(err)
				}
				// A link to itself: it is there and cannot be read, as with no descriptor left.
				if err := os.Symlink(filepath.Base(file), file); err != nil {
					t.Fatal(err)
				}
				ask("unreadable", http.StatusInternalServerError)
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				ask("gone", http.StatusNotFound)
				if err := os.Rename(file+".away", file); err != nil {
					t.Fatal(err)
				}
				ask("back", http.StatusOK)
			}
		})
	}
}

// TestAnImageIsThereWhateverElseHappens: pushes and deletes of other repositories that
// share its layers, uploads that are cut off, artifacts, and its own tag written again.
func TestAnImageIsThereWhateverElseHappens(t *testing.T) {
	r, host := open(t, nil)
	img := image(t)
	dgst, _ := img.Digest()
	if err := r.Keep(t.Context(), serviceName+"/system/runner:1", func() (v1.Image, error) { return img, nil }); err != nil {
		t.Fatal(err)
	}
	token := "Bearer " + getToken(t, host, "reader", "repository:system/runner:pull")
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var wg sync.WaitGroup
	each := func(f func(n int) error) {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := f(n); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 2 {
		each(func(n int) error {
			to := tag(t, fmt.Sprintf("%s/default/app%d:%d", host, i, n))
			if err := remote.Write(to, img, remote.WithAuth(as("default")), remote.WithContext(ctx)); err != nil {
				return err
			}
			return remote.Delete(to.Digest(dgst.String()), remote.WithAuth(as("default")), remote.WithContext(ctx))
		})
	}
	each(func(n int) error { // cut off midway
		big, err := random.Image(1<<20, 1)
		if err != nil {
			return err
		}
		short, cut := context.WithTimeout(ctx, time.Duration(n%8)*time.Millisecond)
		defer cut()
		_ = remote.Write(tag(t, host+"/default/cut:1"), big, remote.WithAuth(as("default")), remote.WithContext(short))
		return nil
	})
	store := artifacts.New(r.Transport())
	each(func(n int) error {
		repo := fmt.Sprintf("default/runs/r%d", n%5)
		d, _, err := store.Put(ctx, repo, "", "text/plain", strings.NewReader(fmt.Sprint(n)))
		if err != nil {
			return err
		}
		return store.Delete(ctx, repo, d)
	})
	each(func(int) error {
		_, err := r.write(ctx, "system/runner:1", img)
		return err
	})
	asked := 0
	for ctx.Err() == nil {
		for _, ref := range []string{"1", dgst.String()} {
			if res := do(t, http.MethodHead, "http://"+host+"/v2/system/runner/manifests/"+ref, token, "Accept", acceptAll); res.StatusCode != http.StatusOK {
				t.Fatalf("%s after %d questions: %s", ref, asked, res.Status)
			}
			asked++
		}
	}
	wg.Wait()
	t.Logf("%d questions", asked)
}
