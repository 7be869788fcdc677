package runjob

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"slipway.dev/pipelines/jobapi/wire"
)

// AheadCommand is the argument by which a step before the job's restores its large
// caches: its container starts before the job's image is there, and the job's does not
// wait for its end.
const AheadCommand = "restore-caches"

// Names in the builds directory, where the two containers meet.
const (
	aheadDir = ".slipway-ahead"
	// aheadLock is held until the caches are there, or will not be.
	aheadLock = "lock"
	// aheadEnd says that nobody wants them any more.
	aheadEnd = "end"
)

// aheadLook is how often the end of the job is looked for; nobody waits for that.
const aheadLook = 250 * time.Millisecond

// fetchedAhead is what the step before says of one cache.
type fetchedAhead struct {
	Found string           `json:"found,omitempty"`
	Seen  map[string]stamp `json:"seen,omitempty"`
	Error string           `json:"error,omitempty"`
}

// AheadMain restores what it can. It is never the job's fault that it cannot.
func AheadMain(out io.Writer) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	c, err := NewClient(os.Getenv)
	if err == nil {
		err = c.restoreAhead(ctx, os.Getenv(wire.EnvBuilds), os.Getenv(wire.EnvPost))
	}
	if err != nil {
		fmt.Fprintln(out, "caches:", err)
	}
}

// restoreAhead below builds. Once post is there the job may begin.
func (c *Client) restoreAhead(ctx context.Context, builds, post string) error {
	dir := filepath.Join(builds, aheadDir)
	// The job's user leaves a word here, whoever that is.
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		return err
	}
	lock, err := os.Create(filepath.Join(dir, aheadLock))
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if err := os.WriteFile(post, nil, 0o666); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(aheadLook):
			}
			if _, err := os.Lstat(filepath.Join(dir, aheadEnd)); err == nil {
				cancel()
			}
		}
	})
	return c.restoreAll(ctx, dir)
}

// restoreAll caches whose keys need nothing of the source.
func (c *Client) restoreAll(ctx context.Context, dir string) error {
	res, err := c.do(ctx, "GET", "/caches", "", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var caches []wire.Cache
	if err := json.NewDecoder(res.Body).Decode(&caches); err != nil {
		return err
	}
	a := &attempt{Client: c}
	var all sync.WaitGroup
	for i, w := range caches {
		if len(w.KeyFiles) > 0 || !w.Pull {
			continue
		}
		one := &cached{Cache: w, index: i, done: make(chan struct{}), dir: filepath.Join(dir, strconv.Itoa(i))}
		all.Go(func() {
			a.restore(ctx, one)
			f := fetchedAhead{Found: one.found, Seen: one.seen}
			if one.err != nil {
				f = fetchedAhead{Error: one.err.Error()}
			}
			if data, err := json.Marshal(f); err == nil {
				_ = os.WriteFile(one.dir+".json", data, 0o644) // without it the job fetches the cache itself
			}
		})
	}
	all.Wait()
	return nil
}

// ahead takes a cache that the step before has restored. False: there is none, or it is
// not this user's to move.
func (a *attempt) ahead(ctx context.Context, c *cached) bool {
	dir := filepath.Join(a.Builds, aheadDir)
	lock, err := os.Open(filepath.Join(dir, aheadLock))
	if err != nil {
		return false
	}
	held := make(chan error, 1)
	go func() {
		defer lock.Close()
		held <- syscall.Flock(int(lock.Fd()), syscall.LOCK_SH)
	}()
	select {
	case <-ctx.Done():
		return false
	case err = <-held:
	}
	name := filepath.Join(dir, strconv.Itoa(c.index))
	data, readErr := os.ReadFile(name + ".json")
	var f fetchedAhead
	if err != nil || readErr != nil || json.Unmarshal(data, &f) != nil || f.Error != "" || f.Found != "" && !owned(name) {
		return false
	}
	c.found, c.seen, c.before = f.Found, f.Seen, f.Found != ""
	if c.before {
		c.dir = name
	}
	return true
}

// owned says whether this process may move a directory, and its user what is in it.
func owned(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && (os.Geteuid() == 0 || int(s.Uid) == os.Geteuid())
}

// endAhead tells the step before that the job is over.
func (p Place) endAhead() {
	dir := filepath.Join(p.Builds, aheadDir)
	if _, err := os.Lstat(dir); err == nil {
		_ = os.WriteFile(filepath.Join(dir, aheadEnd), nil, 0o600)
	}
}
