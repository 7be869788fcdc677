package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/cluster/node/layout"
)

// TestMirroredHosts are known to containerd, buildkitd and the kubelet alike, and are
// forgotten when the configuration no longer has them.
func TestMirroredHosts(t *testing.T) {
	n := Node{Layout: layout.Layout{DataDir: t.TempDir()}, PodCIDR: "10.42.0.0/16", RegistryAddr: "127.0.0.1:8080", Mirrored: []string{"docker.io", "registry.example:5000"}}
	if err := n.Write(); err != nil {
		t.Fatal(err)
	}
	read := func(path ...string) string {
		b, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, host := range append(n.Mirrored, Registry) {
		if text := read(n.CertsD(), host, "hosts.toml"); !strings.Contains(text, `server = "http://127.0.0.1:8080"`) {
			t.Errorf("containerd may ask %s itself:\n%s", host, text)
		}
		if !strings.Contains(read(n.BuildkitFile()), `[registry."`+host+`"]`) {
			t.Errorf("buildkitd does not know %s", host)
		}
		if !strings.Contains(read(n.CredentialFile()), "- "+host) {
			t.Errorf("the kubelet has no credential for %s", host)
		}
	}
	n.Mirrored = n.Mirrored[:1]
	if err := n.Write(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(n.CertsD(), "registry.example:5000")); !os.IsNotExist(err) {
		t.Errorf("not forgotten: %v", err)
	}
	read(n.CertsD(), "_default", "hosts.toml")
	read(n.CertsD(), "docker.io", "hosts.toml")
}
