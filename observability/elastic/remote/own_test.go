package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"
)

// TestOwnUsers: what is asked of an Elasticsearch's security API, in its published form.
func TestOwnUsers(t *testing.T) {
	got := map[string]any{}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		if user, password, _ := r.BasicAuth(); user != "elastic" || password != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var v any
		if r.Method != http.MethodGet {
			if err := json.NewDecoder(unpacked(t, r)).Decode(&v); err != nil {
				t.Error(err)
			}
			got[r.Method+" "+r.URL.Path] = v
		}
		fmt.Fprint(w, `{"status":"yellow","version":{"number":"9.1.0"}}`)
	}))
	defer srv.Close()
	r := &Remote{URL: "https://elasticsearch.example", Credentials: "elastic:right", Transport: redirected{srv}, Replicas: "0-1", Retention: 48 * time.Hour}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	if health, err := r.Health(t.Context()); err != nil || health != "yellow" {
		t.Errorf("health %q %v", health, err)
	}
	if err := r.Provision(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Users(t.Context(), User{"kibana_system", "k"}, User{"writer", "w"}, User{"reader", "r"}); err != nil {
		t.Fatal(err)
	}
	type m = map[string]any
	for path, want := range map[string]any{
		"PUT /_security/user/kibana_system/_password": m{"password": "k"},
		"PUT /_security/user/writer":                  m{"password": "w", "roles": []any{"writer"}},
		"PUT /_security/role/writer":                  m{"cluster": []any{"monitor"}, "indices": []any{m{"names": []any{"slipway-logs-*"}, "privileges": []any{"auto_configure", "create_doc"}}}},
		"PUT /_security/user/reader":                  m{"password": "r", "roles": []any{"reader"}},
		"PUT /_security/role/reader":                  m{"indices": []any{m{"names": []any{"slipway-logs-*"}, "privileges": []any{"read"}}}},
	} {
		if !reflect.DeepEqual(got[path], want) {
			t.Errorf("%s: %v", path, got[path])
		}
	}
	template := got["PUT /_component_template/slipway-logs"].(m)["template"].(m)
	if template["mappings"].(m)["subobjects"] != false {
		t.Errorf("labels app and app.kubernetes.io/name of one pod would be refused: %v", template["mappings"])
	}
	index := template["settings"].(m)["index"].(m)
	if index["auto_expand_replicas"] != "0-1" {
		t.Errorf("one node would never be green: %v", index)
	}
	r.Credentials = "elastic:wrong"
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Health(t.Context()); !Refused(err) {
		t.Errorf("a wrong password: %v", err)
	}
}

// redirected sends everything to a server of a test.
type redirected struct{ srv *httptest.Server }

func (d redirected) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host = d.srv.Listener.Addr().String()
	return d.srv.Client().Transport.RoundTrip(r)
}
