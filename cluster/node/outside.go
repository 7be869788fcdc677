package node

import (
	"encoding/json"
	"errors"
	"os"
	"slices"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/cluster/node/layout"
)

// noteOutside writes down which directories beyond the data directory the daemons are about
// to make. What is there already is somebody else's, also when it is empty: another kubelet's
// package makes such directories, and people mount file systems there.
func noteOutside(l layout.Layout, all []string) error {
	made := l.Made()
	known := len(made)
	for _, dir := range all {
		if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) && !slices.Contains(made, dir) {
			made = append(made, dir)
		}
	}
	if len(made) == known {
		return nil
	}
	data, err := json.Marshal(made)
	if err != nil {
		return err
	}
	return atomicfile.Write(l.OutsideRecord(), data, 0o600)
}
