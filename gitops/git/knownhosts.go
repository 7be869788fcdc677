package git

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// knownHosts checks host keys against the lines of an ssh known_hosts file, and says of
// which kinds those of a host are: a server has several, and has to be asked for one that
// is known. The parser wants a file; it is gone again before this returns.
func knownHosts(lines []byte, hostWithPort string) (check ssh.HostKeyCallback, algorithms []string, err error) {
	if len(lines) > 1<<20 {
		return nil, nil, fmt.Errorf("known_hosts: %w", ErrLimit)
	}
	f, err := os.CreateTemp("", "slipway-known-hosts-")
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(bytes.TrimSpace(lines), '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, nil, err
	}
	known, err := knownhosts.NewDB(f.Name())
	if err != nil {
		return nil, nil, errors.New("known_hosts of the credentials secret is not in the form of ssh-keyscan")
	}
	callback := known.HostKeyCallback()
	return func(host string, addr net.Addr, key ssh.PublicKey) error {
		err := callback(host, addr, key)
		switch {
		case knownhosts.IsHostKeyChanged(err):
			return fmt.Errorf("%s has another key than known_hosts of the credentials secret says: it is another host, or has new keys; if so, replace them by the output of ssh-keyscan", host)
		case knownhosts.IsHostUnknown(err):
			return fmt.Errorf("the host key of %s is not in known_hosts of the credentials secret; add the output of ssh-keyscan", host)
		}
		return err
	}, known.HostKeyAlgorithms(hostWithPort), nil
}
