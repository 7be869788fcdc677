package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/api"
)

// Status is what runs and what does not.
type Status struct {
	Ready      bool            `json:"ready"`
	Components []api.Component `json:"components"`
}

// Missing says which components are not ready and why.
func (s *Status) Missing() string {
	var text []string
	for _, k := range s.Components {
		if !k.Ready && !k.Optional {
			text = append(text, strings.TrimSuffix(k.Name+": "+k.Message, ": "))
		}
	}
	return strings.Join(text, "; ")
}

// Status asks the server how it is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	return &s, c.Call(ctx, "GET", "/api/v1/status", nil, &s)
}

// WaitReady asks until every component is ready, and tells progress of what is
// still missing, or that nobody answers. There is no event to wait for: the server may not have begun
// to listen.
func (c *Client) WaitReady(ctx context.Context, timeout time.Duration, progress func(missing string)) (*Status, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		s, err := c.Status(ctx)
		if err == nil && s.Ready {
			return s, nil
		}
		if err == nil {
			progress(s.Missing())
			err = fmt.Errorf("not ready: %s", s.Missing())
		} else if ctx.Err() == nil {
			progress("the server at " + c.Server)
		}
		if last == nil || ctx.Err() == nil {
			last = err // not that there was no time for one more look
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("gave up after %s: %w", timeout, last)
		}
	}
}

// Run reads a run.
func (c *Client) Run(ctx context.Context, name string) (*slipway.Run, error) {
	var r slipway.Run
	return &r, c.Call(ctx, "GET", c.Path("runs", name), nil, &r)
}

// runsAtOnce is how many runs are asked for at one time.
const runsAtOnce = 500

// Runs are the newest runs, of one repository unless it is empty, newest first, archived
// ones too; limit 0: all.
func (c *Client) Runs(ctx context.Context, repository string, limit int) (*slipway.RunList, error) {
	all := &slipway.RunList{}
	for {
		n := runsAtOnce
		if limit > 0 {
			n = min(n, limit-len(all.Items))
		}
		q := url.Values{"repository": {repository}, "continue": {all.Continue}, "limit": {strconv.Itoa(n)}}
		var page slipway.RunList
		if err := c.Call(ctx, "GET", c.Path("runs")+"?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all.TypeMeta, all.ListMeta = page.TypeMeta, page.ListMeta
		all.Items = append(all.Items, page.Items...)
		if page.Continue == "" || limit > 0 && len(all.Items) >= limit {
			return all, nil
		}
	}
}

// appsAtOnce is how many applications are asked for at one time.
const appsAtOnce = 500

// Applications that a query asks for, in the order of their names, of all namespaces or of
// the client's own; limit 0: all.
func (c *Client) Applications(ctx context.Context, query url.Values, everywhere bool, limit int) (*api.ApplicationPage, error) {
	path := c.Path("applications")
	if everywhere {
		path = "/api/v1/applications"
	}
	query = maps.Clone(query)
	var all *api.ApplicationPage
	for {
		n := appsAtOnce
		if all != nil && limit > 0 {
			n = min(n, limit-len(all.Items))
		} else if limit > 0 {
			n = min(n, limit)
		}
		query.Set("limit", strconv.Itoa(n))
		page := &api.ApplicationPage{}
		if err := c.Call(ctx, "GET", path+"?"+query.Encode(), nil, page); err != nil {
			return nil, err
		}
		if all == nil {
			all = page
		} else {
			all.ListMeta = page.ListMeta
			all.Items = append(all.Items, page.Items...)
		}
		if page.Continue == "" || limit > 0 && len(all.Items) >= limit {
			return all, nil
		}
		query.Set("continue", page.Continue)
	}
}

// JobLog writes the log of a job's newest attempt to w; with follow until the attempt ends.
func (c *Client) JobLog(ctx context.Context, w io.Writer, run, job string, follow bool) error {
	return c.AttemptLog(ctx, w, run, job, 0, follow)
}

// AttemptLog is JobLog for one attempt, counted from 1.
func (c *Client) AttemptLog(ctx context.Context, w io.Writer, run, job string, attempt int, follow bool) error {
	path := fmt.Sprintf("%s?attempt=%d", c.Path("runs", run, "jobs", job, "log"), attempt)
	if follow {
		path += "&follow=1"
	}
	return c.Copy(ctx, w, path)
}

// WaitRun returns the run once seen says that it is as wanted.
func (c *Client) WaitRun(ctx context.Context, name string, seen func(*slipway.Run) bool) (*slipway.Run, error) {
	// One that is archived changes no more, and no watch tells of it.
	if r, err := c.Run(ctx, name); err == nil && r.Status.Phase.Finished() && seen(r) {
		return r, nil
	}
	return waitFor(ctx, c, "Run", name, seen)
}

// FollowRun writes each job's log live, one after the other in the order they
// start, each under a line "== job", and returns the run when it has ended.
func (c *Client) FollowRun(ctx context.Context, w io.Writer, name string) (*slipway.Run, error) {
	printed := map[string]bool{}
	for {
		job := ""
		r, err := c.WaitRun(ctx, name, func(r *slipway.Run) bool {
			for _, j := range r.Status.Jobs {
				if key := fmt.Sprint(j.Name, " ", j.Attempt); j.Attempt > 0 && !printed[key] {
					printed[key], job = true, j.Name
					return true
				}
			}
			return r.Status.Phase.Finished()
		})
		if err != nil || job == "" {
			return r, err
		}
		fmt.Fprintf(w, "== %s\n", job)
		if err := c.JobLog(ctx, w, name, job, true); err != nil {
			return r, err
		}
	}
}

// WaitRelease returns the release once it has a result.
func (c *Client) WaitRelease(ctx context.Context, name string) (*slipway.Release, error) {
	return waitFor(ctx, c, "Release", name, func(r *slipway.Release) bool {
		return r.Status.Result != "" && r.Status.Result != slipway.ReleaseProgressing
	})
}

// waitFor returns the object of that kind and name once enough says so; with an
// error, it is the object as seen last, nil if never.
func waitFor[T any, P interface {
	*T
	GetName() string
}](ctx context.Context, c *Client, kind, name string, enough func(P) bool) (P, error) {
	var last P
	err := c.WatchOf(ctx, url.Values{"kind": {kind}, "name": {name}}, func(change Change) (bool, error) {
		if change.Kind != kind {
			return false, nil
		}
		o := P(new(T))
		if err := json.Unmarshal(change.Object, o); err != nil || o.GetName() != name {
			return false, err
		}
		if change.Type == "DELETED" {
			return false, fmt.Errorf("%s %s was deleted", strings.ToLower(kind), name)
		}
		last = o
		return enough(o), nil
	})
	if err != nil && last == nil {
		err = fmt.Errorf("%s %s: not seen: %w", strings.ToLower(kind), name, err)
	}
	return last, err
}
