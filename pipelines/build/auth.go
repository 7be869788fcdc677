package build

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"net/url"
	"time"

	authutil "github.com/containerd/containerd/v2/core/remotes/docker/auth"
	"github.com/moby/buildkit/session/auth"
	"golang.org/x/crypto/nacl/sign"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// registryAuth answers the daemon when the registry asks who is there. The
// credential itself stays here: the daemon only gets short-lived tokens for what
// it pulls and pushes, and shares them between builds only when both prove that
// they hold the same credential. Every other host gets nothing.
type registryAuth struct {
	auth.UnimplementedAuthServer
	token string
	hosts map[string]bool
	http  *http.Client
}

func newAuth(token, registry string) *registryAuth {
	return &registryAuth{
		token: token,
		// Not the one registry name: the daemon uses it only when the mirror refused,
		// and what answers to it on the network is nobody we know.
		hosts: map[string]bool{registry: true},
		http: &http.Client{
			Timeout:       30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Register makes it part of a build's session.
func (a *registryAuth) Register(server *grpc.Server) { auth.RegisterAuthServer(server, a) }

// Credentials gives none away.
func (a *registryAuth) Credentials(context.Context, *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	return &auth.CredentialsResponse{}, nil
}

// FetchToken asks the registry's token endpoint with the credential.
func (a *registryAuth) FetchToken(ctx context.Context, r *auth.FetchTokenRequest) (*auth.FetchTokenResponse, error) {
	realm, err := url.Parse(r.Realm)
	if err != nil || !a.hosts[r.Host] || !a.hosts[realm.Host] {
		return nil, status.Errorf(codes.PermissionDenied, "no credentials for %s at %s", r.Host, r.Realm)
	}
	answer, err := authutil.FetchToken(ctx, a.http, nil, authutil.TokenOptions{
		Realm: r.Realm, Service: r.Service, Scopes: r.Scopes, Username: "slipway-build", Secret: a.token,
	})
	if err != nil {
		return nil, status.Errorf(codes.Unauthenticated, "the registry refuses the build's credential: %v", err)
	}
	issued := answer.IssuedAt
	if issued.IsZero() {
		issued = time.Now()
	}
	return &auth.FetchTokenResponse{Token: answer.Token, ExpiresIn: int64(answer.ExpiresInSeconds), IssuedAt: issued.Unix()}, nil
}

// GetTokenAuthority returns the public key that stands for the credential.
func (a *registryAuth) GetTokenAuthority(_ context.Context, r *auth.GetTokenAuthorityRequest) (*auth.GetTokenAuthorityResponse, error) {
	if !a.hosts[r.Host] {
		return nil, status.Error(codes.Unavailable, "no credentials for this host")
	}
	key := a.key(r.Host, r.Salt)
	return &auth.GetTokenAuthorityResponse{PublicKey: key[32:]}, nil
}

// VerifyTokenAuthority proves that this build holds the credential.
func (a *registryAuth) VerifyTokenAuthority(_ context.Context, r *auth.VerifyTokenAuthorityRequest) (*auth.VerifyTokenAuthorityResponse, error) {
	if !a.hosts[r.Host] {
		return nil, status.Error(codes.Unavailable, "no credentials for this host")
	}
	key := [64]byte(a.key(r.Host, r.Salt))
	return &auth.VerifyTokenAuthorityResponse{Signed: sign.Sign(nil, r.Payload, &key)}, nil
}

func (a *registryAuth) key(host string, salt []byte) ed25519.PrivateKey {
	mac := hmac.New(sha256.New, salt)
	mac.Write([]byte(host + "\x00" + a.token))
	return ed25519.NewKeyFromSeed(mac.Sum(nil)[:ed25519.SeedSize])
}
