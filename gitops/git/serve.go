package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/atomicfile"
)

// access is what a request may do with the repository it names.
type access struct {
	// repo is nil where a push would create it.
	repo *v1alpha1.Repository
}

// allow answers the request itself and returns false where it may not go on.
// Unknown and forbidden look the same to someone who may not read.
func (h *Host) allow(w http.ResponseWriter, r *http.Request, u user.Info, rt route, write bool) (access, bool) {
	ctx := r.Context()
	unavailable := func(err error) (access, bool) {
		h.Log.Error("git request not decided", "namespace", rt.ns, "repository", rt.name, "error", err)
		say(w, http.StatusServiceUnavailable, "the server cannot decide now; try again in a moment")
		return access{}, false
	}
	notFound := func() (access, bool) {
		say(w, http.StatusNotFound, fmt.Sprintf("repository %s/%s is not there, or not yours to see", rt.ns, rt.name))
		return access{}, false
	}
	read, err := h.Authorize(ctx, u, "get", rt.ns, rt.name)
	if err != nil {
		return unavailable(err)
	}
	repo, err := h.lookUp(ctx, rt, write)
	switch {
	case apierrors.IsNotFound(err) && !write:
		return notFound()
	case apierrors.IsNotFound(err):
		may, err := h.Authorize(ctx, u, "create", rt.ns, rt.name)
		if err != nil {
			return unavailable(err)
		}
		if !may {
			return notFound()
		}
		return access{}, true
	case err != nil:
		return unavailable(err)
	case !read:
		return notFound()
	case !write:
		return access{repo: repo}, true
	}
	may, err := h.Authorize(ctx, u, "update", rt.ns, rt.name)
	if err != nil {
		return unavailable(err)
	}
	switch {
	case !may:
		say(w, http.StatusForbidden, fmt.Sprintf("%s may read repository %s/%s but not push to it", u.GetName(), rt.ns, rt.name))
		return access{}, false
	case repo.Spec.URL != "":
		say(w, http.StatusForbidden, fmt.Sprintf("repository %s is a mirror of %s; push there", rt.name, publicURL(repo.Spec.URL)))
		return access{}, false
	case repo.DeletionTimestamp != nil:
		say(w, http.StatusConflict, fmt.Sprintf("repository %s is being deleted; push again in a moment", rt.name))
		return access{}, false
	}
	return access{repo: repo}, true
}

// lookUp reads the object of a repository. For a push it goes past the cache, which may
// not have seen the object, or its newest rules, yet; while the Kubernetes API is away,
// the rules that were known hold.
func (h *Host) lookUp(ctx context.Context, rt route, write bool) (*v1alpha1.Repository, error) {
	key := client.ObjectKey{Namespace: rt.ns, Name: rt.name}
	if write {
		limited, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		repo := &v1alpha1.Repository{}
		if err := h.Reader.Get(limited, key, repo); err == nil || apierrors.IsNotFound(err) {
			return repo, err
		}
	}
	repo := &v1alpha1.Repository{}
	return repo, h.Client.Get(ctx, key, repo)
}

// serveRefs is the first request of every fetch and push.
func (h *Host) serveRefs(w http.ResponseWriter, r *http.Request, u user.Info, rt route, service string) {
	write := service == "git-receive-pack"
	a, ok := h.allow(w, r, u, rt, write)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
	head := pkt("# service="+service+"\n") + flushPkt
	if write {
		if err := h.room(); err != nil {
			_, _ = io.WriteString(w, head+pkt("ERR "+err.Error()+"\n"))
			return
		}
	}
	dir, err := h.served(rt, a)
	if err != nil {
		h.fail(w, rt, err)
		return
	}
	version := protocol(r, service)
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	cmd := h.gitCommand(ctx, dir, strings.TrimPrefix(service, "git-"), "--stateless-rpc", "--advertise-refs", ".")
	var stderr tailBuffer
	var out bytes.Buffer
	cmd.Stderr, cmd.Stdout = &stderr, &out
	if version != "" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+version)
	}
	if err := cmd.Run(); err != nil {
		h.fail(w, rt, fmt.Errorf("%s: %w: %s", service, err, stderr.String()))
		return
	}
	if version != "version=2" {
		_, _ = io.WriteString(w, head)
	}
	_, _ = w.Write(out.Bytes())
}

// served is the directory to serve. A repository without data yet, or one that
// only a push would create, is served from an empty one that nobody writes to.
func (h *Host) served(rt route, a access) (string, error) {
	if a.repo != nil && h.Has(rt.ns, rt.name) {
		return h.path(rt.ns, rt.name)
	}
	dir := filepath.Join(h.Dir, ".empty.git")
	return dir, h.ensureEmpty(dir)
}

