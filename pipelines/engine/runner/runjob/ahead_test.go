package runjob

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/jobcache"
)

// cachedWorld is one whose job has a cache that a job before it filled, one that nobody
// filled, and one whose key is of the source.
func cachedWorld(t *testing.T, commands ...string) *world {
	t.Helper()
	w := newWorld(t, wire.Job{Main: commands, Caches: []wire.Cache{
		{Key: "deps", Paths: []string{"deps/"}, Pull: true, Push: true}, {Key: "none", Paths: []string{"x/"}, Pull: true}, {KeyFiles: []string{"README"}, Paths: []string{"locked/"}, Pull: true, Push: true},
	}})
	scope := jobcache.Scope{Namespace: "default", Repository: "shop"}
	w.job.Caches = []jobapi.CacheKeys{
		{Scope: scope, Keys: []string{"deps"}, Pull: true, Push: true}, {Scope: scope, Keys: []string{"none"}, Pull: true}, {Scope: scope, Keys: []string{""}, Hashed: true, Pull: true, Push: true},
	}
	builds := w.place.Builds
	w.place.Builds, w.job.Wire.Main = t.TempDir(), []string{"mkdir deps locked", "echo kept > deps/n", "chmod 700 deps/n", "ln -s n deps/l", "echo of the source > locked/n"}
	if code, out := w.run(t.Context()); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	w.place.Builds, w.job.Wire.Main = builds, commands
	return w
}

// TestCachesRestoredAhead: the job may begin before its caches are there, and finds them
// as if it had fetched them itself.
func TestCachesRestoredAhead(t *testing.T) {
	w := cachedWorld(t, "cat deps/n deps/l locked/n", "test -x deps/n")
	post := filepath.Join(t.TempDir(), "out")
	if err := w.client.restoreAhead(t.Context(), w.place.Builds, post); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(post); err != nil {
		t.Error(err)
	}
	code, out := w.run(t.Context())
	if code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	contains(t, out, "Restored cache deps (3 files), begun before the image was there", "No cache is found for none", "\nkept\nkept\nof the source\n", "Cache deps is up to date")
	if strings.Count(out, "Restored cache") != 2 || strings.Count(out, "begun before") != 1 {
		t.Errorf("the cache whose key is of the source:\n%s", out)
	}
}

// TestJobWaitsForItsCachesOnly: the step before holds its lock for as long as it restores,
// and lets it go however it ends.
func TestJobWaitsForItsCachesOnly(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"it ended without a word": func(string) error { return nil },
		"it failed": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "0.json"), []byte(`{"error":"gone"}`), 0o600)
		},
		"what it says is cut off": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "0.json"), []byte(`{"found":"de`), 0o600)
		},
		"what it says is a lie": func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "0.json"), []byte(`{"found":"deps"}`), 0o600), os.Symlink("/etc", filepath.Join(dir, "0")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := cachedWorld(t, "cat deps/n")
			dir := filepath.Join(w.place.Builds, aheadDir)
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			lock, err := os.Create(filepath.Join(dir, aheadLock))
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			done := make(chan string, 1)
			go func() {
				_, out := w.run(t.Context())
				done <- out
			}()
			select {
			case out := <-done:
				t.Fatalf("the job did not wait:\n%s", out)
			case <-time.After(200 * time.Millisecond):
			}
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			lock.Close()
			out := <-done
			contains(t, out, "\nkept\n", "Restored cache deps (3 files)\n", "Job succeeded")
		})
	}
}

// away is a server that does not answer.
type away struct{}

func (away) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("nobody there") }

// TestAheadEndsWithTheJob: nobody waits for a cache that a job which is over does not need.
func TestAheadEndsWithTheJob(t *testing.T) {
	w := cachedWorld(t)
	w.client.Patience = time.Hour
	w.client.HTTP.Transport = away{} // it asks again and again
	ended := make(chan error, 1)
	go func() { ended <- w.client.restoreAhead(t.Context(), w.place.Builds, filepath.Join(t.TempDir(), "out")) }()
	for {
		if _, err := os.Stat(filepath.Join(w.place.Builds, aheadDir, aheadLock)); err == nil {
			break
		}
		<-time.After(time.Millisecond)
	}
	w.place.endAhead()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("it goes on")
	}
}
