package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/release"
)

// WaitApp returns the application once the release of that number runs and is healthy; or, of
// release 0, once that is so of what is desired or pinned. What ends in another way is an error.
func (c *Client) WaitApp(ctx context.Context, name string, n int64) (*slipway.Application, error) {
	return c.FollowApp(ctx, name, n, func(*slipway.Application) {})
}

// FollowApp is WaitApp, and tells progress of the application whenever it changes.
func (c *Client) FollowApp(ctx context.Context, name string, n int64, progress func(*slipway.Application)) (*slipway.Application, error) {
	var failed error
	first := true
	a, err := waitFor(ctx, c, "Application", name, func(a *slipway.Application) (done bool) {
		progress(a)
		done, failed = c.ended(ctx, a, n)
		if first && n == 0 && (done || failed != nil) {
			done, failed = c.still(ctx, name)
		}
		first = false
		return done || failed != nil
	})
	switch {
	case err == nil:
		err = failed
	case a != nil && errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("application %s: gave up waiting: release %d is %s: %s (%w)", name, a.Status.Current, a.Status.Health, a.Status.Message, err)
	case a != nil:
		err = fmt.Errorf("application %s: release %d is %s: %s (%w)", name, a.Status.Current, a.Status.Health, a.Status.Message, err)
	}
	return a, err
}

// grace is how far behind a change that was just asked for the server's first word may be.
const grace = 300 * time.Millisecond

// still says whether what a watch began with is so a moment later: it may have been of before
// the change that is waited for.
func (c *Client) still(ctx context.Context, name string) (bool, error) {
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(grace):
	}
	a := &slipway.Application{}
	if err := c.Call(ctx, "GET", c.Path("applications", name), nil, a); err != nil {
		return false, err
	}
	return c.ended(ctx, a, 0)
}

// ended says whether what is waited for is there, or, with an error, that it will not come by
// itself. A status of before the last change of the spec says neither.
func (c *Client) ended(ctx context.Context, a *slipway.Application, n int64) (bool, error) {
	st := &a.Status
	failed := fmt.Errorf("application %s: %s", a.Name, st.Message)
	if n == 0 && a.Spec.Pin > 0 {
		if st.Sync == "Failed" && strings.HasPrefix(st.Message, fmt.Sprintf("release %d cannot be ", a.Spec.Pin)) {
			return false, failed
		}
		return runs(a, a.Spec.Pin), nil
	}
	if n > 0 {
		if runs(a, n) || st.Sync != "Failed" || st.Last < n || a.Spec.Pin == n {
			return runs(a, n), nil
		}
		rel, err := c.release(ctx, a.Name, n)
		if rel != nil && rel.Status.Result == slipway.ReleaseFailed {
			err = fmt.Errorf("application %s: release %d failed: %s", a.Name, n, rel.Status.Reason)
		}
		return false, err
	}
	desired, refused := a.Spec.Desired, st.Refused
	switch {
	case desired == nil:
		return false, nil
	case st.Sync == "Failed" && refused != nil && a.Spec.Retry == st.RefusedRetry && release.Same(*refused, *desired):
		return false, failed
	case !runs(a, st.Last), a.Spec.Resync != st.Resynced:
		return false, nil
	}
	// It may be the release of the value before.
	rel, err := c.release(ctx, a.Name, st.Last)
	return rel != nil && release.Same(rel.Spec.Desired, *desired), err
}

// runs says whether release n is applied, completely, and healthy. That something is left to
// wish, such as an object that left the set and is kept, does not matter.
func runs(a *slipway.Application, n int64) bool {
	return release.Settled(a, n) && a.Status.Health == "Healthy"
}

// release n of an application; nil if it is not there.
func (c *Client) release(ctx context.Context, application string, n int64) (*slipway.Release, error) {
	var l slipway.ReleaseList
	if err := c.Call(ctx, "GET", c.Path("applications", application, "releases"), nil, &l); err != nil {
		return nil, err
	}
	for i := range l.Items {
		if l.Items[i].Spec.Number == n {
			return &l.Items[i], nil
		}
	}
	return nil, nil
}
