package boards

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/dashboard/stored"
	"slipway.dev/observability/grafana"
)

// Provision says which dashboards of repositories and applications should be in Grafana: a
// folder for each namespace that has some.
type Provision struct {
	Store  *stored.Store
	Reader client.Reader
	// Tenants are the namespaces of tenants.
	Tenants func(ctx context.Context) ([]string, error)
	// Exposed says which metrics an application's pods have.
	Exposed func(ctx context.Context, namespace, application string) ([]dashboard.Metric, error)
	Log     *slog.Logger

	// known is what applications expose, of the calls of Add, which come one at a time.
	known map[client.ObjectKey]exposure
}

// exposure is what an application's pods exposed when it was asked last.
type exposure struct {
	metrics  []dashboard.Metric
	asked    time.Time
	release  int64     // that ran then
	released time.Time // when that release was first seen
}

const (
	// askAgain is how old an exposure may be. What is new shows soon after a release, so
	// that for settles it is looked for at each pass.
	askAgain = time.Hour
	settles  = 15 * time.Minute
	askLimit = 10 * time.Second
)

// Add them to what is desired. What cannot be looked up now makes it incomplete, so that
// nothing is taken away.
func (p *Provision) Add(ctx context.Context, d *grafana.Desired) {
	incomplete := func(err error) {
		d.Incomplete = true
		p.Log.Warn("dashboards for grafana", "err", err)
	}
	tenants, err := p.Tenants(ctx)
	if err != nil {
		incomplete(err)
		return
	}
	slices.Sort(tenants)
	known := map[client.ObjectKey]exposure{} // without applications that are gone
	away := false
	for _, ns := range tenants {
		folder := grafana.Folder{UID: "slipway-ns-" + short(ns), Title: "Slipway / " + ns}
		before := len(d.Dashboards)
		kept, err := p.Store.Of(ns)
		if err != nil {
			incomplete(err)
		}
		for _, k := range kept {
			d.Dashboards = append(d.Dashboards, grafana.Dashboard{UID: uidOf(k), Title: k.Title, Folder: folder.UID, JSON: relinked(k, kept)})
		}
		var apps slipway.ApplicationList
		if err := p.Reader.List(ctx, &apps, client.InNamespace(ns), client.UnsafeDisableDeepCopy); err != nil {
			incomplete(err)
		}
		apps.Items = slices.Clone(apps.Items) // the cache's own
		slices.SortFunc(apps.Items, func(a, b slipway.Application) int { return cmp.Compare(a.Name, b.Name) })
		for i := range apps.Items {
			key := client.ObjectKeyFromObject(&apps.Items[i])
			e, err := p.exposed(ctx, key, apps.Items[i].Status.Current, away)
			if err != nil { // without asking for the others too, each for so long
				away = true
				incomplete(err)
			}
			if e.asked.IsZero() {
				d.Incomplete = true
				continue
			}
			known[key] = e
			made, err := dashboard.OfApplication(key.Namespace, key.Name, e.metrics)
			if err != nil {
				incomplete(err)
				continue
			}
			d.Dashboards = append(d.Dashboards, grafana.Dashboard{UID: dashboard.UID(made.Name), Title: made.Title, Folder: folder.UID, JSON: made.JSON})
		}
		if len(d.Dashboards) > before {
			d.Folders = append(d.Folders, folder)
		}
	}
	p.known = known
}

// exposed is what is known of an application, asked for again when it may have changed.
func (p *Provision) exposed(ctx context.Context, key client.ObjectKey, release int64, away bool) (exposure, error) {
	e, now := p.known[key], time.Now()
	if e.release != release || e.released.IsZero() {
		e.release, e.released = release, now
	}
	if away || !e.asked.IsZero() && now.Sub(e.asked) < askAgain && now.Sub(e.released) > settles {
		return e, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	metrics, err := p.Exposed(ctx, key.Namespace, key.Name)
	if err != nil {
		return e, fmt.Errorf("what application %s exposes: %w", key, err)
	}
	e.metrics, e.asked = metrics, now
	return e, nil
}

// uidOf a dashboard in Grafana, where namespaces are not apart.
func uidOf(k stored.Kept) string { return dashboard.UIDOfKept(k.Namespace, k.UID) }

// links of dashboards to one another, by their UIDs.
var links = regexp.MustCompile(`/d/[A-Za-z0-9_-]{1,40}`)

// relinked is the text of a dashboard with its links to others of its namespace.
func relinked(k stored.Kept, all []stored.Kept) json.RawMessage {
	return links.ReplaceAllFunc(k.JSON, func(link []byte) []byte {
		for _, other := range all {
			if string(link[len("/d/"):]) == other.UID {
				return []byte("/d/" + uidOf(other))
			}
		}
		return link
	})
}

// short name of what has longer ones than Grafana takes.
func short(name string) string {
	sum := sha256.Sum256([]byte(name + "/"))
	return fmt.Sprintf("%x", sum[:8])
}
