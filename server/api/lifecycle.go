package api

import (
	"context"
	"io"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/generate"
	"slipway.dev/gitops/order"
	"slipway.dev/gitops/revision"
)

// lifecycle are the routes of what becomes of releases: compared, promoted, approved.
func lifecycle(ns string) []Route {
	return []Route{
		{"GET", ns + "/applications/{name}/releases/{number}/diff", "get", "releases", "a release against the one before, or against=N", (*server).compare},
		{"POST", ns + "/applications/{name}/promote", "create", "promotions", "promote a healthy release to another application", (*server).promote},
		{"POST", ns + "/applications/{name}/approve", "approve", "promotions", "approve the promotion that waits for it", (*server).approvePending},
		{"GET", ns + "/applicationsets", "list", "applicationsets", "list application sets and what they made", list(appsets)},
		{"POST", ns + "/applicationsets", "create", "applicationsets", "create an application set", (*server).createApplicationSet},
		{"GET", ns + "/applicationsets/{name}", "get", "applicationsets", "read an application set", get(appsets)},
		{"DELETE", ns + "/applicationsets/{name}", "delete", "applicationsets", "delete an application set with all that it made", del(appsets)},
		{"POST", ns + "/applicationsets/{name}/approve", "approve", "applicationsets", "show a commit of a fork's merge request", (*server).approveFork},
		{"GET", ns + "/promotions", "list", "promotions", "list promotions", list(promotions)},
		{"GET", ns + "/promotions/{name}", "get", "promotions", "read a promotion", get(promotions)},
		{"POST", ns + "/promotions/{name}/approve", "approve", "promotions", "approve a promotion", (*server).approve},
		{"POST", ns + "/promotions/{name}/reject", "approve", "promotions", "reject a promotion", (*server).reject},
	}
}

// Promotions is what the API asks of promotions.
type Promotions interface {
	// Promote a release of from, 0 for the last healthy one, to another application.
	Promote(ctx context.Context, namespace, from, to string, release int64, by string) (*slipway.Promotion, error)
	// Pending is the name of the one promotion to an application that waits.
	Pending(ctx context.Context, namespace, to string) (string, error)
	Approve(ctx context.Context, namespace, promotion string, who User) error
	Reject(ctx context.Context, namespace, promotion string, who User) error
}

// ApplicationSets is what the API asks of generators.
type ApplicationSets interface {
	// Approve one commit of a merge request from a fork.
	Approve(ctx context.Context, namespace, set string, number int64, commit, by string) error
}

func (s *server) createApplicationSet(w http.ResponseWriter, r *http.Request) error {
	return s.create(appsets, &slipway.ApplicationSet{}, w, r)
}

// checkApplicationSet refuses a template that cannot be filled in, and files of
// strangers on the word of those who may not approve them.
func (s *server) checkApplicationSet(r *http.Request, set *slipway.ApplicationSet) error {
	if err := generate.Check(set); err != nil {
		return refuse(http.StatusBadRequest, "", "applicationset %s: %v", set.Name, err)
	}
	for _, g := range set.Spec.Generators {
		if g.MergeRequests == nil || g.MergeRequests.Forks == "" || g.MergeRequests.Forks == slipway.ForksNever {
			continue
		}
		u, _ := UserFrom(r.Context())
		ok, err := s.Authorizer.Allowed(r.Context(), u, "approve", "applicationsets", set.Namespace, set.Name)
		if err != nil {
			return err
		}
		if !ok {
			return refuse(http.StatusForbidden, "ask somebody who may approve applicationsets", "mergeRequests.forks: %s may not let forks in", u.Name)
		}
	}
	return nil
}

