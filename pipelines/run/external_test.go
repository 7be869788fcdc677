package run

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/vault"
)

// vaults answers each secret with its own name, and remembers the logins.
type vaults struct {
	logins []vault.Login
	fails  error
}

func (v *vaults) Read(_ context.Context, l vault.Login, secrets []vault.Secret) (out []string, err error) {
	v.logins = append(v.logins, l)
	for i := range secrets {
		out = append(out, "planted "+secrets[i].String())
	}
	return out, v.fails
}

// TestExternalVariables are fetched where the attempt begins, with its token, reach the
// job's other variables, and are masked.
func TestExternalVariables(t *testing.T) {
	secret := func(name, field string, file bool) plan.External {
		return plan.External{Variable: name, File: file, Server: "$WHERE", Role: "$VAULT_AUTH_ROLE", Token: "$TOKEN", Engine: vault.KV2, Mount: "ops", Path: "$STAGE/db", Field: field}
	}
	other := secret("OTHER", "key", true)
	other.Server = "https://second.example"
	w := newWorld(t, plan.Job{Name: "a", IDTokens: []plan.IDToken{{Variable: "TOKEN", Audiences: []string{"v"}}},
		Variables: []plan.Variable{{Name: "WHERE", Value: "https://v.example"}, {Name: "STAGE", Value: "live"}, {Name: "URL", Value: "postgres://$PASSWORD@db"}},
		External:  []plan.External{secret("PASSWORD", "password", false), other, secret("CERT", "cert", true)}})
	v := &vaults{}
	w.Signer, w.Vaults = &signer{}, v
	w.push()
	w.settle("shop-1")
	ref := jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "a", Attempt: 1}
	if _, err := w.Job(t.Context(), ref); err != nil || len(v.logins) != 0 {
		t.Fatalf("%v, %d logins for another request", err, len(v.logins))
	}
	job, err := w.Begin(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		name, value string
		file        bool
	}{{"PASSWORD", "planted ops/live/db: password", false}, {"OTHER", "planted ops/live/db: key", true}, {"CERT", "planted ops/live/db: cert", true}, {"URL", "postgres://planted ops/live/db: password@db", false}} {
		i := slices.IndexFunc(job.Wire.Env, func(v wire.Variable) bool { return v.Name == want.name })
		if i < 0 || job.Wire.Env[i].Value != want.value || job.Wire.Env[i].File != want.file {
			t.Errorf("%s: %+v", want.name, job.Wire.Env)
		}
		if want.name != "URL" && !slices.ContainsFunc(job.Wire.Mask, func(m []byte) bool { return bytes.Equal(m, []byte(want.value)) }) {
			t.Errorf("%s is not masked", want.name)
		}
	}
	if len(v.logins) != 2 || v.logins[0] != (vault.Login{Server: "https://v.example", JWT: v.logins[0].JWT}) || !strings.HasPrefix(v.logins[0].JWT, "token-") {
		t.Errorf("logins %+v", v.logins)
	}
	v.fails = errors.New("vault https://v.example: permission denied (403)")
	var refused *jobapi.RefusedError
	if _, err := w.Begin(t.Context(), ref); !errors.As(err, &refused) || !strings.Contains(err.Error(), "secrets: vault") {
		t.Errorf("%v", err)
	}
}
