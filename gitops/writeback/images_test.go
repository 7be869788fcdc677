package writeback

import (
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
)

// files is a tree in memory.
type files map[string]string

func (f files) File(p string) ([]byte, error) {
	text, ok := f[p]
	if !ok {
		return nil, fmt.Errorf("file %q: %w", p, fs.ErrNotExist)
	}
	return []byte(text), nil
}

func (f files) Files(dir string) ([]string, error) {
	var out []string
	for p := range f {
		if dir == "." || strings.HasPrefix(p, path.Clean(dir)+"/") {
			out = append(out, p)
		}
	}
	sort.Strings(out)
	return out, nil
}

func (f files) Write(p string, data []byte) error {
	f[p] = string(data)
	return nil
}

var two = []v1alpha1.Image{
	{Name: "registry.slipway.internal/default/shop", Digest: "sha256:1111"},
	{Name: "registry.slipway.internal/default/api", Digest: "sha256:2222"},
}

func TestImages(t *testing.T) {
	const shop = "registry.slipway.internal/default/shop"
	for _, c := range []struct {
		name    string
		before  files
		extra   []string
		after   files // only what changes
		missing string
		fault   string
	}{
		{name: "plain", before: files{"deploy/a.yaml": `# the shop
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers:
      - {name: i, image: "registry.slipway.internal/default/shop:v1"} # quoted
      containers:
        # which image
        - name:   web
          image:   registry.slipway.internal/default/shop   # ours
          env: [{name: IMAGE, value: registry.slipway.internal/default/shop}]
        - name: side
          image: busybox
---
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: 'registry.slipway.internal/default/api@sha256:0000'}]}}}}}
`, "deploy/sub/b.yaml": "containers: [{image: " + shop + "}]\n", "deploy/README": "image: " + shop},
			after: files{"deploy/a.yaml": `# the shop
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers:
      - {name: i, image: "registry.slipway.internal/default/shop@sha256:1111"} # quoted
      containers:
        # which image
        - name:   web
          image:   registry.slipway.internal/default/shop@sha256:1111   # ours
          env: [{name: IMAGE, value: registry.slipway.internal/default/shop}]
        - name: side
          image: busybox
---
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: 'registry.slipway.internal/default/api@sha256:2222'}]}}}}}
`}},
		{name: "windows line ends, other alphabets and anchors", before: files{"deploy/a.yml": "größe: \"ü\"\r\nspec:\r\n  containers: [{name: ü, image: &shop registry.slipway.internal/default/shop:1}]\r\n  other: *shop\r\n"},
			after: files{"deploy/a.yml": "größe: \"ü\"\r\nspec:\r\n  containers: [{name: ü, image: &shop registry.slipway.internal/default/shop@sha256:1111}]\r\n  other: *shop\r\n"}, missing: two[1].Name},
		{name: "nothing to write to", before: files{"deploy/a.yaml": "kind: ConfigMap\n"}, missing: two[1].Name + " " + two[0].Name},
		{name: "block text", before: files{"deploy/a.yaml": "containers:\n- image: |-\n    " + shop + "\n"}, fault: "deploy/a.yaml:2: \"registry.slipway.internal/default/shop\" is a block of text"},
		{name: "no YAML", before: files{"deploy/a.yaml": "containers: [\n"}, fault: "deploy/a.yaml"},

		{name: "kustomization with entries", before: files{"deploy/kustomization.yaml": `resources: [app.yaml]
images:
  # ours
  - name: shop
    newName: registry.slipway.internal/default/shop
    newTag: v1 # goes
  - name: registry.slipway.internal/default/api
    digest: sha256:0000 # kept up
namePrefix: x-
`, "deploy/app.yaml": "containers: [{image: " + shop + "}]\n"},
			after: files{"deploy/kustomization.yaml": `resources: [app.yaml]
images:
  # ours
  - name: shop
    digest: sha256:1111
    newName: registry.slipway.internal/default/shop
  - name: registry.slipway.internal/default/api
    digest: sha256:2222 # kept up
namePrefix: x-
`}},
		{name: "kustomization with one entry", before: files{"deploy/kustomization.yaml": "images:\n- name: registry.slipway.internal/default/shop\nresources:\n- app.yaml"},
			after: files{"deploy/kustomization.yaml": "images:\n- name: registry.slipway.internal/default/shop\n  digest: sha256:1111\n- name: registry.slipway.internal/default/api\n  digest: sha256:2222\nresources:\n- app.yaml"}},
		{name: "kustomization without images", before: files{"deploy/Kustomization": "resources:\n- app.yaml"},
			after: files{"deploy/Kustomization": "resources:\n- app.yaml\nimages:\n- name: registry.slipway.internal/default/shop\n  digest: sha256:1111\n- name: registry.slipway.internal/default/api\n  digest: sha256:2222\n"}},
		{name: "kustomization in one line", before: files{"deploy/kustomization.yaml": "images: []\n"}, fault: "deploy/kustomization.yaml:1: write images as a list with one entry after the other"},
		{name: "kustomization in braces", before: files{"deploy/kustomization.yaml": "{resources: [a]}\n"}, fault: "one key a line"},
		{name: "entries in braces", before: files{"deploy/kustomization.yaml": "images:\n- {name: registry.slipway.internal/default/shop, newTag: v1}\n"}, fault: "give it a digest"},

		{name: "marked values of a chart", before: files{"deploy/Chart.yaml": "name: shop\n", "deploy/values.yaml": `
web:
  image: x # {"$image": "shop"}
  repository: "x" # {"$image": "default/api:name"}
  digest: '' # keep
  sha: sha256:0 # {"$image": "api:digest"}
`, "deploy/templates/a.yaml": "image: {{ .Values.web.image }}\n"},
			after: files{"deploy/values.yaml": `
web:
  image: registry.slipway.internal/default/shop@sha256:1111 # {"$image": "shop"}
  repository: "registry.slipway.internal/default/api" # {"$image": "default/api:name"}
  digest: '' # keep
  sha: sha256:2222 # {"$image": "api:digest"}
`}},
		{name: "marks elsewhere, as Flux writes them", before: files{"deploy/Chart.yaml": "name: shop\n", "envs/prod.yaml": "a: x # {\"$imagepolicy\": \"flux-system:shop\"}\nb: y # {\"$imagepolicy\": \"flux-system:web\"}\n"}, extra: []string{"envs/prod.yaml"},
			after: files{"envs/prod.yaml": "a: registry.slipway.internal/default/shop@sha256:1111 # {\"$imagepolicy\": \"flux-system:shop\"}\nb: y # {\"$imagepolicy\": \"flux-system:web\"}\n"}, missing: two[1].Name},
		{name: "marks of tags", before: files{"deploy/v.yaml": "t: v1 # {\"$imagepolicy\": \"flux-system:shop:tag\"}\n"}, fault: "deploy/v.yaml:1: mark"},
		{name: "file that is not there", before: files{"deploy/a.yaml": "a: 1\n"}, extra: []string{"envs/prod.yaml"}, fault: "spec.writeBack.files"},
		{name: "mark in what is no YAML", before: files{"deploy/t.yaml": "{{- if x }} # {\"$image\": \"shop\"}\n"}, fault: "deploy/t.yaml"},
		{name: "comments that are no marks", before: files{"deploy/v.yaml": "a: x # {\"$image\": 3}\nb: y # {\"$image\"\nc: z # {\"$imagepolicy\": \"shop\"}\n"}, missing: two[1].Name + " " + two[0].Name},
		{name: "a mark before a kustomization", before: files{"deploy/kustomization.yaml": "resources: [a.yaml]\n", "deploy/a.yaml": "image: x # {\"$image\": \"shop\"}\n"},
			after: files{"deploy/a.yaml": "image: registry.slipway.internal/default/shop@sha256:1111 # {\"$image\": \"shop\"}\n",
				"deploy/kustomization.yaml": "resources: [a.yaml]\nimages:\n- name: registry.slipway.internal/default/api\n  digest: sha256:2222\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, want := files{}, files{}
			for p, text := range c.before {
				tree[p], want[p] = text, text
			}
			for p, text := range c.after {
				want[p] = text
			}
			missing, err := Images(tree, "deploy", c.extra, two)
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, tree)
			require.Equal(t, c.missing, strings.Join(missing, " "))
			// Once written, there is nothing more to write.
			missing, err = Images(tree, "deploy", c.extra, two)
			require.NoError(t, err)
			require.Equal(t, want, tree)
			require.Equal(t, c.missing, strings.Join(missing, " "))
		})
	}
}

