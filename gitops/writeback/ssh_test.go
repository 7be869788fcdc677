package writeback

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/git"
)

// asRoot runs sshd where it finds the directory and the user that it wants of a machine:
// in a mount namespace of its own, so that the machine is left as it is.
const asRoot = `set -e
(cat /etc/passwd; echo sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin) >"$1/passwd"
mount --bind "$1/passwd" /etc/passwd
mount -t tmpfs tmpfs /run
mkdir /run/sshd
exec "$2" -D -e -f "$1/config"
`

// sshd is Debian's, with one account and one key that may do what git asks and no more,
// as forges do with deploy keys.
type sshd struct {
	address string
	// known is one of its host keys in the form of known_hosts; others are of other kinds.
	known  []byte
	others [][]byte
	// key is the private deploy key.
	key []byte
}

func startSSHD(t *testing.T) sshd {
	t.Helper()
	tools, err := filepath.Abs("../../build/tools/sshd")
	require.NoError(t, err)
	program := filepath.Join(tools, "usr/sbin/sshd")
	if _, err := os.Stat(program); err != nil {
		t.Fatal("sshd is not there; `make clients` fetches it, as `make test` does")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	hostKey, hostLine := keyPair(t)
	key, line := keyPair(t)
	short, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	second, secondLine := encoded(t, short, short.Public())
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	third, thirdLine := encoded(t, long, long.Public())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(address)
	write("config", fmt.Sprintf("ListenAddress %s\nPort %s\nHostKey %s\nHostKey %s\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nPidFile none\nUsePAM no\nPasswordAuthentication no\n",
		host, port, write("host", string(hostKey)), write("second", string(second)), write("third", string(third)), write("authorized", `restrict,command="git-shell -c \"$SSH_ORIGINAL_COMMAND\"" `+line)))

	cmd := exec.Command(program, "-D", "-e", "-f", filepath.Join(dir, "config"))
	if os.Getuid() == 0 {
		cmd = exec.Command("unshare", "--mount", "bash", "-c", asRoot, "sshd", dir, program)
	}
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+tools+"/lib/x86_64-linux-gnu:"+tools+"/usr/lib/x86_64-linux-gnu")
	said, err := os.Create(filepath.Join(dir, "said"))
	require.NoError(t, err)
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	require.Eventually(t, func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 2*time.Minute, 20*time.Millisecond, "sshd does not listen")
	t.Cleanup(func() {
		if text, _ := os.ReadFile(filepath.Join(dir, "said")); t.Failed() {
			t.Logf("sshd: %s", text)
		}
	})
	at := "[" + host + "]:" + port + " "
	return sshd{address: address, known: []byte(at + hostLine), others: [][]byte{[]byte(at + secondLine), []byte(at + thirdLine)}, key: key}
}

// keyPair is a private key, and its public one as a line of authorized_keys.
func keyPair(t *testing.T) ([]byte, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return encoded(t, private, public)
}

func encoded(t *testing.T, private crypto.PrivateKey, public crypto.PublicKey) ([]byte, string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	return pem.EncodeToMemory(block), string(ssh.MarshalAuthorizedKey(key))
}

// overSSH makes the repository of w one elsewhere: the same commits, behind sshd, which
// asks for the deploy key and whose host key has to be the known one.
func overSSH(t *testing.T, w *world, d sshd) (look func(), secret *corev1.Secret) {
	t.Helper()
	ctx := context.Background()
	elsewhere := filepath.Join(t.TempDir(), "shop.git")
	w.git("clone", "-q", "--bare", ".", elsewhere)
	w.git("remote", "set-url", "origin", elsewhere)
	me := strings.TrimSpace(whoami(t))
	secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "deploy-key", Annotations: map[string]string{v1alpha1.AnnotationHost: d.address}},
		Data: map[string][]byte{corev1.SSHAuthPrivateKey: d.key, "known_hosts": d.known}}
	require.NoError(t, w.client.Create(ctx, secret))
	old := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}
	require.NoError(t, w.client.Delete(ctx, old))
	require.NoError(t, w.client.Create(ctx, &v1alpha1.Repository{ObjectMeta: old.ObjectMeta,
		Spec: v1alpha1.RepositorySpec{URL: "ssh://" + me + "@" + d.address + elsewhere, CredentialsSecret: secret.Name}}))
	r := w.c.Git.(*git.Reconciler)
	r.Host.Store = &git.Store{Dir: filepath.Join(t.TempDir(), "git")}
	r.Remote = git.Remote{Private: true}
	return func() {
		t.Helper()
		r.Kick("default", "shop")
		_, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "shop"}})
		require.NoError(t, err)
	}, secret
}