func (s *server) approveFork(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Number int64  `json:"number"`
		Commit string `json:"commit"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.Number < 1 || body.Commit == "" {
		return refuse(http.StatusBadRequest, "", "name the number of the merge request and the commit that was looked at")
	}
	return act(w, r, func(ctx context.Context, ns, name, by string) error {
		return s.ApplicationSets.Approve(ctx, ns, name, body.Number, body.Commit, by)
	})
}

func (s *server) compare(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil || n < 1 {
		return refuse(http.StatusBadRequest, "the history lists the releases", "release: want a number of at least 1")
	}
	var against int64
	if text := r.URL.Query().Get("against"); text != "" {
		if against, err = strconv.ParseInt(text, 10, 64); err != nil || against < 1 {
			return refuse(http.StatusBadRequest, "the history lists the releases", "against: want a number of at least 1")
		}
	}
	text, err := s.Applications.Compare(r.Context(), r.PathValue("ns"), name, n, against)
	if err != nil {
		return err
	}
	plainText(w)
	_, err = io.WriteString(w, text)
	return err
}

func (s *server) promote(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	var body struct {
		To      string `json:"to"`
		Release int64  `json:"release,omitempty"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.To == "" || body.Release < 0 {
		return refuse(http.StatusBadRequest, "", "to: name the application to promote to")
	}
	u, _ := UserFrom(r.Context())
	made, err := s.Promotions.Promote(r.Context(), r.PathValue("ns"), name, body.To, body.Release, u.Name)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, present(promotions, made))
	return nil
}

func (s *server) approvePending(w http.ResponseWriter, r *http.Request) error {
	u, _ := UserFrom(r.Context())
	return act(w, r, func(ctx context.Context, ns, name, _ string) error {
		promotion, err := s.Promotions.Pending(ctx, ns, name)
		if err != nil {
			return err
		}
		return s.Promotions.Approve(ctx, ns, promotion, u)
	})
}

func (s *server) approve(w http.ResponseWriter, r *http.Request) error {
	u, _ := UserFrom(r.Context())
	return act(w, r, func(ctx context.Context, ns, name, _ string) error { return s.Promotions.Approve(ctx, ns, name, u) })
}

func (s *server) reject(w http.ResponseWriter, r *http.Request) error {
	u, _ := UserFrom(r.Context())
	return act(w, r, func(ctx context.Context, ns, name, _ string) error { return s.Promotions.Reject(ctx, ns, name, u) })
}

// deleteApplication asks more of who deletes what is released to by approved promotions
// only: made anew, it would ask for none. Its objects go with it, unless ?cascade=false or
// its spec says that they stay.
func (s *server) deleteApplication(w http.ResponseWriter, r *http.Request) error {
	cascade, err := boolOf(r.URL.Query().Get("cascade"), "cascade")
	if err != nil {
		return err
	}
	app := &slipway.Application{}
	if err := s.read(r, app); err != nil {
		return err
	}
	if app.Spec.Promotion != nil && app.Spec.Promotion.Approvals > 0 {
		if err := s.mayApprove(r, app, "delete"); err != nil {
			return err
		}
	}
	return act(w, r, func(ctx context.Context, ns, name, by string) error {
		return s.Applications.Delete(ctx, ns, name, by, cascade)
	})
}

// checkApplication refuses one that could never be released: needs that form a cycle,
// windows that mean nothing, revisions that nothing can be, promotion into what a push
// overwrites.
func (s *server) checkApplication(r *http.Request, app *slipway.Application) error {
	err := order.Check(app.Name, app.Spec.Lifecycle, func(name string) ([]string, error) {
		other := &slipway.Application{}
		err := s.Reader.Get(r.Context(), client.ObjectKey{Namespace: r.PathValue("ns"), Name: name}, other)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return other.Spec.Needs, err
	})
	if apierrors.ReasonForError(err) != "" {
		return err
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "", "application %s: %v", app.Name, err)
	}
	if err := revision.Check(&app.Spec); err != nil {
		return refuse(http.StatusBadRequest, "", "application %s: %v", app.Name, err)
	}
	if app.Spec.Promotion != nil && app.Spec.Sync != "manual" {
		return refuse(http.StatusBadRequest, "set spec.sync to manual", "application %s: it is promoted to, and its sync would overwrite that", app.Name)
	}
	return nil
}
