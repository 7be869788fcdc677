package git

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
)

// serveSSH is an ssh server that knows two programs: upload-pack and receive-pack of dir.
func serveSSH(t *testing.T, dir string) (address string, hostKey ssh.PublicKey) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveConn(c, config, dir)
		}
	}()
	return l.Addr().String(), signer.PublicKey()
}

func serveConn(c net.Conn, config *ssh.ServerConfig, dir string) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for n := range channels {
		ch, reqs, err := n.Accept()
		if err != nil {
			return
		}
		go func() {
			defer ch.Close()
			for r := range reqs {
				program := ""
				for _, p := range []string{"upload-pack", "receive-pack"} {
					if r.Type == "exec" && strings.Contains(string(r.Payload), "git-"+p+" '/team/w.git'") {
						program = p
					}
				}
				_ = r.Reply(program != "", nil)
				if program == "" {
					continue
				}
				cmd := exec.Command("git", program, dir)
				cmd.Stdin, cmd.Stdout = ch, ch
				_ = cmd.Run()
				_, _ = ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
				return
			}
		}()
	}
}

func TestMirrorOverSSH(t *testing.T) {
	up := newBench(t)
	c := up.commit("w", "a", "1")
	up.git("w", "push", "-q", up.url("w"), "main")
	dir, _ := up.host.path("default", "w")
	address, hostKey := serveSSH(t, dir)
	url := "ssh://git@" + address + "/team/w.git"
	host, port, _ := net.SplitHostPort(address)

	b := newBench(t)
	cred := sshCredentials(t, "["+host+"]:"+port)
	for want, known := range map[string][]byte{
		"has another key than known_hosts": cred.KnownHosts,
		"is not in known_hosts":            sshCredentials(t, "another.example").KnownHosts,
	} {
		cred.KnownHosts = known
		err := b.host.Fetch(context.Background(), "default", "copy", Source{URL: url, Remote: Remote{Private: true}, Credentials: cred})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("want %q: %v", want, err)
		}
	}
	cred.KnownHosts = []byte("[" + host + "]:" + port + " " + string(ssh.MarshalAuthorizedKey(hostKey)))
	for range 2 { // the second finds nothing new
		if err := b.host.Fetch(context.Background(), "default", "copy", Source{URL: url, Remote: Remote{Private: true}, Credentials: cred}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := b.host.Branches(context.Background(), "default", "copy"); err != nil || got["main"] != c {
		t.Fatal(got, err)
	}
	second := up.commit("w", "a", "2")
	up.git("w", "push", "-q", up.url("w"), "main")
	if err := b.host.Fetch(context.Background(), "default", "copy", Source{URL: url, Remote: Remote{Private: true}, Credentials: cred}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.host.Branches(context.Background(), "default", "copy"); err != nil || got["main"] != second {
		t.Fatal(got, err)
	}
	if err := b.host.Fetch(context.Background(), "default", "copy", Source{URL: url, Remote: Remote{Private: true}}); err == nil || !strings.Contains(err.Error(), "ssh-privatekey and known_hosts") {
		t.Fatal(err)
	}
}

// TestWriteOverSSH: what is written back goes to a repository elsewhere with its deploy key.
func TestWriteOverSSH(t *testing.T) {
	up := newBench(t)
	up.commit("w", "deploy/app.yaml", "a: 1\n")
	up.git("w", "push", "-q", up.url("w"), "main")
	dir, _ := up.host.path("default", "w")
	address, hostKey := serveSSH(t, dir)
	host, port, _ := net.SplitHostPort(address)
	known := func(key ssh.PublicKey) []byte {
		return []byte("[" + host + "]:" + port + " " + string(ssh.MarshalAuthorizedKey(key)))
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "key", Annotations: map[string]string{v1alpha1.AnnotationHost: address}},
		Data: map[string][]byte{corev1.SSHAuthPrivateKey: sshCredentials(t, host).PrivateKey, "known_hosts": known(hostKey)}}
	b := newBench(t, secret, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"},
		Spec: v1alpha1.RepositorySpec{URL: "ssh://git@" + address + "/team/w.git", CredentialsSecret: "key"}})
	r := &Reconciler{Host: b.host, Remote: Remote{Private: true}}
	if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		t.Fatal(err)
	}
	e := edit("deploy/app.yaml", "a: 2\n")
	e.Repository = "copy"
	done, err := r.Write(t.Context(), e)
	if err != nil || !done.New {
		t.Fatalf("%+v %v %v", done, err, b.status("copy").Conditions)
	}
	if got, err := up.host.Branches(t.Context(), "default", "w"); err != nil || got["main"] != done.Commit {
		t.Fatalf("elsewhere: %v %v", got, err)
	}

	// A host that has another key by now gets nothing.
	_, other := serveSSH(t, dir)
	secret.Data["known_hosts"] = known(other)
	if err := b.client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	e.Change = func(w *Worktree) error { return w.Write("deploy/app.yaml", []byte("a: 3\n")) }
	if _, err := r.Write(t.Context(), e); err == nil {
		t.Fatal("written to a host with an unknown key")
	}
	if got, err := up.host.Branches(t.Context(), "default", "w"); err != nil || got["main"] != done.Commit {
		t.Fatalf("elsewhere: %v %v", got, err)
	}
}
