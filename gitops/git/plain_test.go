package git

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
)

// What a person got wrong with an address or a Secret is said with its name, the reason
// and what to do, on the object, and is looked at again.
func TestWhatIsWrongWithARepositoryElsewhere(t *testing.T) {
	forge := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/none"):
			w.WriteHeader(http.StatusNotFound)
		default:
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer forge.Close()
	forge.Config.ErrorLog = nil
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: forge.Certificate().Raw}))
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(block))
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url string
		secret    map[string]string
		want      string
	}{
		{"no secret", forge.URL + "/a.git", nil, "secret keys with its credentials is not there; make it, or name another one in credentialsSecret"},
		{"unknown authority", forge.URL + "/a.git", map[string]string{"password": "planted"}, "signed by unknown authority; if that is one of your own, put it into the key ca.crt of the credentials secret"},
		{"no password", forge.URL + "/a.git", map[string]string{"ca.crt": ca}, "the other side wants credentials; name a secret in credentialsSecret"},
		{"wrong password", forge.URL + "/a.git", map[string]string{"ca.crt": ca, "password": "planted"}, "the other side refused the credentials of secret keys; renew them, or give them access there"},
		{"wrong path", forge.URL + "/none.git", map[string]string{"ca.crt": ca, "password": "planted"}, "no such repository there, or the credentials of secret keys may not see it"},
		{"no key", "ssh://git@127.0.0.1/a.git", map[string]string{"known_hosts": "x"}, "secret keys has no ssh-privatekey"},
		{"no host keys", "ssh://git@127.0.0.1/a.git", map[string]string{"ssh-privatekey": private, "known_hosts": "\n"}, "secret keys has no known_hosts, which ssh needs; put the output of ssh-keyscan there"},
		{"form of scp", "git@github.com:acme/shop.git", map[string]string{"ssh-privatekey": private}, "write ssh://git@github.com/acme/shop.git"},
	} {
		t.Run(c.name, func(t *testing.T) {
			repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: c.url, CredentialsSecret: "keys"}}
			b := newBench(t, repo)
			if c.secret != nil {
				host := strings.TrimPrefix(forge.URL, "https://")
				switch {
				case strings.HasPrefix(c.url, "ssh://"):
					host = "127.0.0.1"
				case strings.HasPrefix(c.url, "git@"):
					host = ""
				}
				s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "keys", Annotations: map[string]string{v1alpha1.AnnotationHost: host}}, Data: map[string][]byte{}}
				for k, v := range c.secret {
					s.Data[k] = []byte(v)
				}
				if err := b.client.Create(context.Background(), s); err != nil {
					t.Fatal(err)
				}
			}
			at := types.NamespacedName{Namespace: "default", Name: "copy"}
			r := &Reconciler{Host: b.host, Remote: Remote{Private: true}}
			res, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: at})
			if err != nil || res.RequeueAfter <= 0 {
				t.Fatal("it is not looked at again", res, err)
			}
			st := b.status("copy")
			if len(st.Conditions) != 1 || st.Conditions[0].Status != metav1.ConditionFalse || !strings.Contains(st.Conditions[0].Message, c.want) {
				t.Fatalf("want %q: %+v", c.want, st.Conditions)
			}
			if m := st.Conditions[0].Message; strings.Contains(m, "planted") || strings.Count(m, c.url) > 1 {
				t.Fatal(m)
			}
		})
	}
	c := &Credentials{PrivateKey: []byte(private), Scope: "default/keys"}
	said := plain(errors.New("ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey]"), c).Error()
	if !strings.Contains(said, "does not take the key ssh-privatekey of secret keys ("+ssh.FingerprintSHA256(signer.PublicKey())+"); add its public half") {
		t.Fatal(said)
	}
}
