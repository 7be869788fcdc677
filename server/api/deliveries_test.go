package api

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"slipway.dev/gitops/hook"
)

// TestDeliveries reads and repeats webhooks of a spool, as far as the rights of a user go.
func TestDeliveries(t *testing.T) {
	spool, err := hook.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	push := hook.Delivery{Namespace: "default", Repository: "shop", Forge: "github", ID: "one", Received: time.Now(), Event: hook.Event{Kind: hook.Push, Name: "push"}}
	comment := hook.Delivery{Namespace: "default", Repository: "shop", Forge: "github", ID: "two", Received: time.Now(), Event: hook.Event{Name: "issues", Ignored: "no"}, Outcome: hook.Ignored, Message: "no"}
	for _, d := range []hook.Delivery{push, comment} {
		if _, _, err := spool.Add(t.Context(), d, []byte(`{"a":"\xff"}`)); err != nil {
			t.Fatal(err)
		}
	}
	h := Handler(Deps{Authorizer: roles{"ann": {"get repositories default"}, "bob": {"get repositories default", "update repositories default"}}, Deliveries: spool}, slog.New(slog.DiscardHandler))
	const at = "/api/v1/namespaces/default/repositories/"
	for _, c := range []struct {
		name, method, path, user string
		code                     int
		want                     string
	}{
		{"list", "GET", at + "shop/deliveries", "ann", http.StatusOK, `"number":2`},
		{"none", "GET", at + "other/deliveries", "ann", http.StatusOK, `"items":[]`},
		{"one", "GET", at + "shop/deliveries/1", "ann", http.StatusOK, `"body":`},
		{"another repository's", "GET", at + "other/deliveries/1", "ann", http.StatusNotFound, "no such delivery"},
		{"another tenant's", "GET", "/api/v1/namespaces/team/repositories/shop/deliveries/1", "ann", http.StatusForbidden, "may not"},
		{"no number", "GET", at + "shop/deliveries/first", "ann", http.StatusBadRequest, "not a number"},
		{"again without the right", "POST", at + "shop/deliveries/1/redeliver", "ann", http.StatusForbidden, "may not update"},
		{"again", "POST", at + "shop/deliveries/1/redeliver", "bob", http.StatusAccepted, `"of":1,"by":"bob"`},
		{"again what nothing follows from", "POST", at + "shop/deliveries/2/redeliver", "bob", http.StatusConflict, "nothing follows from it"},
		{"again what is not there", "POST", at + "shop/deliveries/9/redeliver", "bob", http.StatusNotFound, "no such delivery"},
	} {
		if w := ask(h, c.method, c.path, c.user, ""); w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %d %q", c.name, w.Code, w.Body, c.code, c.want)
		}
	}
}
