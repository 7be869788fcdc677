package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
)

// Source is a repository elsewhere, and what of it is mirrored.
type Source struct {
	URL         string
	Remote      Remote
	Credentials *Credentials
	// Wanted branches and tags by full name; nil: all. Filter names the choice: mirrors
	// with another filter share no objects.
	Wanted func(ref string) bool
	Filter string
	// Heads are other refs to have: the name here by the name there.
	Heads map[string]string
	// DefaultBranch is what HEAD names here where the other side has it. Empty: what HEAD
	// names there.
	DefaultBranch string
}

// Fetch brings the mirror up to date with what it is one of: branches and tags,
// incrementally, and what is gone there goes here. HEAD follows the other side's.
//
// go-git speaks with the other side; the pack goes to git's own index-pack as it comes,
// so that memory does not grow with the repository. Refs change, all at once, after all
// that they lead to is on disk.
func (h *Host) Fetch(ctx context.Context, ns, name string, src Source) error {
	h.init()
	u, err := src.Remote.ParseURL(src.URL)
	if err != nil {
		return fmt.Errorf("repository %s: %w", name, err)
	}
	if err := h.ensure(ns, name, mirrored); err != nil {
		return err
	}
	dir, err := h.path(ns, name)
	if err != nil {
		return err
	}
	key := poolKey(src)
	if err := h.join(dir, key); err != nil {
		return fmt.Errorf("repository %s: %w", name, err)
	}
	auth, err := authMethod(u, src.Credentials)
	if err != nil {
		return fmt.Errorf("repository %s: %w", name, err)
	}
	timeout := src.Remote.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Minute
	}
	var asked patience
	rules := rules{Remote: src.Remote, host: hostPort(u), patience: &asked}
	if src.Credentials != nil {
		rules.roots = src.Credentials.Roots
	}
	ctx, cancel := context.WithTimeout(withRules(ctx, rules), timeout)
	defer cancel()
	// Mirrors of one pool take turns: the second finds most of it there.
	m := h.lock(poolDir, key)
	m.Lock()
	defer m.Unlock()
	f := fetch{Host: h, src: src, mirror: dir, pool: h.poolPath(key)}
	if err := f.run(ctx, auth); err != nil {
		if later := asked.Load(); later != nil {
			err = later
		}
		return fmt.Errorf("repository %s: fetch %s: %w", name, publicURL(src.URL), plain(err, src.Credentials))
	}
	return nil
}

// fetch is one look at a repository elsewhere.
type fetch struct {
	*Host
	src          Source
	mirror, pool string
}

func (f *fetch) run(ctx context.Context, auth transport.AuthMethod) error {
	ep, err := transport.NewEndpoint(f.src.URL)
	if err != nil {
		return err
	}
	if ep.Protocol == "ssh" {
		ep.Proxy.URL = sshGuard(f.src.Remote.Private) + "://guard"
	}
	c, err := client.NewClient(ep)
	if err != nil {
		return err
	}
	session, err := c.NewUploadPackSession(ep, auth)
	if err != nil {
		return err
	}
	defer session.Close()
	adv, err := session.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return nil // nothing there yet
	}
	if err != nil {
		return err
	}
	if len(adv.Shallows) > 0 {
		return errors.New("the other side is a shallow clone; mirror the whole repository")
	}
	want := f.wanted(adv)
	if err := f.bring(ctx, session, adv, want); err != nil {
		return err
	}
	if err := writeRefs(f.pool, want); err != nil {
		return err
	}
	if err := writeRefs(f.mirror, want); err != nil {
		return err
	}
	return f.followHead(adv, want)
}

// wanted are the refs that the mirror will have. Names that do not fit into a file or a
// Kubernetes object are left out: they come from outside.
func (f *fetch) wanted(adv *packp.AdvRefs) map[string]plumbing.Hash {
	out := map[string]plumbing.Hash{}
	for ref, hash := range adv.References {
		if !ValidRef(ref) || strings.HasPrefix(ref, "refs/notes/") || f.src.Wanted != nil && !f.src.Wanted(ref) {
			continue
		}
		out[ref] = hash
	}
	for there, here := range f.src.Heads {
		if hash, ok := adv.References[there]; ok && validHead(here) {
			out[here] = hash
		}
	}
	return out
}

