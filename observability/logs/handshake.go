package logs

import (
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tinylib/msgp/msgp"
)

// The handshake of the forward protocol proves on both sides that a shared key is known:
// the server says HELO with a nonce, the client PING with a digest, the server PONG with
// another.

const hostname = "slipway"

// ErrSharedKey is what either side says of the other's key.
var ErrSharedKey = errors.New("shared key mismatch")

func keyDigest(salt, host, nonce, key string) string {
	sum := sha512.Sum512([]byte(salt + host + nonce + key))
	return hex.EncodeToString(sum[:])
}

// welcome is the server's side. It returns whose key the client knows.
func welcome(in *msgp.Reader, out *msgp.Writer, keys map[string]string) (namespace string, err error) {
	nonce := rand.Text()
	err = write(out, func() error {
		return errors.Join(out.WriteArrayHeader(2), out.WriteString("HELO"), out.WriteMapHeader(3),
			out.WriteString("nonce"), out.WriteString(nonce), out.WriteString("auth"), out.WriteString(""),
			out.WriteString("keepalive"), out.WriteBool(true))
	})
	if err != nil {
		return "", err
	}
	var ping [6]string
	if err := readStrings(in, "PING", ping[:]); err != nil {
		return "", err
	}
	client, salt, digest := ping[1], ping[2], ping[3]
	known := ""
	for ns, key := range keys {
		if subtle.ConstantTimeCompare([]byte(keyDigest(salt, client, nonce, key)), []byte(digest)) == 1 {
			namespace, known = ns, key
		}
	}
	reason := ""
	if known == "" {
		reason = ErrSharedKey.Error()
	}
	err = write(out, func() error {
		return errors.Join(out.WriteArrayHeader(5), out.WriteString("PONG"), out.WriteBool(known != ""), out.WriteString(reason),
			out.WriteString(hostname), out.WriteString(keyDigest(salt, hostname, nonce, known)))
	})
	if err == nil && known == "" {
		err = fmt.Errorf("client %.60q: %w", client, ErrSharedKey)
	}
	return namespace, err
}

// introduce is the client's side.
func introduce(in *msgp.Reader, out *msgp.Writer, key string) error {
	n, err := in.ReadArrayHeader()
	if err != nil || n != 2 {
		return errors.Join(err, errors.New("the server says no HELO; has it a shared key?"))
	}
	if s, err := in.ReadString(); err != nil || s != "HELO" {
		return errors.Join(err, fmt.Errorf("the server says %.20q, not HELO", s))
	}
	options := map[string]any{}
	if err := in.ReadMapStrIntf(options); err != nil {
		return fmt.Errorf("HELO: %w", err)
	}
	nonce, ok := options["nonce"].(string)
	if b, isBytes := options["nonce"].([]byte); isBytes {
		nonce, ok = string(b), true
	}
	if auth := plain(options["auth"]); !ok || auth != "" {
		return errors.New("the server asks for a user name and a password, which are not supported; give it a shared key only")
	}
	salt := rand.Text()
	err = write(out, func() error {
		return errors.Join(out.WriteArrayHeader(6), out.WriteString("PING"), out.WriteString(hostname), out.WriteString(salt),
			out.WriteString(keyDigest(salt, hostname, nonce, key)), out.WriteString(""), out.WriteString(""))
	})
	if err != nil {
		return err
	}
	if n, err = in.ReadArrayHeader(); err != nil || n != 5 {
		return errors.Join(err, fmt.Errorf("PONG has %d parts, want 5", n))
	}
	var pong [3]string
	word, err1 := in.ReadString()
	ok, err2 := in.ReadBool()
	if err := errors.Join(err1, err2); err != nil || word != "PONG" {
		return errors.Join(err, fmt.Errorf("the server says %.20q, not PONG", word))
	}
	for i := range pong {
		if pong[i], err = in.ReadString(); err != nil {
			return fmt.Errorf("PONG: %w", err)
		}
	}
	want := keyDigest(salt, pong[1], nonce, key)
	if !ok || subtle.ConstantTimeCompare([]byte(want), []byte(pong[2])) != 1 {
		return fmt.Errorf("%w: %.100s", ErrSharedKey, pong[0])
	}
	return nil
}

func write(out *msgp.Writer, f func() error) error {
	if err := f(); err != nil {
		return err
	}
	return out.Flush()
}

// readStrings reads an array of strings whose first is word.
func readStrings(in *msgp.Reader, word string, into []string) error {
	n, err := in.ReadArrayHeader()
	if err != nil {
		return err
	}
	if int(n) != len(into) {
		return fmt.Errorf("%s has %d parts, want %d", word, n, len(into))
	}
	for i := range into {
		v, err := in.ReadIntf()
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		switch v := v.(type) {
		case string:
			into[i] = v
		case []byte:
			into[i] = string(v)
		default:
			return fmt.Errorf("%s: part %d is no string", word, i)
		}
		if i == 0 && into[0] != word {
			return fmt.Errorf("the client says %.20q, not %s", into[0], word)
		}
	}
	return nil
}
