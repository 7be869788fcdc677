package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	"k8s.io/apiserver/pkg/authentication/user"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Writer is who the server is where it writes to a repository: a rule of spec.protect
// has to name it among the pushers, as it does people.
const Writer = "slipway"

// Edit is a commit that the server itself makes.
type Edit struct {
	Namespace, Repository string
	// Branch by its short name; it begins at From if it is not there.
	Branch, From string
	Message      string
	// Change the tree of the branch's head. It is asked again for each new head.
	Change func(*Worktree) error
}

// Written is what became of an Edit.
type Written struct {
	// Commit that is the branch's head now, and whether it is a new one.
	Commit string
	New    bool
}

var (
	// ErrBehind: the mirror does not have the head of the branch yet; it is being fetched.
	ErrBehind = errors.New("the mirror is being brought up to date")
	// errMoved: somebody else was first.
	errMoved = errors.New("the branch has moved")
)

// tries of an Edit while others write to the branch too.
const tries = 5

// Write makes the commit and puts it on its branch: of a hosted repository by git's own
// receive-pack, of a mirrored one by a push to where it is. A branch that moves
// meanwhile is tried again from its new head; nothing of others is ever lost. A commit
// that would change nothing is not made.
func (r *Reconciler) Write(ctx context.Context, e Edit) (Written, error) {
	ref := "refs/heads/" + e.Branch
	if !ValidRef(ref) {
		return Written{}, fmt.Errorf("branch %q: %w", clip(e.Branch, 100), ErrName)
	}
	repo := &v1alpha1.Repository{}
	if err := r.Host.Reader.Get(ctx, ctrlclient.ObjectKey{Namespace: e.Namespace, Name: e.Repository}, repo); err != nil {
		return Written{}, err
	}
	put := r.putHosted
	if repo.Spec.URL != "" {
		put = r.putElsewhere
	}
	for try := 1; ; try++ {
		done, err := put(ctx, repo, ref, e)
		if !errors.Is(err, errMoved) || try == tries {
			if err != nil {
				err = fmt.Errorf("repository %s: branch %s: %w", e.Repository, e.Branch, err)
			}
			return done, err
		}
	}
}

// prepare the commit on top of head, or of e.From where there is none. The commit is
// empty where nothing changes.
func (h *Host) prepare(ctx context.Context, head string, e Edit) (commit string, pack []byte, err error) {
	base := head
	if base == zeroHash {
		base = e.From
	}
	w, err := h.worktree(ctx, e.Namespace, e.Repository, base)
	if err != nil {
		return "", nil, err
	}
	if err := e.Change(w); err != nil {
		return "", nil, err
	}
	changed, err := w.changed()
	if err != nil || !changed {
		return "", nil, err
	}
	hash, pack, err := w.commit(e.Message, time.Now())
	return hash.String(), pack, err
}

// putHosted is a push of the server's own: the same process takes it as one of a person,
// under the same rules, and it is recorded the same way.
func (r *Reconciler) putHosted(ctx context.Context, repo *v1alpha1.Repository, ref string, e Edit) (Written, error) {
	h := r.Host
	h.init()
	refs, err := h.refs(ctx, e.Namespace, e.Repository)
	if err != nil {
		return Written{}, err
	}
	head := zeroHash
	if have, ok := refs[ref]; ok {
		head = have.hash
	}
	commit, pack, err := h.prepare(ctx, head, e)
	if err != nil || commit == "" {
		return Written{Commit: head}, err
	}
	c := command{old: head, new: commit, ref: ref}
	p := push{commands: []command{c}, raw: []byte(pkt(c.old+" "+c.new+" "+c.ref+"\x00report-status") + flushPkt)}
	rt := route{ns: e.Namespace, name: e.Repository}
	if err := h.beginPush(rt); err != nil {
		return Written{}, err
	}
	defer h.endPush(rt)
	if err := h.mayPush(ctx, rt, p); err != nil {
		return Written{}, err
	}
	dir, err := h.path(e.Namespace, e.Repository)
	if err != nil {
		return Written{}, err
	}
	who := &user.DefaultInfo{Name: Writer}
	cmd, _, err := h.receiver(ctx, repo, who, p, dir)
	if err != nil {
		return Written{}, err
	}
	var out bytes.Buffer
	var stderr tailBuffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = io.MultiReader(bytes.NewReader(p.raw), bytes.NewReader(pack)), &out, &stderr
	if err := errors.Join(cmd.Run(), reported(&out, ref)); err != nil {
		if moved(err) {
			return Written{}, errMoved
		}
		return Written{}, fmt.Errorf("%w: %s", err, stderr.String())
	}
	h.pushed(ctx, rt, who, p, func(bool) {})
	return Written{Commit: commit, New: true}, nil
}

