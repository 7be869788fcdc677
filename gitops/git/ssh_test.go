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
)

// serveSSH is an ssh server that knows one program: upload-pack of dir.
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
				ok := r.Type == "exec" && strings.Contains(string(r.Payload), "git-upload-pack '/team/w.git'")
				_ = r.Reply(ok, nil)
				if !ok {
					continue
				}
				cmd := exec.Command("git", "upload-pack", dir)
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
	err := b.host.Fetch(context.Background(), "default", "copy", Source{URL: url, Remote: Remote{Private: true}, Credentials: cred})
	if err == nil || !strings.Contains(err.Error(), "is not in known_hosts") {
		t.Fatalf("an unknown host key: %v", err)
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
