package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEncryptedAtRest plants a value in objects of several kinds and looks for it in
// everything that etcd wrote (threat 20). The names of the objects are the control: keys
// are in clear, so a search that does not find them finds nothing.
func TestEncryptedAtRest(t *testing.T) {
	together(t)
	const planted = "a-value-planted-at-rest"
	kinds := map[string]string{
		"Secret":     `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "NAME"}, "stringData": {"a": "PLANTED"}}`,
		"ConfigMap":  `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "NAME"}, "data": {"a": "PLANTED"}}`,
		"Service":    `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "NAME", "annotations": {"a": "PLANTED"}}, "spec": {"ports": [{"port": 80}]}}`,
		"Event":      `{"apiVersion": "v1", "kind": "Event", "metadata": {"name": "NAME"}, "involvedObject": {"kind": "Pod", "name": "x", "namespace": "default"}, "message": "PLANTED"}`,
		"Deployment": `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "NAME"}, "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "busybox", "env": [{"name": "A", "value": "PLANTED"}]}]}}}}`,
		"Repository": `{"apiVersion": "slipway.dev/v1alpha1", "kind": "Repository", "metadata": {"name": "NAME", "annotations": {"a": "PLANTED"}}}`,
	}
	var all []string
	for kind, object := range kinds {
		name := "at-rest-" + strings.ToLower(kind)
		file := filepath.Join(t.TempDir(), "object.json")
		if err := os.WriteFile(file, []byte(strings.NewReplacer("NAME", name, "PLANTED", planted).Replace(object)), 0o600); err != nil {
			t.Fatal(err)
		}
		must(t, "kubectl", "apply", "-f", file)
		cleanUp(t, "kubectl", "delete", "-f", file)
		all = append(all, name)
	}
	// The log of writes has what was acknowledged; the file of pages follows.
	eventually(t, func() error {
		var held []byte
		err := filepath.WalkDir(filepath.Join(dataDir, "etcd"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			held = append(held, b...)
			if bytes.Contains(b, []byte(planted)) {
				t.Fatalf("%s has the planted value in clear", path)
			}
			return err
		})
		for _, name := range all {
			if err == nil && !bytes.Contains(held, []byte("/default/"+name)) {
				err = fmt.Errorf("etcd's files have no key of %s: the search says nothing", name)
			}
		}
		return err
	})
}
