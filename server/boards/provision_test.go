package boards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/dashboard/stored"
	"slipway.dev/observability/grafana"
)

func names(d grafana.Desired) string {
	titles := map[string]string{}
	for _, f := range d.Folders {
		titles[f.UID] = f.Title
	}
	var out []string
	for _, b := range d.Dashboards {
		out = append(out, titles[b.Folder]+": "+b.Title)
	}
	return strings.Join(out, ", ")
}

func TestProvision(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := slipway.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	app := func(ns, name string) *slipway.Application {
		return &slipway.Application{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Status: slipway.ApplicationStatus{Current: 1}}
	}
	shop := app("default", "shop")
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(shop, app("default", "bank"), app("hidden", "x")).WithStatusSubresource(shop).Build()
	store, err := stored.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		asked, away := []string{}, false
		metrics := []dashboard.Metric{{Name: "orders_total", Type: "counter"}}
		p := &Provision{
			Store: store, Reader: c, Log: slog.New(slog.DiscardHandler),
			Tenants: func(context.Context) ([]string, error) { return []string{"team", "default", "empty"}, nil },
			Exposed: func(_ context.Context, ns, name string) ([]dashboard.Metric, error) {
				asked = append(asked, ns+"/"+name)
				if away {
					return nil, errors.New("away")
				}
				return metrics, nil
			},
		}
		add := func(what, want, wantAsked string, incomplete bool) grafana.Desired {
			t.Helper()
			asked = nil
			var d grafana.Desired
			p.Add(t.Context(), &d)
			if got := names(d); got != want || d.Incomplete != incomplete || strings.Join(asked, " ") != wantAsked {
				t.Errorf("%s: %s, asked for %v, incomplete: %v", what, got, asked, d.Incomplete)
			}
			return d
		}
		away = true
		add("prometheus is away", "", "default/bank", true)
		away = false
		const both = "Slipway / default: Application / default / bank, Slipway / default: Application / default / shop"
		first := add("two applications", both, "default/bank default/shop", false)
		if second := add("again", both, "default/bank default/shop", false); !reflect.DeepEqual(first, second) {
			t.Error("it is not the same again")
		}
		time.Sleep(settles + time.Minute)
		add("settled", both, "", false)
		time.Sleep(askAgain)
		add("an hour later", both, "default/bank default/shop", false)

		for _, ns := range []string{"default", "team"} {
			if err := put(store, ns, "sales"); err != nil {
				t.Fatal(err)
			}
		}
		all := "Slipway / default: T of default, " + both + ", Slipway / team: T of team"
		d := add("kept by repositories", all, "", false)
		if a, b := d.Dashboards[0], d.Dashboards[len(d.Dashboards)-1]; a.UID == b.UID || len(a.UID) > 40 || !strings.Contains(string(a.JSON), `"uid":"sales"`) {
			t.Errorf("one UID in two namespaces: %s %s", a.UID, b.UID)
		}

		shop.Status.Current = 2
		if err := c.Status().Update(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
		metrics = append(metrics, dashboard.Metric{Name: "refunds_total", Type: "counter"})
		d = add("a release", all, "default/shop", false)
		if text := string(d.Dashboards[2].JSON); !strings.Contains(text, "refunds_total") {
			t.Error("what the release exposes is not shown")
		}
		away = true
		add("away: as it was known", all, "default/shop", true)
		away = false
		if err := c.Delete(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Forget(stored.Owner{Namespace: "team", Repository: "shop"}); err != nil {
			t.Fatal(err)
		}
		add("gone", "Slipway / default: T of default, Slipway / default: Application / default / bank", "", false)
		if _, there := p.known[client.ObjectKey{Namespace: "default", Name: "shop"}]; there {
			t.Error("what is gone is remembered")
		}
		p.Tenants = func(context.Context) ([]string, error) { return nil, errors.New("away") }
		add("the cluster is away", "", "", true)
	})
}

func put(s *stored.Store, ns, uid string) error {
	text := strings.Replace(board(uid), `"T"`, fmt.Sprintf("%q", "T of "+ns), 1)
	_, err := s.Put(stored.Owner{Namespace: ns, Repository: "shop"}, "1", []dashboard.File{{Path: "dashboards/a.json", Data: []byte(text)}})
	return err
}

func TestLinksBetweenDashboards(t *testing.T) {
	a, b := stored.Kept{Owner: stored.Owner{Namespace: "n"}}, stored.Kept{Owner: stored.Owner{Namespace: "n"}}
	a.UID, b.UID = "a", "b-1"
	a.JSON = []byte(`["/d/a","https://g.example/d/b-1/some-name?var=x","/d/b-12","/d/slipway-cluster","/x/d/c"]`)
	want := `["/d/` + uidOf(a) + `","https://g.example/d/` + uidOf(b) + `/some-name?var=x","/d/b-12","/d/slipway-cluster","/x/d/c"]`
	if got := string(relinked(a, []stored.Kept{a, b})); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
