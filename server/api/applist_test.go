package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// cached lists applications as the manager's cache does: from memory, without a copy where
// none is asked for.
type cached struct {
	client.Reader
	apps map[string][]slipway.Application
}

func (c cached) List(_ context.Context, l client.ObjectList, opts ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	for _, a := range c.apps[o.Namespace] {
		if o.UnsafeDisableDeepCopy == nil || !*o.UnsafeDisableDeepCopy {
			a = *a.DeepCopy()
		}
		l.(*slipway.ApplicationList).Items = append(l.(*slipway.ApplicationList).Items, a)
	}
	return nil
}

// manyApplications of two tenants, in no order.
func manyApplications(n int) cached {
	c := cached{apps: map[string][]slipway.Application{}}
	for i := range n {
		k := i * 7919 % n // each number once, as 7919 is prime
		a := slipway.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("app-%05d", k), ResourceVersion: "1", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "x"}}}}
		a.Spec.Source.Repository = fmt.Sprintf("repo-%d", k%10)
		a.Spec.Desired = &slipway.Desired{Commit: fmt.Sprintf("%040x", k)}
		a.Status = slipway.ApplicationStatus{Health: "Healthy", Sync: "Synced", Current: 1}
		for j := range 4 {
			a.Status.Inventory = append(a.Status.Inventory, slipway.ObjectReference{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "default", Name: fmt.Sprint(j), Owned: strings.Repeat("a", 43)})
		}
		switch {
		case k%100 == 0:
			a.Status.Health, a.Status.Message = "Degraded", "Deployment/web: exploded"
		case k%100 == 1:
			a.Status.Sync = "Failed"
		case k%100 == 2:
			a.Spec.Pin = 1
		case k%100 == 4:
			a.Spec.Promotion = &slipway.PromotionPolicy{From: "app-00000"}
		case k%100 == 3:
			a.Spec.Namespace = "elsewhere"
		}
		c.apps["default"] = append(c.apps["default"], a)
	}
	other := slipway.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "secret-plan"}}
	c.apps["other"] = []slipway.Application{other}
	return c
}

func listHandler(c cached, r roles) http.Handler {
	return Handler(Deps{Reader: c, Authorizer: r, Tenants: func(context.Context) ([]string, error) { return []string{"default", "other"}, nil }}, slog.New(slog.DiscardHandler))
}

func pageOf(t *testing.T, h http.Handler, path, user string, query url.Values) ApplicationPage {
	t.Helper()
	w := ask(h, "GET", path+"?"+query.Encode(), user, "")
	var p ApplicationPage
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s?%s: %d %s", path, query.Encode(), w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	ofTenant = "/api/v1/namespaces/default/applications"
	ofAll    = "/api/v1/applications"
)

func TestApplicationsAreFiltered(t *testing.T) {
	h := listHandler(manyApplications(5000), roles{"ann": {"*"}})
	for name, tc := range map[string]struct {
		query string
		want  int
	}{
		"all":                        {"", 5000},
		"degraded":                   {"health=Degraded", 50},
		"in any case of letters":     {"health=degraded", 50},
		"two healths":                {"health=Degraded,Healthy", 5000},
		"failed":                     {"sync=Failed", 50},
		"pinned":                     {"sync=pinned", 50},
		"both":                       {"health=Degraded&sync=Failed", 0},
		"failing is either":          {"failing=true", 100},
		"repository":                 {"repository=repo-3", 500},
		"repositories":               {"repository=repo-3&repository=repo-4", 1000},
		"destination":                {"destination=elsewhere", 50},
		"a name":                     {"q=app-00017", 1},
		"words are all needed":       {"q=EXPLODED+repo-0", 50},
		"words that no one has":      {"q=exploded+repo-1", 0},
		"a commit":                   {"q=" + fmt.Sprintf("%040x", 4321), 1},
		"promoted from":              {"promotedFrom=app-00000", 50},
		"application set of no one":  {"applicationset=x", 0},
		"a filter with a limit":      {"health=Degraded&limit=7", 50},
		"nothing of another tenant":  {"q=secret-plan", 0},
		"no name is an operator (.)": {"q=app.00017", 0},
	} {
		t.Run(name, func(t *testing.T) {
			q, _ := url.ParseQuery(tc.query)
			if p := pageOf(t, h, ofTenant, "ann", q); p.Total != tc.want {
				t.Errorf("%d applications, want %d", p.Total, tc.want)
			}
		})
	}
}

