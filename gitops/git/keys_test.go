package git

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net/http"
	"testing"

	"golang.org/x/crypto/ssh"
	"k8s.io/apiserver/pkg/authentication/user"
)

// sshCredentials are a fresh key pair, known as the key of host too.
func sshCredentials(t *testing.T, host string) *Credentials {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return &Credentials{PrivateKey: pem.EncodeToMemory(block), KnownHosts: []byte(host + " " + string(ssh.MarshalAuthorizedKey(key)))}
}

func anonymous(*http.Request) (user.Info, bool) { return &user.DefaultInfo{Name: "anyone"}, true }
