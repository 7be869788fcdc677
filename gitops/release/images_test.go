package release

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
)

// TestDeployKeepsOtherImages: a run deploys what it built, and what others built stays.
func TestDeployKeepsOtherImages(t *testing.T) {
	w := newWorld(t)
	d := &Deployer{Client: w.client}
	value := func(commit string, sequence int64, cause string, images ...string) v1alpha1.Desired {
		v := v1alpha1.Desired{Commit: commit, Sequence: sequence, Run: "run-" + commit, Cause: cause}
		for _, image := range images {
			name, digest, _ := strings.Cut(image, "@")
			v.Images = append(v.Images, v1alpha1.Image{Name: name, Digest: digest, Commit: commit})
		}
		return v
	}
	images := func() (out []string) {
		for _, i := range w.app().Spec.Desired.Images {
			out = append(out, i.Name+"@"+i.Digest+" of "+i.Commit)
		}
		return out
	}
	deploy := func(v v1alpha1.Desired) {
		t.Helper()
		require.NoError(t, d.Deploy(t.Context(), "default", "hello", v1alpha1.Source{Repository: "hello"}, v))
	}
	deploy(value("c1", 1, v1alpha1.CausePipeline, "web@1", "api@1"))
	deploy(value("c2", 2, v1alpha1.CausePipeline, "api@2"))
	require.Equal(t, []string{"api@2 of c2", "web@1 of c1"}, images())
	w.settle()
	// Two jobs of one run, each with an image of its own, the second while the release of
	// the first is under way.
	first := value("c3", 3, v1alpha1.CausePipeline, "web@3")
	deploy(first)
	_, err := w.reconcile()
	require.NoError(t, err)
	deploy(value("c3", 3, v1alpha1.CausePipeline, "worker@3"))
	require.Equal(t, []string{"worker@3 of c3", "web@3 of c3", "api@2 of c2"}, images())
	w.settle()
	// Both wait for the one release that has what they want.
	var said strings.Builder
	rel, err := d.Wait(context.Background(), "default", "hello", first, &said)
	require.NoError(t, err, said.String())
	require.Len(t, rel.Spec.Desired.Images, 3)
	_, err = d.Wait(context.Background(), "default", "hello", value("c3", 3, v1alpha1.CausePipeline, "web@4"), &said)
	require.ErrorContains(t, err, "a newer value")
	// A value that is what was released once is taken as it is.
	deploy(value("c4", 4, v1alpha1.CauseRollback, "web@1"))
	require.Equal(t, []string{"web@1 of c4"}, images())
	// There is an end to what is carried on.
	for n := range maxImages + 5 {
		deploy(value("c5", 5, v1alpha1.CausePipeline, fmt.Sprintf("part-%d@5", n)))
	}
	require.Len(t, images(), maxImages)
	require.NotContains(t, images(), "web@1 of c4")
}