// TestPagesOfApplications reads all in pages, while some come and go.
func TestPagesOfApplications(t *testing.T) {
	c := manyApplications(3000)
	h := listHandler(c, roles{"ann": {"*"}})
	q := url.Values{"limit": {"250"}, "brief": {"true"}}
	var names []string
	for pages := 0; ; pages++ {
		p := pageOf(t, h, ofTenant, "ann", q)
		if len(p.Items) > 250 || pages > 12 {
			t.Fatalf("page %d has %d", pages, len(p.Items))
		}
		for _, a := range p.Items {
			if a.Status.Inventory != nil || a.ManagedFields != nil {
				t.Fatal("brief is not")
			}
			names = append(names, a.Name)
		}
		if p.Continue == "" {
			break
		}
		if left := *p.RemainingItemCount; left != int64(p.Total-len(names)) && pages == 0 {
			t.Errorf("%d remain after %d of %d", left, len(names), p.Total)
		}
		q.Set("continue", p.Continue)
		// The last of this page goes: the next one begins where it was all the same.
		last := names[len(names)-1]
		c.apps["default"] = slices.DeleteFunc(c.apps["default"], func(a slipway.Application) bool { return a.Name == last })
	}
	if len(names) != 3000 || !slices.IsSorted(names) || len(slices.Compact(names)) != 3000 {
		t.Errorf("%d names, sorted: %v", len(names), slices.IsSorted(names))
	}
	// What was shown without its objects has them still.
	if c.apps["default"][0].Status.Inventory == nil {
		t.Error("the cache was written to")
	}
}

func TestCountsOfApplications(t *testing.T) {
	h := listHandler(manyApplications(1000), roles{"ann": {"*"}})
	p := pageOf(t, h, ofTenant, "ann", url.Values{"limit": {"1"}, "health": {"Degraded"}})
	// A filter does not take away what the others of its kind could be.
	if p.Health["Healthy"] != 990 || p.Health["Degraded"] != 10 || p.Sync["Synced"] != 10 || p.Total != 10 || p.Kind != "ApplicationList" || p.Items[0].Kind != "Application" {
		t.Errorf("%+v %v", p.Health, p.Sync)
	}
}

func TestApplicationsOfAllNamespacesAreThoseThatTheUserMayList(t *testing.T) {
	h := listHandler(manyApplications(10), roles{"ann": {"list applications default"}, "root": {"*"}})
	for user, want := range map[string]int{"ann": 10, "root": 11, "eve": 0} {
		if p := pageOf(t, h, ofAll, user, nil); p.Total != want {
			t.Errorf("%s sees %d, want %d", user, p.Total, want)
		}
	}
}

func TestBadListsOfApplicationsAreRefused(t *testing.T) {
	h := listHandler(manyApplications(1), roles{"ann": {"*"}})
	for _, q := range []string{"limit=0", "limit=1001", "limit=x", "continue=%21", "continue=" + strings.Repeat("A", 1000), "failing=maybe", "brief=2"} {
		if w := ask(h, "GET", ofTenant+"?"+q, "ann", ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", q, w.Code)
		}
	}
}

// TestThousandsOfApplicationsStayQuick is a bound that no list of thousands may come near: it
// is a few milliseconds.
func TestThousandsOfApplicationsStayQuick(t *testing.T) {
	h := listHandler(manyApplications(10_000), roles{"ann": {"*"}})
	began := time.Now()
	const asked = 20
	for range asked {
		if w := ask(h, "GET", ofTenant+"?limit=50&brief=1&q=app+repo-7&health=healthy", "ann", ""); w.Body.Len() > 64<<10 {
			t.Fatalf("a page of %d bytes", w.Body.Len())
		}
	}
	if each := time.Since(began) / asked; each > 10*time.Second {
		t.Errorf("a page of 50 of 10,000 takes %s", each)
	}
}

func BenchmarkListApplications(b *testing.B) {
	h := listHandler(manyApplications(10_000), roles{"ann": {"*"}})
	for b.Loop() {
		ask(h, "GET", ofTenant+"?limit=50&brief=1&q=app+repo-7&health=healthy", "ann", "")
	}
}
