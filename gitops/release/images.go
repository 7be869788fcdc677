package release

import (
	"slices"

	"slipway.dev/cluster/api/v1alpha1"
)

// maxImages of a value. What an earlier run built comes last, and goes first.
const maxImages = 200

// withImages is a value that a run wrote, with the images of the value before that the
// run did not build: jobs of a run, or runs of a repository of many parts, each deploy
// what they have, and none takes away what another did.
func withImages(desired v1alpha1.Desired, have *v1alpha1.Desired) v1alpha1.Desired {
	if have == nil || desired.Cause != v1alpha1.CausePipeline {
		return desired
	}
	desired.Images = slices.Clone(desired.Images)
	for _, image := range have.Images {
		if len(desired.Images) < maxImages && !slices.ContainsFunc(desired.Images, func(o v1alpha1.Image) bool { return o.Name == image.Name }) {
			desired.Images = append(desired.Images, image)
		}
	}
	return desired
}

// holds says whether a value has all of what a run wants: its commit, and each of its
// images by digest. There may be more images.
func holds(have, want v1alpha1.Desired) bool {
	have.Images = slices.DeleteFunc(slices.Clone(have.Images), func(image v1alpha1.Image) bool {
		return !slices.ContainsFunc(want.Images, func(o v1alpha1.Image) bool { return o.Name == image.Name })
	})
	return same(have, want)
}