func (h *Host) fail(w http.ResponseWriter, rt route, err error) {
	h.Log.Error("git request", "namespace", rt.ns, "repository", rt.name, "error", err)
	say(w, http.StatusInternalServerError, "the server could not serve this repository; its log says why")
}

// maxRest is how much of a refused request is taken, for the client to read the answer.
const maxRest = 32 << 20

// servePack is the second request: objects out, or a push in.
func (h *Host) servePack(w http.ResponseWriter, r *http.Request, u user.Info, rt route) {
	a, ok := h.allow(w, r, u, rt, rt.rest == "git-receive-pack")
	if !ok {
		return
	}
	var in io.Reader
	defer func() {
		// Where git ended early, the rest: net/http must find nothing left to read in a
		// request of both directions. A client that goes on and on is cut off.
		if in != nil {
			_, _ = io.CopyN(io.Discard, in, maxRest)
		}
	}()
	select {
	case h.places <- struct{}{}:
	default:
		t := time.NewTimer(30 * time.Second)
		defer t.Stop()
		select {
		case h.places <- struct{}{}:
		case <-r.Context().Done():
			return
		case <-t.C:
			w.Header().Set("Retry-After", "10")
			say(w, http.StatusServiceUnavailable, "the server is busy with other pushes and clones; try again in a moment")
			return
		}
	}
	defer func() { <-h.places }()
	var err error
	if in, err = h.body(w, r); err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	_ = http.NewResponseController(w).EnableFullDuplex()
	if rt.rest == "git-upload-pack" {
		h.uploadPack(w, r, rt, a, in)
		return
	}
	h.receivePack(w, r, u, rt, a, in)
}

func (h *Host) uploadPack(w http.ResponseWriter, r *http.Request, rt route, a access, in io.Reader) {
	dir, err := h.served(rt, a)
	if err != nil {
		h.fail(w, rt, err)
		return
	}
	cmd := h.gitCommand(r.Context(), dir, "upload-pack", "--stateless-rpc", ".")
	if v := protocol(r, rt.rest); v != "" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+v)
	}
	var stderr tailBuffer
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	cmd.Stdin = &limitReader{r: in, left: 64 << 20}
	cmd.Stderr = &stderr
	cmd.Stdout = &flushWriter{w: w, rc: http.NewResponseController(w), idle: h.idle()}
	if err := cmd.Run(); err != nil && r.Context().Err() == nil {
		// Shallow clients hang up as a matter of course.
		h.Log.Debug("upload-pack", "namespace", rt.ns, "repository", rt.name, "error", err, "stderr", stderr.String())
	}
}

// receivePack takes a push. What it acknowledges is on disk and, unless the
// Kubernetes API is away, in Repository.status.
func (h *Host) receivePack(w http.ResponseWriter, r *http.Request, u user.Info, rt route, a access, in io.Reader) {
	br := bufio.NewReaderSize(in, 64<<10)
	p, err := readPush(br)
	if err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
	refuse := func(reason string) {
		// A client that is still sending does not read: take a little of it first.
		_, _ = io.CopyN(io.Discard, br, maxRest)
		_, _ = io.WriteString(w, p.refusal(reason))
	}
	if len(p.commands) == 0 {
		return // a probe of the client before it sends much
	}
	if err := h.beginPush(rt); err != nil {
		refuse(err.Error())
		return
	}
	defer h.endPush(rt)
	note, lines, err := pushOptions(p.options)
	if err == nil && a.repo != nil && len(a.repo.Status.Overtaken) >= v1alpha1.MaxOvertaken {
		err = fmt.Errorf("%d earlier pushes wait for their runs; push again in a moment", len(a.repo.Status.Overtaken))
	}
	if err == nil {
		err = h.mayPush(r.Context(), rt, p)
	}
	if err != nil {
		refuse(err.Error())
		return
	}
	if a.repo == nil {
		if err := h.create(r.Context(), rt); err != nil {
			h.Log.Error("repository not created", "namespace", rt.ns, "repository", rt.name, "error", err)
			refuse("the repository could not be created now; push again in a moment")
			return
		}
	}
	if err := h.ensure(rt.ns, rt.name, hosted); err != nil {
		h.Log.Error("repository has no data directory", "namespace", rt.ns, "repository", rt.name, "error", err)
		refuse("the repository could not be made on disk; the server's log says why")
		return
	}
	dir, err := h.path(rt.ns, rt.name)
	if err != nil {
		refuse(err.Error())
		return
	}
	cmd, g, err := h.receiver(r.Context(), a.repo, u, p, dir)
	if err != nil {
		refuse(err.Error())
		return
	}
	if v := protocol(r, rt.rest); v != "" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+v)
	}
	var stderr tailBuffer
	cmd.Stderr = &stderr
	taken := &countingReader{r: br}
	cmd.Stdin = io.MultiReader(bytes.NewReader(p.raw), taken)
	settle, err := h.keep(rt, p, u.GetName(), note)
	if err != nil {
		h.Log.Error("push options not kept", "namespace", rt.ns, "repository", rt.name, "error", err)
		refuse("the options of the push could not be kept now; push again in a moment")
		return
	}
	pr, pw := io.Pipe()
	cmd.Stdout = pw
	ended := make(chan error, 1)
	go func() {
		err := cmd.Run()
		ended <- err
		pw.Close()
	}()
	out := &flushWriter{w: w, rc: http.NewResponseController(w), idle: h.idle()}
	err = relayReport(out, pr, func() []string {
		if large := g.tooLarge(taken.n); large != "" {
			lines = append(lines, large)
		}
		return append(lines, h.pushed(r.Context(), rt, u, p, settle)...)
	})
	pr.CloseWithError(io.ErrClosedPipe)
	if e := <-ended; e != nil || err != nil {
		h.Log.Warn("receive-pack", "namespace", rt.ns, "repository", rt.name, "by", u.GetName(), "error", errors.Join(e, err), "stderr", stderr.String())
	}
}

