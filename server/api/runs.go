package api

import (
	"context"
	"net/http"
	"strconv"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// How many runs one answer lists: asked for nothing, and at the most.
const (
	someRuns = 500
	mostRuns = 1000
)

func (s *server) listRuns(w http.ResponseWriter, r *http.Request) error {
	q, limit := r.URL.Query(), someRuns
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > mostRuns {
			return refuse(http.StatusBadRequest, "", "limit %q: want a number from 1 to %d", v, mostRuns)
		}
		limit = n
	}
	items, next, err := s.Runs.List(r.Context(), r.PathValue("ns"), q.Get("repository"), q.Get("continue"), limit)
	if err != nil {
		return err
	}
	l := &slipway.RunList{Items: items}
	l.Continue = next
	l.GetObjectKind().SetGroupVersionKind(slipway.GroupVersion.WithKind("RunList"))
	writeJSON(w, http.StatusOK, l)
	return nil
}

func (s *server) getRun(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	run, err := s.Runs.Get(r.Context(), r.PathValue("ns"), name)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, present(runs, run))
	return nil
}

func (s *server) deleteRun(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	if err := s.Runs.Delete(r.Context(), r.PathValue("ns"), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) form(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	form, err := s.Runs.Form(r.Context(), r.PathValue("ns"), name, r.URL.Query().Get("ref"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, form)
	return nil
}

func (s *server) startRun(w http.ResponseWriter, r *http.Request) error {
	var body StartRun
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	switch body.Cause {
	case "":
		body.Cause = "api"
	case "manual", "api":
	default:
		return refuse(http.StatusBadRequest, "", "cause %q: want manual or api", body.Cause)
	}
	u, _ := UserFrom(r.Context())
	run, err := s.Runs.Start(r.Context(), r.PathValue("ns"), body, u.Name)
	return created(w, run, err)
}

// rerun makes a new run of the commit, or, where the body says so, begins jobs of
// this one again: those that failed, or one and all behind it.
func (s *server) rerun(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	var body struct {
		Failed bool   `json:"failed"`
		From   string `json:"from"`
	}
	if r.ContentLength != 0 {
		if err := readJSON(w, r, &body); err != nil {
			return err
		}
	}
	u, _ := UserFrom(r.Context())
	action := slipway.RunAction{Verb: "retry", By: u.Name}
	switch {
	case body.Failed && body.From != "":
		return refuse(http.StatusBadRequest, "", "failed and from: give one of them")
	case body.From != "":
		action.Verb, action.Job = "from", body.From
	case !body.Failed:
		allowed, err := s.Authorizer.Allowed(r.Context(), u, "create", "runs", r.PathValue("ns"), "")
		if err != nil {
			return err
		}
		if !allowed {
			return refuse(http.StatusForbidden, "ask an administrator for a role that allows it", "%s may not create runs in namespace %s", u.Name, r.PathValue("ns"))
		}
		run, err := s.Runs.Rerun(r.Context(), r.PathValue("ns"), name, u.Name)
		return created(w, run, err)
	}
	return act(w, r, func(ctx context.Context, ns, run, _ string) error {
		return s.Runs.Act(ctx, ns, run, action)
	})
}

func created(w http.ResponseWriter, run *slipway.Run, err error) error {
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, present(runs, run))
	return nil
}

func (s *server) cancelRun(w http.ResponseWriter, r *http.Request) error {
	return act(w, r, s.Runs.Cancel)
}

// jobAction answers a request for one thing to be done to the job of the path, or to the
// run where the path names none.
func jobAction(verb string) handler {
	return func(s *server, w http.ResponseWriter, r *http.Request) error {
		return act(w, r, func(ctx context.Context, ns, run, by string) error {
			return s.Runs.Act(ctx, ns, run, slipway.RunAction{Verb: verb, Job: r.PathValue("job"), By: by})
		})
	}
}

// playJob takes variables for the attempt; with approve, it also approves.
func (s *server) playJob(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Variables map[string]string `json:"variables"`
		Approve   bool              `json:"approve"`
	}
	if r.ContentLength != 0 {
		if err := readJSON(w, r, &body); err != nil {
			return err
		}
	}
	return act(w, r, func(ctx context.Context, ns, run, by string) error {
		var actions []slipway.RunAction
		if body.Approve {
			actions = append(actions, slipway.RunAction{Verb: "approve", Job: r.PathValue("job"), By: by})
		}
		return s.Runs.Act(ctx, ns, run, append(actions, slipway.RunAction{Verb: "play", Job: r.PathValue("job"), By: by, Variables: body.Variables})...)
	})
}

func (s *server) jobLog(w http.ResponseWriter, r *http.Request) error {
	run, err := pathName(r, "name")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	attempt := 0
	if v := q.Get("attempt"); v != "" {
		if attempt, err = strconv.Atoi(v); err != nil || attempt < 0 {
			return refuse(http.StatusBadRequest, "", "attempt %q: not a number", v)
		}
	}
	log, err := s.Runs.Log(r.Context(), r.PathValue("ns"), run, r.PathValue("job"), attempt, q.Get("follow") == "1")
	if err != nil {
		return err
	}
	defer log.Close()
	plainText(w)
	return stream(w, log)
}
