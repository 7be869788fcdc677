package api

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// growing is an application whose tree has one node more each time something changes.
type growing struct {
	Applications
	news  chan struct{}
	nodes atomic.Int32
}

func (g *growing) Tree(_ context.Context, _, application string) ([]apply.Node, error) {
	if g.nodes.Load() < 0 {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "applications"}, application)
	}
	return make([]apply.Node, g.nodes.Load()), nil
}
func (g *growing) Follow(context.Context, string, string) <-chan struct{} { return g.news }
func (g *growing) Look(_ context.Context, _, _ string, ref slipway.ObjectReference) (*apply.View, error) {
	return &apply.View{Node: apply.Node{ObjectReference: ref}}, nil
}

// TestTreeIsWatched reads a stream as a browser does.
func TestTreeIsWatched(t *testing.T) {
	apps := &growing{news: make(chan struct{}, 1)}
	apps.nodes.Store(1)
	h := Handler(Deps{Applications: apps, Authorizer: roles{"ann": {"get applications default"}}}, slog.New(slog.DiscardHandler))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(WithUser(r.Context(), User{Name: "ann"})))
	}))
	defer srv.Close()
	resp, err := http.Get(srv.URL + ofTenant + "/web/tree?watch=true")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() (nodes int) {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var answer TreeAnswer
				if err := json.Unmarshal([]byte(data), &answer); err != nil {
					t.Fatal(err)
				}
				return len(answer.Items)
			}
		}
		return -1
	}
	for want := 1; want <= 2; want++ {
		if got := next(); got != want {
			t.Fatalf("%d nodes, want %d", got, want)
		}
		apps.nodes.Add(1)
		apps.news <- struct{}{}
	}
	apps.nodes.Store(-1) // the application goes, and with it the stream
	if got := next(); got != -1 && (got != 3 || next() != -1) {
		t.Errorf("%d nodes of what is gone", got)
	}
}

func TestObjectsAreNamed(t *testing.T) {
	h := Handler(Deps{Applications: &growing{}, Authorizer: roles{"ann": {"*"}}}, slog.New(slog.DiscardHandler))
	if w := ask(h, "GET", ofTenant+"/web/object?kind=Pod", "ann", ""); w.Code != http.StatusBadRequest {
		t.Errorf("without a name: %d", w.Code)
	}
	w := ask(h, "GET", ofTenant+"/web/object?group=apps&kind=Deployment&namespace=n&name=web", "ann", "")
	var v apply.View
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.Group != "apps" || v.Kind != "Deployment" || v.Namespace != "n" || v.Name != "web" {
		t.Errorf("%d %s %v", w.Code, w.Body, err)
	}
	if w := ask(h, "GET", ofTenant+"/web/tree?watch=maybe", "ann", ""); w.Code != http.StatusBadRequest {
		t.Errorf("watch=maybe: %d", w.Code)
	}
}
