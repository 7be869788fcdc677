package idtoken

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func open(t *testing.T, file string, at *time.Time) *Issuer {
	t.Helper()
	i := &Issuer{url: "https://slipway.example", keys: &keys{file: file}, now: func() time.Time { return *at }}
	if _, err := i.keys.at(*at); err != nil {
		t.Fatal(err)
	}
	return i
}

// published is the set that others see.
func published(t *testing.T, i *Issuer) jose.JSONWebKeySet {
	t.Helper()
	w := httptest.NewRecorder()
	i.Handler().ServeHTTP(w, httptest.NewRequest("GET", KeysPath, nil))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if !k.IsPublic() {
			t.Fatal("a private key is published")
		}
	}
	return set
}

func check(t *testing.T, set jose.JSONWebKeySet, token string, at time.Time) (jwt.Claims, Claims) {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var registered jwt.Claims
	var own Claims
	if err := parsed.Claims(set, &registered, &own); err != nil {
		t.Fatal(err)
	}
	if err := registered.ValidateWithLeeway(jwt.Expected{Issuer: "https://slipway.example", AnyAudience: jwt.Audience{"https://vault.example"}, Time: at}, 0); err != nil {
		t.Fatal(err)
	}
	return registered, own
}

func TestTokenIsCheckedByWhatIsPublished(t *testing.T) {
	at := time.Now()
	i := open(t, filepath.Join(t.TempDir(), "keys.json"), &at)
	token, err := i.Sign(Claims{ProjectPath: "shop/web", RefType: "branch", Ref: "main", RefProtected: "true"}, []string{"https://vault.example", "second"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	registered, own := check(t, published(t, i), token, at)
	if registered.Subject != "project_path:shop/web:ref_type:branch:ref:main" || own.RefProtected != "true" || registered.ID == "" {
		t.Errorf("claims %+v %+v", registered, own)
	}
	if err := registered.ValidateWithLeeway(jwt.Expected{Time: at.Add(61 * time.Minute)}, 0); err == nil {
		t.Error("the token never ends")
	}
	other := open(t, filepath.Join(t.TempDir(), "keys.json"), &at)
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Claims(published(t, other), &registered) == nil {
		t.Error("another issuer's keys check the token")
	}
}

func TestDiscovery(t *testing.T) {
	at := time.Now()
	w := httptest.NewRecorder()
	open(t, filepath.Join(t.TempDir(), "keys.json"), &at).Handler().ServeHTTP(w, httptest.NewRequest("GET", DiscoveryPath, nil))
	var d struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Issuer != "https://slipway.example" || d.Keys != "https://slipway.example/.well-known/jwks.json" {
		t.Errorf("discovery %s", w.Body)
	}
}

// TestRotation walks through a hundred days: whenever a token is signed, its key was
// published for a day, and it is published as long as the token is good.
func TestRotation(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	at := time.Now()
	began := at
	i := open(t, file, &at)
	seen, used := map[string]time.Time{}, map[string]bool{}
	var young []string // tokens of the last days
	for day := range 100 {
		at = began.Add(time.Duration(day) * 24 * time.Hour)
		set := published(t, i)
		for _, k := range set.Keys {
			if _, ok := seen[k.KeyID]; !ok {
				seen[k.KeyID] = at
			}
		}
		token, err := i.Sign(Claims{}, []string{"https://vault.example"}, 20*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		id := parsed.Headers[0].KeyID
		if since, ok := seen[id]; !ok || (len(used) > 0 && !used[id] && at.Sub(since) < notice) {
			t.Fatalf("day %d: signed with a key that was published %s ago", day, at.Sub(since))
		}
		used[id] = true
		young = append(young, token)
		if len(young) > 19 {
			young = young[1:]
		}
		for _, old := range young {
			check(t, set, old, at)
		}
		if len(set.Keys) > 4 {
			t.Fatalf("day %d: %d keys", day, len(set.Keys))
		}
		if day%10 == 0 {
			i = open(t, file, &at) // a restart
		}
	}
	if len(used) < 3 {
		t.Errorf("%d keys in a hundred days", len(used))
	}
}

func TestKeysFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	if _, err := Open(file, "https://slipway.example/"); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", fi.Mode().Perm())
	}
	for _, bad := range []string{"", "[]", "{", `[{"from":"2026-01-01T00:00:00Z","jwk":{}}]`} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(file, "https://slipway.example"); err == nil || !strings.Contains(err.Error(), "keys.json") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
