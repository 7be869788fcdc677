package jobapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/jobcache"
)

// CacheKeys is one cache of a job: where it is looked for in turn, the first of which
// is where it is kept.
type CacheKeys struct {
	Scope jobcache.Scope
	Keys  []string
	// Hashed: the runner's hash of the key files belongs to the first key.
	Hashed     bool
	Pull, Push bool
}

var hashRE = regexp.MustCompile(`^([0-9a-f]{64}|default)$`)

// cache answers GET and PUT /cache/<index>[?hash=].
func (c *call) cache(rest string) {
	i, err := strconv.Atoi(strings.TrimPrefix(rest, "/cache/"))
	if err != nil || i < 0 || i >= len(c.job.Caches) || c.Caches == nil {
		fail(c.w, http.StatusNotFound, "this job has no such cache")
		return
	}
	k := c.job.Caches[i]
	keys := append([]string{}, k.Keys...)
	if k.Hashed {
		hash := c.r.URL.Query().Get("hash")
		if !hashRE.MatchString(hash) {
			fail(c.w, http.StatusBadRequest, "this cache's key needs the hash of its files")
			return
		}
		keys[0] += hash
	}
	if c.r.Method == http.MethodPut {
		if !k.Push {
			fail(c.w, http.StatusForbidden, "this job only reads the cache")
			return
		}
		err := c.Caches.Put(k.Scope, keys[0], c.r.Body, wire.MaxCache)
		switch {
		case errors.Is(err, jobcache.ErrTooLarge):
			fail(c.w, http.StatusRequestEntityTooLarge, err.Error())
		case err != nil:
			c.refuse(c.w, c.ref, err)
		default:
			c.w.WriteHeader(http.StatusNoContent)
		}
		return
	}
	if !k.Pull {
		fail(c.w, http.StatusForbidden, "this job only writes the cache")
		return
	}
	f, key, err := c.Caches.Get(k.Scope, keys)
	if errors.Is(err, os.ErrNotExist) {
		fail(c.w, http.StatusNotFound, "nothing is cached under this key")
		return
	}
	if err != nil {
		c.refuse(c.w, c.ref, err)
		return
	}
	defer f.Close()
	c.w.Header().Set("Content-Type", "application/zstd")
	c.w.Header().Set(wire.CacheKeyHeader, headerText(key))
	if _, err := io.Copy(c.w, f); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// headerText of a key, which may have any bytes.
func headerText(key string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, key)
}
