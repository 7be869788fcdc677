package dashboard

import (
	"crypto/sha256"
	"fmt"
)

// UIDOfKept is the one in Grafana, where namespaces are not apart, of a dashboard that a
// repository of a namespace keeps under its own.
func UIDOfKept(namespace, uid string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + uid + "/"))
	return UID(fmt.Sprintf("repo-%x", sum[:8]))
}