// validHead is one of the names that merge requests have here.
func validHead(ref string) bool {
	number, ok := strings.CutPrefix(ref, "refs/merge-requests/")
	number, tail := strings.CutSuffix(number, "/head")
	return ok && tail && number != "" && len(number) < 20 && strings.Trim(number, "0123456789") == ""
}

// bring the objects that want leads to.
func (f *fetch) bring(ctx context.Context, session transport.UploadPackSession, adv *packp.AdvRefs, want map[string]plumbing.Hash) error {
	have, err := f.have()
	if err != nil {
		return err
	}
	missing := map[plumbing.Hash]bool{}
	for _, hash := range want {
		if !have[hash] {
			missing[hash] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	tips := slices.Collect(maps.Keys(missing))
	plumbing.HashesSort(tips)
	if len(have) > 0 && f.connected(ctx, tips) == nil {
		return nil // another mirror of the pool, or a branch made of another
	}
	haves, err := f.haves(ctx, have, want)
	if err != nil {
		return err
	}
	req := packp.NewUploadPackRequestFromCapabilities(adv.Capabilities)
	if adv.Capabilities.Supports(capability.NoProgress) {
		_ = req.Capabilities.Set(capability.NoProgress)
	}
	req.Wants, req.Haves = tips, haves
	res, err := session.UploadPack(ctx, req)
	if err != nil {
		return err
	}
	defer res.Close()
	pack, err := f.indexPack(ctx, demux(req, res), len(have) == 0)
	if err != nil {
		return err
	}
	if len(have) == 0 {
		err = f.present(tips) // index-pack has looked at all else
	} else {
		err = f.connected(ctx, tips)
	}
	if err != nil {
		f.drop(pack)
	}
	return err
}

// followHead makes HEAD of the mirror name what it names elsewhere, or what was chosen.
func (f *fetch) followHead(adv *packp.AdvRefs, want map[string]plumbing.Hash) error {
	target := "refs/heads/" + f.src.DefaultBranch
	if _, chosen := want[target]; !chosen {
		target = headElsewhere(adv, want)
	}
	if _, ok := want[target]; !ok || !strings.HasPrefix(target, "refs/heads/") || headOf(f.mirror) == target {
		return nil
	}
	return setHead(f.mirror, target)
}

// headElsewhere is the ref that HEAD names on the other side, as far as it says.
func headElsewhere(adv *packp.AdvRefs, want map[string]plumbing.Hash) (target string) {
	for _, s := range adv.Capabilities.Get(capability.SymRef) {
		if to, ok := strings.CutPrefix(s, "HEAD:"); ok {
			target = to
		}
	}
	if target == "" && adv.Head != nil { // a server that does not say
		for _, ref := range slices.Sorted(maps.Keys(want)) {
			if want[ref] == *adv.Head && strings.HasPrefix(ref, "refs/heads/") && (target == "" || ref == "refs/heads/main" || ref == "refs/heads/master") {
				target = ref
			}
		}
	}
	return target
}

// writeRefs replaces all refs of the bare repository at once.
func writeRefs(dir string, refs map[string]plumbing.Hash) error {
	var b strings.Builder
	b.WriteString("# pack-refs with: sorted \n")
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		b.WriteString(refs[ref].String() + " " + ref + "\n")
	}
	if err := writeWhole(filepath.Join(dir, "packed-refs"), b.String()); err != nil {
		return err
	}
	// Loose ones would hide them; only an earlier version of this server made any.
	for _, kind := range []string{"heads", "tags"} {
		loose := filepath.Join(dir, "refs", kind)
		if found, err := os.ReadDir(loose); err != nil || len(found) == 0 {
			continue
		}
		if err := errors.Join(os.RemoveAll(loose), os.Mkdir(loose, 0o700)); err != nil {
			return err
		}
	}
	return nil
}