func TestBare(t *testing.T) {
	for in, want := range map[string]string{
		"shop": "shop", "shop:v1": "shop", "host:5000/a/b": "host:5000/a/b", "host:5000/a/b:v1@sha256:1": "host:5000/a/b", "a@sha256:1": "a",
	} {
		require.Equal(t, want, Bare(in))
	}
}

// FuzzImages: whatever is in a repository, a file is changed so that it is still what it
// was but for the images, or it is left alone.
func FuzzImages(f *testing.F) {
	f.Add("containers:\n- image: registry.slipway.internal/default/shop:1\n", "images:\n- name: registry.slipway.internal/default/shop\n")
	f.Add("a: &x registry.slipway.internal/default/shop # {\"$image\": \"shop\"}\nb: *x\n", "images:\n  - newTag: a\n    name: registry.slipway.internal/default/api\n")
	f.Add("containers: [{image: \"registry.slipway.internal/default/shop\"}]\n---\n- !!str x\n", "{images: [{name: registry.slipway.internal/default/shop}]}")
	f.Add("\uFEFFcontainers:\r\n- image: !!str registry.slipway.internal/default/api\r\n", "images:\n- name: registry.slipway.internal/default/shop\n  newTag: >-\n    x\n")
	f.Fuzz(func(t *testing.T, plain, kustomization string) {
		for name, text := range map[string]string{"deploy/a.yaml": plain, "deploy/kustomization.yaml": kustomization} {
			tree := files{name: text}
			if _, err := Images(tree, "deploy", nil, two); err != nil {
				require.Equal(t, text, tree[name])
				continue
			}
			if _, err := parse(name, []byte(tree[name])); tree[name] != text && err != nil {
				t.Fatalf("%q became %q: %v", text, tree[name], err)
			}
			once := tree[name]
			_, err := Images(tree, "deploy", nil, two)
			require.NoError(t, err, once)
			require.Equal(t, once, tree[name])
		}
	})
}
