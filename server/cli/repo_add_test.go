package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/client"
)

// Whoever adds a repository is told what came of the first look at it.
func TestFirstLook(t *testing.T) {
	ready := func(status metav1.ConditionStatus, reason, message string) []metav1.Condition {
		return []metav1.Condition{{Type: "Ready", Status: status, Reason: reason, Message: message}}
	}
	for _, c := range []struct {
		name       string
		status     slipway.RepositoryStatus
		said, fail string
	}{
		{"found", slipway.RepositoryStatus{DefaultBranch: "main", Refs: map[string]slipway.RefStatus{"refs/heads/main": {Commit: "0123456789"}}, Conditions: ready("True", "Stored", "")},
			"repository shop: branch main is at 01234567\n", ""},
		{"empty", slipway.RepositoryStatus{Conditions: ready("True", "Stored", "")}, "repository shop has no branch yet\n", ""},
		{"wrong key", slipway.RepositoryStatus{Conditions: ready("False", "NotFetched", "the host key of git.example is not in known_hosts")}, "",
			"repository shop is added, and could not be read: the host key of git.example is not in known_hosts. It is tried again by itself, and at once by `slipway repo sync shop`"},
		{"slow", slipway.RepositoryStatus{}, "repository shop is added and was not looked at within 300ms; `slipway repo get shop` shows what came of it\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for _, st := range []slipway.RepositoryStatus{{}, c.status} {
					object, err := json.Marshal(slipway.Repository{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Status: st})
					if err != nil {
						t.Error(err)
					}
					fmt.Fprintf(w, "data: {\"kind\":\"Repository\",\"type\":\"MODIFIED\",\"object\":%s}\n\n", object)
				}
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}))
			defer srv.Close()
			u := &user{Client: client.Client{Server: srv.URL, Namespace: "default"}}
			t.Setenv("SLIPWAY_TOKEN", "x")
			var said bytes.Buffer
			timeout := 30 * time.Second
			if c.name == "slow" {
				timeout = 300 * time.Millisecond
			}
			err := u.firstLook(t.Context(), &said, "shop", timeout)
			if c.fail == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, c.fail)
			}
			require.Equal(t, c.said, said.String())
		})
	}
}
