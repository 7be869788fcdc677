package embedded

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Copy moves images within one namespace, and nothing in or out of the names of others.
func TestCopyKeepsToItsNamespace(t *testing.T) {
	r, host := open(t, nil)
	img := image(t)
	if err := remote.Write(tag(t, host+"/default/shop/held:1"), img, remote.WithAuth(as("default"))); err != nil {
		t.Fatal(err)
	}
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	from := serviceName + "/default/shop/held@" + want.String()
	got, err := r.Copy(t.Context(), "default", from, "default/shop", "v1")
	if err != nil || got.Digest != want.String() || got.Size == 0 || got.File == nil {
		t.Fatalf("%+v, err %v", got, err)
	}
	if again, err := r.Copy(t.Context(), "default", from, "default/shop", "v1"); err != nil || again.Digest != got.Digest {
		t.Errorf("again: %+v, err %v", again, err)
	}
	pulled, err := remote.Image(tag(t, host+"/default/shop:v1"), remote.WithAuth(as("reader")))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := pulled.Digest(); err != nil || d != want {
		t.Errorf("pulled %s, err %v", d, err)
	}
	if d, err := r.Describe(t.Context(), "default", from); err != nil || d.Digest != want.String() {
		t.Errorf("%+v, err %v", d, err)
	}
	for _, tc := range []struct{ namespace, image, repository, tag string }{
		{"other", from, "other/shop", "v1"},
		{"default", from, "other/shop", "v1"},
		{"default", from, "system/toolbox", "v1"},
		{"default", from, "docker.io/library/busybox", "v1"},
		{"default", from, "slipway__artifacts/x", "v1"},
		{"default", from, "default/../other/shop", "v1"},
		{"default", from, "default", "v1"},
		{"default", from, "default/shop", "v1/../../x"},
		{"default", from, "default/shop", "v1@sha256:x"},
		{"default", from, "default/shop@" + want.String(), "v1"},
		{"default", serviceName + "/slipway__artifacts/x:1", "default/shop", "v2"},
		{"default", serviceName + "/default/shop/held@sha256:none", "default/shop", "v2"},
		{"default", serviceName + "/default/none:1", "default/shop", "v2"},
	} {
		if h, err := r.Copy(t.Context(), tc.namespace, tc.image, tc.repository, tc.tag); err == nil {
			t.Errorf("%+v: copied %+v", tc, h)
		}
	}
	if _, err := r.Describe(t.Context(), "other", from); err == nil {
		t.Error("another namespace may look at the image")
	}
	other, err := name.NewRepository(host + "/other/shop")
	if err != nil {
		t.Fatal(err)
	}
	if tags, err := remote.List(other, remote.WithAuth(as("other"))); err == nil && len(tags) > 0 {
		t.Errorf("tags of another namespace: %v", tags)
	}
}
