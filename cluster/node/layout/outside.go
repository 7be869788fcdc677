package layout

import (
	"encoding/json"
	"os"
)

// CNICache is where libcni keeps the results of networks; the path is fixed in containerd.
const CNICache = "/var/lib/cni"

// PluginSocket is where a kubelet takes device plugins; the path is fixed in it.
const PluginSocket = "/var/lib/kubelet/device-plugins/kubelet.sock"

// Outside lists the directories beyond the data directory that daemons make where they are
// missing, because their paths are fixed in them; each before those that it lies in.
func Outside() []string {
	return []string{
		CNICache + "/results", CNICache + "/cache/results", CNICache + "/cache", CNICache,
		"/run/containerd/s", "/run/containerd/fifo", "/run/containerd",
		"/var/lib/kubelet/device-plugins", "/var/lib/kubelet",
	}
}

// OutsideRecord says which of them were missing when a node started: those are ours.
func (l Layout) OutsideRecord() string { return l.join("run", "outside.json") }

// Made lists the directories beyond the data directory that its node made. What is not
// written down, or not legibly, is somebody else's.
func (l Layout) Made() (made []string) {
	data, err := os.ReadFile(l.OutsideRecord())
	if err != nil || json.Unmarshal(data, &made) != nil {
		return nil
	}
	return made
}
