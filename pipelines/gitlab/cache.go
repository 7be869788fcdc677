package gitlab

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"slipway.dev/pipelines/plan"
)

// Limits of caches, as GitLab has them.
const (
	maxCaches   = 4
	maxKeyFiles = 2
	maxFallback = 5
	maxKeyBytes = 64 << 20 // read for one key
)

const defaultKey = "default"

// readCaches: one mapping, or a list of them.
func (c *compiler) readCaches(j *job, v *value, env *environment) {
	if v == nil {
		return
	}
	items := []*value{v}
	if v.kind == kindList {
		items = c.flatten(v.items, "cache")
	}
	if len(items) > maxCaches {
		c.add(items[maxCaches].place, ruleLimit, "", "job %q has more than %d caches", j.plan.Name, maxCaches)
		return
	}
	for _, item := range items {
		if item.kind == kindMap && len(item.keys) == 0 {
			continue // `cache: {}` turns the default off
		}
		if cacheKeys.check(item, c.problems) {
			c.readCache(j, item, env)
		}
	}
}

func (c *compiler) readCache(j *job, v *value, env *environment) {
	one := plan.Cache{Key: defaultKey, Paths: []string{}, Pull: true, Push: true, When: c.when(v.get("when"), artifactWhens, "in cache")}
	if p := v.get("paths"); p != nil {
		one.Paths = c.strings(p, "cache:paths")
	}
	c.flag(v.get("untracked"), "cache:untracked", &one.Untracked)
	c.flag(v.get("unprotect"), "cache:unprotect", &one.Shared)
	c.readCacheKey(&one, v.get("key"))
	c.readPolicyOf(j, &one, v.get("policy"), env)
	if f := v.get("fallback_keys"); f != nil {
		keys := c.strings(f, "cache:fallback_keys")
		if len(keys) > maxFallback {
			c.add(f.place, ruleLimit, "", "cache has more than %d fallback_keys", maxFallback)
		}
		for _, k := range keys {
			if strings.Contains(k, "$") || c.goodKey(k, f.place) {
				one.Fallback = append(one.Fallback, k)
			}
		}
	}
	// After the cache's own, the one for all caches of the job.
	if global := strings.TrimSpace(env.setting("CACHE_FALLBACK_KEY")); global != "" && len(one.Fallback) < maxFallback+1 {
		if strings.Contains(env.written["CACHE_FALLBACK_KEY"], "$") || c.goodKey(global, j.at) {
			one.Fallback = append(one.Fallback, "$CACHE_FALLBACK_KEY")
		}
	}
	// Without paths nothing is cached, as GitLab documents it.
	if len(one.Paths) > 0 || one.Untracked {
		j.plan.Caches = append(j.plan.Caches, one)
	}
}

func (c *compiler) goodKey(key string, at place) bool {
	lower := strings.ToLower(key)
	if strings.Contains(key, "/") || strings.Contains(lower, "%2f") ||
		strings.Trim(strings.ReplaceAll(lower, "%2e", "."), ".") == "" && key != "" {
		c.add(at, ruleValue, "use - in place of /", "cache key %q has a slash, or is only dots", key)
		return false
	}
	return true
}

func (c *compiler) readCacheKey(one *plan.Cache, v *value) {
	if v == nil {
		return
	}
	if v.kind != kindMap {
		if key := c.text(v, "cache:key"); key != "" && (strings.Contains(key, "$") || c.goodKey(key, v.place)) {
			one.Key = key
		}
		return
	}
	cacheKeyKeys.check(v, c.problems)
	prefix := c.text(v.get("prefix"), "cache:key:prefix")
	if strings.Contains(prefix, "/") {
		c.goodKey(prefix, v.at("prefix"))
		return
	}
	f := v.get("files")
	if f == nil {
		if v.get("files_commits") != nil {
			return
		}
		c.add(v.place, ruleValue, "write `files:`, or the key as a string", "cache:key has no files")
		return
	}
	files := c.strings(f, "cache:key:files")
	if len(files) == 0 || len(files) > maxKeyFiles {
		c.add(f.place, ruleLimit, "", "cache:key:files has %d entries; 1 to %d are allowed", len(files), maxKeyFiles)
		return
	}
	if c.ctx.Files == nil {
		one.Key, one.KeyFiles, one.KeyPrefix = "", files, prefix
		return
	}
	one.Key = c.keyOfFiles(files, f.place)
	if prefix != "" {
		one.Key = prefix + "-" + one.Key
	}
}

// keyOfFiles is a hash of the names and contents of the files that the patterns name.
func (c *compiler) keyOfFiles(patterns []string, at place) string {
	l := c.listing("tree", c.ctx.Files.List)
	if l.err != nil {
		c.add(at, ruleValue, "", "cache:key:files: %s", l.err)
		return defaultKey
	}
	var names []string
	for _, p := range patterns {
		if l.has[p] {
			names = append(names, p)
			continue
		}
		if re := c.glob(p, at); re != nil && strings.ContainsAny(p, "*?[{") {
			for _, path := range l.all {
				if re.MatchString(path) {
					names = append(names, path)
				}
			}
		}
	}
	if len(names) == 0 {
		return defaultKey
	}
	slices.Sort(names)
	sum, size := sha256.New(), 0
	for _, name := range slices.Compact(names) {
		data, err := c.ctx.Files.File(name)
		if err != nil {
			c.add(at, ruleValue, "", "cache:key:files: %s: %s", name, err)
			return defaultKey
		}
		if size += len(data); size > maxKeyBytes {
			c.add(at, ruleLimit, "name fewer or smaller files", "cache:key:files has more than %d bytes", maxKeyBytes)
			return defaultKey
		}
		one := sha256.Sum256(data)
		io.WriteString(sum, name+"\x00"+string(one[:]))
	}
	return hex.EncodeToString(sum.Sum(nil)[:20])
}

var cachePolicies = []string{"pull", "push", "pull-push"}

func (c *compiler) readPolicyOf(j *job, one *plan.Cache, v *value, env *environment) {
	if v == nil {
		return
	}
	policy := c.known(j, &value{kind: kindString, text: c.text(v, "cache:policy"), place: v.place}, env, "cache:policy")
	if !slices.Contains(cachePolicies, policy) {
		if j.included || !strings.Contains(v.text, "$") {
			c.add(v.place, ruleValue, didYouMean(policy, cachePolicies), "cache:policy: %q is not known", policy)
		}
		return
	}
	one.Pull, one.Push = policy != "push", policy != "pull"
}