func whoami(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("id", "-un").Output()
	require.NoError(t, err)
	return string(out)
}

// TestWrittenBackOverSSH: a rollback as a revert commit and images of a healthy release
// both reach a repository behind a real sshd, with its deploy key; nothing goes to a host
// whose key is another one, and nothing with a key that it does not know.
func TestWrittenBackOverSSH(t *testing.T) {
	d := startSSHD(t)
	w := newWorld(t, v1alpha1.ApplicationSpec{Sync: "pipeline", Lifecycle: v1alpha1.Lifecycle{WriteBack: &v1alpha1.WriteBack{Images: true, Rollback: true}}})
	look, secret := overSSH(t, w, d)
	ctx := context.Background()
	look()
	w.healthy(1, w.commits[0], "sha256:1111")
	w.healthy(2, w.commits[1], "sha256:2222")
	_, app := w.reconcile()
	require.Empty(t, app.Status.WrittenBack.Message)
	require.EqualValues(t, 2, app.Status.WrittenBack.Release)
	require.Contains(t, w.show("main", "deploy/a.yaml"), "default/shop@sha256:2222}, # version 2")
	require.Equal(t, app.Status.WrittenBack.Commit, w.git("rev-parse", "FETCH_HEAD"))

	// The look that brings the commit back makes no run of it.
	look()
	repo := &v1alpha1.Repository{}
	key := types.NamespacedName{Namespace: "default", Name: "shop"}
	require.NoError(t, w.client.Get(ctx, key, repo))
	require.Equal(t, app.Status.WrittenBack.Commit, repo.Status.Refs["refs/heads/main"].Commit)
	require.NotEmpty(t, repo.Status.Refs["refs/heads/main"].NoRun)

	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin, s.PinnedBy = 1, "ann" })
	_, app = w.reconcile()
	require.EqualValues(t, 1, app.Status.WrittenBack.Pin)
	require.Contains(t, w.show("main", "deploy/a.yaml"), "default/shop@sha256:1111}, # version 1")
	require.Contains(t, w.git("log", "-1", "--format=%B", "FETCH_HEAD"), "Revert shop to release 1\n\nPinned by ann.")
	head := w.git("rev-parse", "FETCH_HEAD")

	for _, c := range []struct {
		name, want string
		change     func(map[string][]byte)
	}{
		{"another host key", "has another key than", func(data map[string][]byte) {
			_, other := keyPair(t)
			data["known_hosts"] = []byte(strings.Fields(string(d.known))[0] + " " + other)
		}},
		{"a key it does not know", "unable to authenticate", func(data map[string][]byte) { data[corev1.SSHAuthPrivateKey], _ = keyPair(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			was := secret.DeepCopy()
			c.change(secret.Data)
			require.NoError(t, w.client.Update(ctx, secret))
			w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin = 2 })
			result, app := w.reconcile()
			require.Equal(t, later, result.RequeueAfter)
			require.Contains(t, app.Status.WrittenBack.Message, c.want)
			w.git("fetch", "-q", "origin", "main")
			require.Equal(t, head, w.git("rev-parse", "FETCH_HEAD"), "elsewhere is as it was")
			secret.Data = was.Data
			require.NoError(t, w.client.Update(ctx, secret))
		})
	}
	// A host has keys of several kinds, and known_hosts often has one of them only.
	for _, known := range d.others {
		secret.Data["known_hosts"] = known
		require.NoError(t, w.client.Update(ctx, secret))
		look()
		require.NoError(t, w.client.Get(ctx, key, repo))
		require.True(t, meta.IsStatusConditionTrue(repo.Status.Conditions, "Ready"), "%s: %v", known, repo.Status.Conditions)
	}
	// What was refused goes through once the secret is right.
	look()
	_, app = w.reconcile()
	require.Empty(t, app.Status.WrittenBack.Message)
	require.Contains(t, w.show("main", "deploy/a.yaml"), "default/shop@sha256:2222}, # version 2")
}
