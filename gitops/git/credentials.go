package git

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Credentials of one repository elsewhere, for its host only.
type Credentials struct {
	// Username and Password (or token) over HTTPS.
	Username, Password string
	// PrivateKey (PEM) and KnownHosts over ssh.
	PrivateKey, KnownHosts []byte
	// Roots that are trusted beside the system's; nil: the system's only.
	Roots *x509.CertPool
	// Scope names whose they are: what was fetched with them is shared within it only.
	Scope string
}

// keyCA of a credentials Secret is the authority of the forge's certificate.
const keyCA = "ca.crt"

// credentials reads the Secret and checks that it is meant for the URL's host:
// otherwise whoever may write a Repository could send any Secret anywhere.
func (r *Reconciler) credentials(ctx context.Context, repo *v1alpha1.Repository) (*Credentials, error) {
	name := repo.Spec.CredentialsSecret
	if name == "" {
		return nil, nil
	}
	u, err := r.Remote.ParseURL(repo.Spec.URL)
	if err != nil {
		return nil, err
	}
	var s corev1.Secret
	err = r.Host.Reader.Get(ctx, client.ObjectKey{Namespace: repo.Namespace, Name: name}, &s)
	if apierrors.IsNotFound(err) {
		// Not wrapped: the repository is there.
		return nil, fmt.Errorf("secret %s with its credentials is not there; make it, or name another one in credentialsSecret", name)
	}
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	if bound := s.Annotations[v1alpha1.AnnotationHost]; bound == "" || bound != u.Host && bound != u.Hostname() {
		return nil, fmt.Errorf("secret %s is not bound to this host; annotate it with %s: %q", name, v1alpha1.AnnotationHost, u.Host)
	}
	c := &Credentials{
		Username: string(s.Data[corev1.BasicAuthUsernameKey]), Password: string(s.Data[corev1.BasicAuthPasswordKey]),
		PrivateKey: s.Data[corev1.SSHAuthPrivateKey], KnownHosts: s.Data["known_hosts"],
		Scope: repo.Namespace + "/" + name,
	}
	if ca := s.Data[keyCA]; len(ca) > 0 {
		if c.Roots, err = x509.SystemCertPool(); err != nil {
			c.Roots = x509.NewCertPool()
		}
		if !c.Roots.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("secret %s: %s holds no PEM certificate", name, keyCA)
		}
	}
	if len(s.Data[keyAppID]) > 0 && u.Scheme == "https" {
		token, err := r.apps.token(ctx, r.Remote, c.Roots, u.Host, &s)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", name, err)
		}
		c.Username, c.Password = "x-access-token", token
	}
	return c, nil
}

func authMethod(u *url.URL, c *Credentials) (transport.AuthMethod, error) {
	if u.Scheme != "ssh" {
		if c == nil || c.Password == "" {
			return nil, nil
		}
		if u.Scheme == "http" {
			return nil, errors.New("credentials are not sent over plain http; use https")
		}
		name := c.Username
		if name == "" {
			name = "git"
		}
		return &githttp.BasicAuth{Username: name, Password: c.Password}, nil
	}
	switch {
	case c == nil:
		return nil, errors.New("ssh needs a credentials secret with the keys ssh-privatekey and known_hosts; name one in credentialsSecret")
	case len(c.PrivateKey) == 0:
		return nil, fmt.Errorf("secret %s has no ssh-privatekey, which ssh needs", c.secret())
	case len(bytes.TrimSpace(c.KnownHosts)) == 0:
		return nil, fmt.Errorf("secret %s has no known_hosts, which ssh needs; put the output of ssh-keyscan there", c.secret())
	}
	username := cmp.Or(u.User.Username(), "git")
	signer, err := ssh.ParsePrivateKey(c.PrivateKey)
	if err != nil {
		return nil, errors.New("ssh-privatekey of the credentials secret is not a private key without passphrase")
	}
	check, algorithms, err := knownHosts(c.KnownHosts, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "22")))
	if err != nil {
		return nil, err
	}
	return &sshAuth{PublicKeys: gitssh.PublicKeys{User: username, Signer: signer}, check: check, algorithms: algorithms}, nil
}

// sshAuth adds a limit of time to go-git's own method.
type sshAuth struct {
	gitssh.PublicKeys
	check      ssh.HostKeyCallback
	algorithms []string
}

// ClientConfig of one connection.
func (a *sshAuth) ClientConfig() (*ssh.ClientConfig, error) {
	return &ssh.ClientConfig{
		User: a.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(a.Signer)},
		HostKeyCallback: a.check, HostKeyAlgorithms: a.algorithms, Timeout: 30 * time.Second,
	}, nil
}

var errPlain = map[error]string{
	transport.ErrAuthenticationRequired: "the other side wants credentials; name a secret in credentialsSecret",
	transport.ErrAuthorizationFailed:    "the other side refused the credentials; renew the secret",
	transport.ErrRepositoryNotFound:     "no such repository there, or it needs credentials",
}

// plain says what to do where go-git says what happened; c are the credentials that were
// sent, if any.
func plain(err error, c *Credentials) error {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err // the address is said already
	}
	sent := c != nil && (c.Password != "" || len(c.PrivateKey) > 0)
	switch {
	case sent && (errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed)):
		return fmt.Errorf("the other side refused the credentials of secret %s; renew them, or give them access there: %w", c.secret(), err)
	case sent && errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("no such repository there, or the credentials of secret %s may not see it: %w", c.secret(), err)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("%w; if that is one of your own, put it into the key %s of the credentials secret", err, keyCA)
	case c != nil && strings.Contains(err.Error(), "ssh: unable to authenticate"):
		return fmt.Errorf("the other side does not take the key ssh-privatekey of secret %s%s; add its public half to the deploy keys there: %w", c.secret(), fingerprint(c.PrivateKey), err)
	}
	for e, text := range errPlain {
		if errors.Is(err, e) {
			return fmt.Errorf("%s: %w", text, e)
		}
	}
	return err
}

// secret that they are from.
func (c *Credentials) secret() string {
	_, name, _ := strings.Cut(c.Scope, "/")
	return name
}

// fingerprint of the public half of a key, in brackets, as ssh-keygen -l has it.
func fingerprint(private []byte) string {
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return ""
	}
	return " (" + ssh.FingerprintSHA256(signer.PublicKey()) + ")"
}
