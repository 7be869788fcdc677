package logs

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
)

// Input is the door for other people's senders of the forward protocol.
type Input struct {
	// Address to listen at.
	Address string
	// KeysFile has a line for each namespace: its name and its shared key.
	KeysFile string
	// CertFile and KeyFile make it TLS.
	CertFile, KeyFile string
	// Namespace has what comes where there are no keys, on loopback only.
	Namespace string
}

// Check says what would let in whom nobody meant to.
func (in Input) Check() error {
	host, _, err := net.SplitHostPort(in.Address)
	if err != nil {
		return fmt.Errorf("address of the forward input %q: %w", in.Address, err)
	}
	ip := net.ParseIP(host)
	if loopback := host == "localhost" || ip != nil && ip.IsLoopback(); !loopback && (in.KeysFile == "" || in.CertFile == "") {
		return fmt.Errorf("the forward input at %s wants shared keys and TLS, as it is not on loopback", in.Address)
	}
	return nil
}

// CheckKeys reads the file of keys and says what is wrong with it.
func (in Input) CheckKeys() error {
	_, err := readKeys(in.KeysFile)
	return err
}

// minKey is how short a shared key may be.
const minKey = 16

// readKeys reads the file of keys.
func readKeys(file string) (map[string]string, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("shared keys: %w", err)
	}
	defer f.Close()
	keys := map[string]string{}
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		if len(words) != 2 || len(words[1]) < minKey {
			return nil, fmt.Errorf("shared keys %s: line %d: want a namespace and a key of %d characters or more", file, n, minKey)
		}
		keys[words[0]] = words[1]
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("shared keys %s: no line with a namespace and a key", file)
	}
	return keys, nil
}

// Listen opens the door; Serve of the Receiver it returns takes what comes.
func (in Input) Listen(store *Store, log *slog.Logger) (*Receiver, net.Listener, error) {
	keys, err := readKeys(in.KeysFile)
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", in.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("forward input: %w", err)
	}
	if in.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(in.CertFile, in.KeyFile); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("forward input: %w", err), l.Close())
		}
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			// Read at each handshake, so that a renewed one is shown; senders keep their connections.
			c, err := tls.LoadX509KeyPair(in.CertFile, in.KeyFile)
			return &c, err
		}})
	}
	return &Receiver{Keep: store.Receive, Keys: keys, Namespace: in.Namespace, Log: log}, l, nil
}

// Serve is Listen and Serve until ctx ends.
func (in Input) Serve(ctx context.Context, store *Store, log *slog.Logger) error {
	r, l, err := in.Listen(store, log)
	if err != nil {
		return err
	}
	return r.Serve(ctx, l)
}
