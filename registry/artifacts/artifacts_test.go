package artifacts_test

import (
	"context"
	"testing"

	"slipway.dev/registry/artifacts"
	"slipway.dev/registry/artifacts/artifactstest"
	"slipway.dev/registry/embedded"
)

// nobody may do anything: the store must get by with the transport alone.
type nobody struct{}

func (nobody) Authenticate(context.Context, string, string) (embedded.User, error) {
	return embedded.User{}, embedded.ErrUnauthenticated
}

func (nobody) Allowed(context.Context, embedded.User, string, string, string, string) (bool, error) {
	return false, nil
}

func TestRegistryConforms(t *testing.T) {
	r, err := embedded.New(embedded.Options{Dir: t.TempDir(), Authenticator: nobody{}, Authorizer: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if artifacts.Prefix != embedded.ArtifactPrefix {
		t.Fatalf("prefixes differ: %q, %q", artifacts.Prefix, embedded.ArtifactPrefix)
	}
	artifactstest.Conform(t, artifacts.New(r.Transport()))
}
