package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

const shelvesSet = `apiVersion: slipway.dev/v1alpha1
kind: ApplicationSet
metadata: {name: shelves}
spec:
  repository: shelves
  generators:
  - directories: {include: [apps/*], exclude: [apps/draft]}
  template:
    name: shelf-{{directory.name.slug}}
    spec: {sync: push}
`

// TestApplicationPerDirectory: each directory has one, a push touches those that it
// concerns and no other, and a directory that goes takes its application and objects along.
func TestApplicationPerDirectory(t *testing.T) {
	together(t)
	r := newRepo(t, "shelves", map[string]string{
		".gitlab-ci.yml":       noRun,
		"apps/one/config.yaml": config("shelf-one", "first"), "apps/two/config.yaml": config("shelf-two", "first"), "apps/draft/config.yaml": config("shelf-draft", "first"),
	})
	cleanUp(t, "kubectl", "delete", "applicationset", "shelves", "--ignore-not-found", "--timeout=5m")
	r.push()
	must(t, "appset", "create", "-f", writeFile(t, shelvesSet))
	// shown are the applications with the release that each is healthy at.
	shown := func(want string) {
		t.Helper()
		eventually(t, func() error {
			set := &api.ApplicationSet{}
			if err := user.Call(t.Context(), "GET", user.Path("applicationsets", "shelves"), nil, set); err != nil {
				return err
			}
			var got []string
			for _, a := range set.Status.Applications {
				got = append(got, fmt.Sprintf("%s %s %d %s", a.Directory, a.Name, a.Release, a.Health))
			}
			if s := strings.Join(got, ", "); s != want {
				return fmt.Errorf("the set has %s, want %s", s, want)
			}
			return nil
		})
	}
	shown("apps/one shelf-one 1 Healthy, apps/two shelf-two 1 Healthy")

	r.write(map[string]string{"apps/two/config.yaml": config("shelf-two", "second"), "apps/three/config.yaml": config("shelf-three", "first")})
	r.push()
	shown("apps/one shelf-one 1 Healthy, apps/three shelf-three 1 Healthy, apps/two shelf-two 2 Healthy")
	if last := application(t, "shelf-one").Status.Last; last != 1 {
		t.Errorf("a push that does not concern it made release %d", last)
	}

	if err := os.RemoveAll(filepath.Join(r.dir, "apps/one")); err != nil {
		t.Fatal(err)
	}
	r.push()
	shown("apps/three shelf-three 1 Healthy, apps/two shelf-two 2 Healthy")
	eventually(t, func() error {
		if out, err := slipway(t, "kubectl", "get", "configmap", "shelf-one", "--ignore-not-found", "-o", "name"); err != nil || out != "" {
			return errors.New("still there: " + out)
		}
		return nil
	})
}
