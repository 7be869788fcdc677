// Package badge owns the small pictures that say how the newest run of a branch went, for
// README files and wikis.
//
// A badge is for those who may read the repository, and for everybody where the Repository
// says publicBadge. To all others, a repository that is not public looks like one that is
// not there. It never says more than the run's phase or its coverage. Start at Handler.
package badge

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/api"
)

// Path of badges: Path<namespace>/<repository>.svg, with ?branch=, ?show=coverage, ?label=.
const Path = "/badge/"

// Handler answers below Path. It expects the user, if there is one, in the context.
type Handler struct {
	Reader     client.Reader
	Authorizer api.Authorizer
	Log        *slog.Logger
}

// maxLabel and maxBranch are in bytes.
const (
	maxLabel  = 60
	maxBranch = 250
)

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "a badge can only be read", http.StatusMethodNotAllowed)
		return
	}
	q := r.URL.Query()
	label, branch, show := q.Get("label"), q.Get("branch"), q.Get("show")
	if len(label) > maxLabel || len(branch) > maxBranch || show != "" && show != "pipeline" && show != "coverage" {
		http.Error(w, "show is pipeline or coverage; branch and label are short", http.StatusBadRequest)
		return
	}
	repo, err := h.repository(r)
	if err == nil && repo == nil {
		http.Error(w, "no such badge, or not for you", http.StatusNotFound)
		return
	}
	var picture []byte
	if err == nil {
		picture, err = h.picture(r.Context(), repo, branch, show, label)
	}
	if err != nil {
		h.Log.Error("badge", "path", r.URL.Path, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(picture)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	head := w.Header()
	head.Set("ETag", tag)
	// Kept, but asked for each time: a picture that is late says something wrong.
	head.Set("Cache-Control", "no-cache")
	if !repo.Spec.PublicBadge {
		head.Set("Cache-Control", "private, no-cache")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Type", "image/svg+xml; charset=utf-8")
	head.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, _ = w.Write(picture)
}

// repository of the path; nil where there is none for this user.
func (h *Handler) repository(r *http.Request) (*slipway.Repository, error) {
	ns, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Path), "/")
	name, ok := strings.CutSuffix(file, ".svg")
	if !ok || len(validation.IsDNS1123Label(ns)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return nil, nil
	}
	allowed := false
	if u, ok := api.UserFrom(r.Context()); ok {
		var err error
		if allowed, err = h.Authorizer.Allowed(r.Context(), u, "get", "repositories", ns, name); err != nil {
			return nil, err
		}
	}
	repo := &slipway.Repository{}
	err := h.Reader.Get(r.Context(), client.ObjectKey{Namespace: ns, Name: name}, repo)
	if apierrors.IsNotFound(err) || err == nil && !allowed && !repo.Spec.PublicBadge {
		return nil, nil
	}
	return repo, err
}

func (h *Handler) picture(ctx context.Context, repo *slipway.Repository, branch, show, label string) ([]byte, error) {
	list := &slipway.RunList{}
	err := h.Reader.List(ctx, list, client.InNamespace(repo.Namespace), client.MatchingLabels{slipway.LabelRepository: repo.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	if branch == "" {
		branch = cmp.Or(repo.Spec.DefaultBranch, repo.Status.DefaultBranch)
	}
	coverage := show == "coverage"
	text, colour := "unknown", grey
	run := newest(list.Items, "refs/heads/"+branch, coverage)
	switch {
	case coverage:
		if run != nil {
			text, colour = covered(run.Status.Coverage)
		}
		label = cmp.Or(label, "coverage")
	default:
		if run != nil {
			text, colour = phase(run.Status.Phase)
		}
		label = cmp.Or(label, "pipeline")
	}
	return svg(label, text, colour), nil
}

// newest run of a branch, or the newest that has a coverage. Runs that other runs started
// and those of merge requests say nothing of the branch.
func newest(runs []slipway.Run, ref string, coverage bool) (best *slipway.Run) {
	for i := range runs {
		run := &runs[i]
		if run.Spec.Ref != ref || run.Spec.Parent != nil || run.Spec.Target != "" || coverage && (run.Status.Coverage == "" || !run.Status.Phase.Finished()) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(run.Spec.Sequence, best.Spec.Sequence), run.CreationTimestamp.Compare(best.CreationTimestamp.Time), cmp.Compare(run.Name, best.Name)) > 0 {
			best = run
		}
	}
	return best
}
