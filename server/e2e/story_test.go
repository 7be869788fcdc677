package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/server/client"
)

const (
	hostIP, peerIP = "198.51.100.2", "198.51.100.1"
)

// host is a machine with a default route: a network of its own, joined by a cable to that
// of a peer, which is all that it reaches.
type host struct {
	t          *testing.T
	name, peer string // network namespaces
	data       string
}

func newHost(t *testing.T) *host {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "slh-") // short: there are Unix sockets below
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, name: fmt.Sprintf("slipway-host-%d", os.Getpid()), peer: fmt.Sprintf("slipway-peer-%d", os.Getpid()), data: filepath.Join(dir, "d")}
	t.Cleanup(func() {
		if out, err := h.slipway("reset", "--data", "--data-dir", h.data); err != nil {
			t.Errorf("reset: %v\n%s", err, out)
		}
		for _, ns := range []string{h.name, h.peer} {
			if out, err := exec.Command("ip", "netns", "del", ns).CombinedOutput(); err != nil {
				t.Errorf("%s: %v %s", ns, err, out)
			}
		}
		os.RemoveAll(dir)
	})
	for _, args := range []string{
		"netns add " + h.name, "netns add " + h.peer,
		"link add up0 netns " + h.name + " type veth peer name down0 netns " + h.peer,
		"-n " + h.name + " link set lo up", "-n " + h.peer + " link set lo up",
		"-n " + h.name + " addr add " + hostIP + "/30 dev up0", "-n " + h.peer + " addr add " + peerIP + "/30 dev down0",
		"-n " + h.name + " link set up0 up", "-n " + h.peer + " link set down0 up",
		"-n " + h.name + " route add default via " + peerIP,
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v %s", args, err, out)
		}
	}
	return h
}

// in runs a command in one of the networks.
func (h *host) in(ns string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.t.Context()), 6*time.Minute) // also in clean-ups
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=/var/run/netns/" + ns}, args...)...)
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "SLIPWAY_DATA_DIR="+h.data)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (h *host) slipway(args ...string) (string, error) {
	return h.in(h.name, append([]string{binary}, args...)...)
}

// network is how the machine's looks, but for what changes by itself, such as what ip says of
// namespaces that go meanwhile.
func (h *host) network() string {
	h.t.Helper()
	out, err := h.in(h.name, "sh", "-c", "ip -o -4 addr; ip -o link 2>/dev/null; ip -4 route show table all; nft list ruleset")
	if err != nil {
		h.t.Fatalf("%v %s", err, out)
	}
	return out
}

// ask from the peer.
func (h *host) ask(probes ...probe) []answer {
	h.t.Helper()
	return scanIn(h.t, "/var/run/netns/"+h.peer, probes)
}

// certify makes a certificate for the host that is its own authority.
func certify(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "given"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(hostIP)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestStory tells what `make demo` tells, from no server on, on a machine that has a
// default route and a certificate of its own; its peer sees what the story made, and a
// reset leaves the machine's own network as it was.
func TestStory(t *testing.T) {
	withServer(t)
	h := newHost(t)
	before := h.network()
	cert, key := certify(t)
	out, err := h.slipway("demo", "--server-arg=--seeds="+filepath.Join(top, "build", "seed"), "--server-arg=--tls-cert="+cert, "--server-arg=--tls-key="+key,
		"--server-arg=--jobs-outside=none")
	t.Log(out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "Every step held") || !strings.Contains(out, "everything is ready; its log is") {
		t.Fatal("the story has no beginning or no end")
	}

	var app struct{ Status struct{ Addresses []string } }
	out, err = h.slipway("app", "get", "hello", "-o", "json")
	if err != nil || json.Unmarshal([]byte(out), &app) != nil || len(app.Status.Addresses) != 1 || !strings.HasPrefix(app.Status.Addresses[0], "http://"+hostIP+":") {
		t.Fatalf("the application's addresses: %v %s", err, out)
	}
	if out, err := h.slipway("kubectl", "get", "nodes", "-o", `jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}`); err != nil || out != hostIP {
		t.Errorf("the node's address is %q: %v", out, err)
	}
	if strings.Contains(h.network(), "slipway0") {
		t.Error("there is a default route, and a bridge of our own beside it")
	}
	front := "https://" + hostIP + ":8443/livez"
	for i, a := range h.ask(probe{URL: app.Status.Addresses[0]}, probe{URL: front, CA: cert}, probe{URL: front, CA: filepath.Join(h.data, "pki", "ca.crt")}, probe{URL: "http://" + hostIP + ":8080/livez"}) {
		if want := []int{http.StatusOK, http.StatusOK, 0, 0}[i]; a.Status != want {
			t.Errorf("question %d of the peer: %+v, want status %d", i+1, a, want)
		}
	}

	// Out it goes by the default route, with the machine's address: the peer knows no pod's.
	web := exec.Command("nsenter", "--net=/var/run/netns/"+h.peer, filepath.Join(top, "build", "payload", "busybox"), "httpd", "-f", "-p", peerIP+":80", "-h", t.TempDir())
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = web.Process.Kill(); _ = web.Wait() })
	if out, err := h.slipway("kubectl", "run", "out", "--image=busybox", "--restart=Never", "--command", "--", "sh", "-c", "wget -O- http://"+peerIP+"/none 2>&1"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	eventually(t, func() error {
		if out, err := h.slipway("kubectl", "logs", "out"); err != nil || !strings.Contains(out, "404") {
			return fmt.Errorf("no pod gets out: %v %s", err, out)
		}
		return nil
	})

	if out, err := h.slipway("reset", "--data", "--data-dir", h.data); err != nil {
		t.Fatalf("reset: %v\n%s", err, out)
	}
	if after := h.network(); after != before {
		t.Errorf("the network before:\n%s\nafter the reset:\n%s", before, after)
	}
}

// TestTLS: the front door's certificate is of our own authority, and clients that know it
// need nothing else.
func TestTLS(t *testing.T) {
	together(t)
	ca := filepath.Join(dataDir, "pki", "ca.crt")
	for _, name := range []string{"127.0.0.1", "localhost"} {
		for i, p := range []probe{{URL: "https://" + name + ":8443/livez", CA: ca}, {URL: "https://" + name + ":8443/livez", CA: filepath.Join(dataDir, "pki", "etcd-ca.crt")}} {
			if a := p.ask(); (a.Status == http.StatusOK) != (i == 0) || i == 1 && !strings.Contains(a.Err, "unknown authority") {
				t.Errorf("%s with %s: %+v", p.URL, filepath.Base(p.CA), a)
			}
		}
	}
	must(t, "status", "--server", "https://127.0.0.1:8443")
	if out, err := slipway(t, "status", "--server", "https://127.0.0.1:8443", "--ca-file", filepath.Join(dataDir, "pki", "etcd-ca.crt")); err == nil || !strings.Contains(out, "certificate") {
		t.Errorf("with another authority: %v %s", err, out)
	}
	r := newRepo(t, "over-tls", map[string]string{".gitlab-ci.yml": oneJob})
	r.commit()
	const url = "https://localhost:8443/git/over-tls.git"
	if out, err := r.command(mustToken(t), "push", url, "HEAD:main"); err == nil || !strings.Contains(out, "certificate") {
		t.Errorf("git without the authority: %v %s", err, out)
	}
	push := exec.Command("git", "push", url, "HEAD:main")
	push.Dir, push.Env = r.dir, append(client.GitEnviron(mustToken(t), "Test", "test@example.com"), "GIT_SSL_CAINFO="+ca)
	if out, err := push.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.seq++
	r.succeeded()
}