// reported reads what receive-pack says of the one command.
func reported(out io.Reader, ref string) error {
	br := bufio.NewReader(out)
	for {
		k, err := readPacket(br)
		if err != nil {
			return fmt.Errorf("report of receive-pack: %w", err)
		}
		line := strings.TrimSpace(string(k.payload))
		switch {
		case k.flush:
			return errors.New("receive-pack says nothing of the branch")
		case line == "ok "+ref:
			return nil
		case strings.HasPrefix(line, "ng "+ref):
			return errors.New(strings.TrimSpace(strings.TrimPrefix(line, "ng "+ref)))
		case strings.HasPrefix(line, "unpack ") && line != "unpack ok":
			return errors.New(line)
		}
	}
}

// putElsewhere pushes to where the repository is, with its credentials.
func (r *Reconciler) putElsewhere(ctx context.Context, repo *v1alpha1.Repository, ref string, e Edit) (Written, error) {
	cred, err := r.credentials(ctx, repo)
	if err != nil {
		return Written{}, err
	}
	u, err := r.Remote.ParseURL(repo.Spec.URL)
	if err != nil {
		return Written{}, err
	}
	auth, err := authMethod(u, cred)
	if err != nil {
		return Written{}, err
	}
	rules := rules{Remote: r.Remote, host: hostPort(u)}
	if cred != nil {
		rules.roots = cred.Roots
	}
	ctx, cancel := context.WithTimeout(withRules(ctx, rules), 2*time.Minute)
	defer cancel()
	ep, err := transport.NewEndpoint(repo.Spec.URL)
	if err != nil {
		return Written{}, err
	}
	if ep.Protocol == "ssh" {
		ep.Proxy.URL = sshGuard(r.Remote.Private) + "://guard"
	}
	c, err := client.NewClient(ep)
	if err != nil {
		return Written{}, err
	}
	session, err := c.NewReceivePackSession(ep, auth)
	if err != nil {
		return Written{}, err
	}
	defer session.Close()
	adv, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return Written{}, fmt.Errorf("push to %s: %w", publicURL(repo.Spec.URL), plain(err, cred))
	}
	head := plumbing.ZeroHash
	if have, ok := adv.References[ref]; ok {
		head = have
	}
	commit, pack, err := r.Host.prepare(ctx, head.String(), e)
	if errors.Is(err, ErrNotFound) && head != plumbing.ZeroHash {
		if _, unknown := r.Host.commit(ctx, e.Namespace, e.Repository, head.String()); unknown != nil {
			r.kick(e.Namespace, e.Repository, "poll")
			return Written{}, ErrBehind
		}
	}
	if err != nil || commit == "" {
		return Written{Commit: head.String()}, err
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(adv.Capabilities)
	req.Commands = []*packp.Command{{Name: plumbing.ReferenceName(ref), Old: head, New: plumbing.NewHash(commit)}}
	req.Packfile = io.NopCloser(bytes.NewReader(pack))
	report, err := session.ReceivePack(ctx, req)
	if err == nil && report != nil {
		err = report.Error()
	}
	if err != nil {
		if moved(err) {
			return Written{}, errMoved
		}
		return Written{}, fmt.Errorf("push to %s: %w", publicURL(repo.Spec.URL), plain(err, cred))
	}
	// The look that brings it here makes no run of it; see annotate.
	r.kick(e.Namespace, e.Repository, "poll")
	return Written{Commit: commit, New: true}, nil
}

// moved tells a branch that somebody else wrote to meanwhile from a refusal, in the words
// of git and of the forges.
func moved(err error) bool {
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"fetch first", "non-fast-forward", "failed to update ref", "cannot lock ref", "incorrect old value", "reference already exists", "stale info"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// ours says of a commit on a branch that the server itself wrote it, and for whom; it is
// the one place that decides so, whichever way the commit came here.
func (h *Host) ours(ctx context.Context, repo *v1alpha1.Repository, u Update) string {
	if !strings.HasPrefix(u.Ref, "refs/heads/") {
		return ""
	}
	c, err := h.Commit(ctx, repo.Namespace, repo.Name, u.Commit)
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(c.Message, "\n") {
		if name, ok := strings.CutPrefix(line, v1alpha1.WriteBackTrailer); ok {
			return "written back by the server for application " + clip(strings.TrimSpace(name), 100)
		}
	}
	return ""
}
