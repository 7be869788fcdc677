package source

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/discovery"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// Capabilities says what templates may know of one cluster, and asks it at most once a
// minute.
type Capabilities struct {
	Discovery discovery.DiscoveryInterface

	mu    sync.Mutex
	known render.Cluster
	until time.Time
}

// Of the cluster. It satisfies Renderer.Cluster.
func (c *Capabilities) Of(context.Context, *v1alpha1.Application) (render.Cluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.known, nil
	}
	version, err := c.Discovery.ServerVersion()
	if err != nil {
		return render.Cluster{}, err
	}
	_, lists, err := c.Discovery.ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return render.Cluster{}, err
	}
	now := render.Cluster{Version: version.GitVersion}
	for _, l := range lists {
		now.APIVersions = append(now.APIVersions, l.GroupVersion)
		for _, r := range l.APIResources {
			if slices.Contains([]byte(r.Name), '/') {
				continue // a subresource
			}
			now.APIVersions = append(now.APIVersions, l.GroupVersion+"/"+r.Kind)
			if !r.Namespaced {
				now.Unscoped = append(now.Unscoped, group(l.GroupVersion)+"/"+r.Kind)
			}
		}
	}
	slices.Sort(now.APIVersions)
	slices.Sort(now.Unscoped)
	now.APIVersions, now.Unscoped = slices.Compact(now.APIVersions), slices.Compact(now.Unscoped)
	c.known, c.until = now, time.Now().Add(time.Minute)
	return now, nil
}

// group of "group/version"; the core group is "".
func group(groupVersion string) string {
	for i := range groupVersion {
		if groupVersion[i] == '/' {
			return groupVersion[:i]
		}
	}
	return ""
}