// receiver is the process that takes a push, under the rules of the repository.
func (h *Host) receiver(ctx context.Context, repo *v1alpha1.Repository, u user.Info, p push, dir string) (*exec.Cmd, guard, error) {
	g, err := h.limitsOf(repo, p, dir)
	if err != nil {
		return nil, g, err
	}
	if repo != nil {
		if err := protect(repo, u, p, &g); err != nil {
			return nil, g, err
		}
	}
	hooks, err := h.hooks()
	if err != nil {
		return nil, g, err
	}
	cmd := h.gitCommand(ctx, dir, append(g.args(hooks), "receive-pack", "--stateless-rpc", ".")...)
	cmd.Env = append(cmd.Env, g.env()...)
	return cmd, g, nil
}

// mayPush refuses what git itself would take and the rest of Slipway could not hold.
func (h *Host) mayPush(ctx context.Context, rt route, p push) error {
	added := 0
	for _, c := range p.commands {
		if !ValidRef(c.ref) && c.new != zeroHash {
			return fmt.Errorf("ref %q is not kept here; push branches, tags and notes only", clip(c.ref, 100))
		}
		if c.old == zeroHash && c.new != zeroHash {
			added++
		}
	}
	if added == 0 || !h.Has(rt.ns, rt.name) {
		if added > MaxRefs {
			return fmt.Errorf("more than %d branches and tags: %w; push fewer", MaxRefs, ErrLimit)
		}
		return nil
	}
	refs, err := h.refs(ctx, rt.ns, rt.name)
	if err != nil {
		return err
	}
	if len(refs)+added > MaxRefs {
		return fmt.Errorf("more than %d branches and tags: %w; delete some first", MaxRefs, ErrLimit)
	}
	return nil
}

// pushed runs when receive-pack has ended, whether or not the client still waits.
func (h *Host) pushed(ctx context.Context, rt route, u user.Info, p push, settle func(recorded bool)) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	h.syncRefs(rt, p)
	wanted := map[string]string{}
	for _, c := range p.commands {
		wanted[c.ref] = c.new
	}
	updates, err := h.record(ctx, rt.ns, rt.name, "push", u.GetName(), func(ref, hash string) bool { return wanted[ref] == hash })
	settle(err == nil)
	if err != nil {
		h.Log.Error("push stored but not recorded; trying again soon", "namespace", rt.ns, "repository", rt.name, "error", err)
		select {
		case h.again <- struct{}{}:
		default:
		}
		return []string{"The push is stored. Its run starts as soon as the server has recorded it."}
	}
	if len(updates) == 0 || h.Notice == nil {
		return nil
	}
	return h.Notice(rt.ns, rt.name, updates)
}

// syncRefs makes the names of new refs and packs lasting; git syncs only the files.
func (h *Host) syncRefs(rt route, p push) {
	dir, err := h.path(rt.ns, rt.name)
	if err != nil {
		return
	}
	dirs := map[string]bool{"objects/pack": true, "refs": true, ".": true}
	for _, c := range p.commands {
		if ValidRef(c.ref) {
			for d := filepath.Dir(c.ref); d != "refs" && d != "."; d = filepath.Dir(d) {
				dirs[d] = true
			}
		}
	}
	for d := range dirs {
		_ = atomicfile.SyncDir(filepath.Join(dir, d)) // a deleted ref takes its directory along
	}
}

// create makes the Repository object of a first push; another request may be first.
func (h *Host) create(ctx context.Context, rt route) error {
	err := h.Client.Create(ctx, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{
		Namespace: rt.ns, Name: rt.name, Finalizers: []string{Finalizer},
	}})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
