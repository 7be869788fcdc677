package git

import (
	"context"
	"errors"
	"fmt"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
)

// Credentials of one repository elsewhere, for its host only.
type Credentials struct {
	// Username and Password (or token) over HTTPS.
	Username, Password string
	// PrivateKey (PEM) and KnownHosts over ssh.
	PrivateKey, KnownHosts []byte
}

// Fetch brings the mirror up to date with url: branches and tags, incrementally,
// and what is gone there goes here. HEAD follows the other side's.
func (s *Store) Fetch(ctx context.Context, ns, name, raw string, p Remote, cred *Credentials) error {
	u, err := p.ParseURL(raw)
	if err != nil {
		return fmt.Errorf("repository %s: %w", name, err)
	}
	if err := s.ensure(ns, name, mirrored); err != nil {
		return err
	}
	timeout := p.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(withRemote(ctx, p), timeout)
	defer cancel()
	r, err := s.open(ctx, ns, name)
	if err != nil {
		return err
	}
	auth, err := authMethod(u.Scheme, u.User.Username(), cred)
	if err != nil {
		return fmt.Errorf("repository %s: %w", name, err)
	}
	opts := &gogit.FetchOptions{
		RemoteURL: raw, Auth: auth, Tags: gogit.NoTags, Force: true, Prune: true,
		RefSpecs: []config.RefSpec{"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"},
	}
	if u.Scheme == "ssh" {
		opts.ProxyOptions = transport.ProxyOptions{URL: sshGuard(p.Private) + "://guard"}
	}
	remote := gogit.NewRemote(r.Storer, &config.RemoteConfig{Name: "origin", URLs: []string{raw}, Fetch: opts.RefSpecs})
	err = remote.FetchContext(ctx, opts)
	switch {
	case err == nil, errors.Is(err, gogit.NoErrAlreadyUpToDate):
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return nil // nothing there yet
	default:
		return fmt.Errorf("repository %s: fetch %s: %w", name, publicURL(raw), plain(err))
	}
	return s.followHead(ctx, ns, name, r, remote, opts)
}

// followHead makes HEAD of the mirror name what it names elsewhere.
func (s *Store) followHead(ctx context.Context, ns, name string, r *gogit.Repository, remote *gogit.Remote, o *gogit.FetchOptions) error {
	refs, err := remote.ListContext(ctx, &gogit.ListOptions{Auth: o.Auth, ProxyOptions: o.ProxyOptions})
	if err != nil {
		return nil // the fetch itself was good
	}
	dir, err := s.path(ns, name)
	if err != nil {
		return err
	}
	for _, x := range refs {
		if x.Name() != plumbing.HEAD || x.Type() != plumbing.SymbolicReference || !ValidRef(x.Target().String()) || !x.Target().IsBranch() {
			continue
		}
		if have, err := r.Storer.Reference(plumbing.HEAD); err == nil && have.Target() == x.Target() {
			return nil
		}
		return setHead(dir, x.Target().String())
	}
	return nil
}

func authMethod(scheme, username string, c *Credentials) (transport.AuthMethod, error) {
	if scheme != "ssh" {
		if c == nil || c.Password == "" {
			return nil, nil
		}
		if scheme == "http" {
			return nil, errors.New("credentials are not sent over plain http; use https")
		}
		name := c.Username
		if name == "" {
			name = "git"
		}
		return &githttp.BasicAuth{Username: name, Password: c.Password}, nil
	}
	if c == nil || len(c.PrivateKey) == 0 || len(c.KnownHosts) == 0 {
		return nil, errors.New("ssh needs a credentials secret with the keys ssh-privatekey and known_hosts")
	}
	if username == "" {
		username = "git"
	}
	signer, err := ssh.ParsePrivateKey(c.PrivateKey)
	if err != nil {
		return nil, errors.New("ssh-privatekey of the credentials secret is not a private key without passphrase")
	}
	check, err := knownHosts(c.KnownHosts)
	if err != nil {
		return nil, err
	}
	return &sshAuth{PublicKeys: gitssh.PublicKeys{User: username, Signer: signer}, check: check}, nil
}

// sshAuth adds a limit of time to go-git's own method.
type sshAuth struct {
	gitssh.PublicKeys
	check ssh.HostKeyCallback
}

// ClientConfig of one connection.
func (a *sshAuth) ClientConfig() (*ssh.ClientConfig, error) {
	return &ssh.ClientConfig{
		User: a.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(a.Signer)},
		HostKeyCallback: a.check, Timeout: 30 * time.Second,
	}, nil
}

var errPlain = map[error]string{
	transport.ErrAuthenticationRequired: "the other side wants credentials; name a secret in credentialsSecret",
	transport.ErrAuthorizationFailed:    "the other side refused the credentials; renew the secret",
	transport.ErrRepositoryNotFound:     "no such repository there, or it needs credentials",
}

// plain says what to do where go-git says what happened.
func plain(err error) error {
	for e, text := range errPlain {
		if errors.Is(err, e) {
			return fmt.Errorf("%s: %w", text, e)
		}
	}
	return err
}
