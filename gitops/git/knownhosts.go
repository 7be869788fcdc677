package git

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// knownHosts checks host keys against the lines of an ssh known_hosts file. The
// parser wants a file; it is gone again before this returns.
func knownHosts(lines []byte) (ssh.HostKeyCallback, error) {
	if len(lines) > 1<<20 {
		return nil, fmt.Errorf("known_hosts: %w", ErrLimit)
	}
	f, err := os.CreateTemp("", "slipway-known-hosts-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(bytes.TrimSpace(lines), '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	check, err := knownhosts.New(f.Name())
	if err != nil {
		return nil, errors.New("known_hosts of the credentials secret is not in the form of ssh-keyscan")
	}
	return func(host string, addr net.Addr, key ssh.PublicKey) error {
		err := check(host, addr, key)
		var unknown *knownhosts.KeyError
		if errors.As(err, &unknown) {
			return fmt.Errorf("the host key of %s is not in known_hosts of the credentials secret; add the output of ssh-keyscan", host)
		}
		return err
	}, nil
}
