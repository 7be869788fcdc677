package node

import (
	"strings"
	"testing"

	"slipway.dev/cluster/node/config"
	"slipway.dev/cluster/node/layout"
)

// TestTheKubeletWorksWhereNothingIs: where it removes the log of a container that has none,
// it removes what is in its working directory, which was once the machine's /bin.
func TestTheKubeletWorksWhereNothingIs(t *testing.T) {
	l, err := layout.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range (&Node{Layout: l}).children(Config{}, config.Node{Layout: l}) {
		if c.Name != Kubelet {
			continue
		}
		for _, file := range append(c.Config, l.DataDir, l.Run(), l.Kubelet(), l.PodLogs(), l.ContainerdSocket(), l.BuildkitSocket()) {
			if c.Dir == "" || file == c.Dir || strings.HasPrefix(file, c.Dir+"/") {
				t.Fatalf("the kubelet works in %q, where %s is", c.Dir, file)
			}
		}
		return
	}
	t.Fatal("no kubelet")
}
