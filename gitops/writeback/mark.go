package writeback

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway.dev/cluster/api/v1alpha1"
)

// A line is marked by a comment that names the image, and the part of it that the value
// is if it is not all of it:
//
//	image: shop@sha256:… # {"$image": "shop"}
//	digest: sha256:…     # {"$image": "shop:digest"}
//	repository: shop     # {"$image": "shop:name"}
//
// The name is the image's, or its last elements. Flux's {"$imagepolicy": "ns:shop"} means
// the same; its ":tag" does not, since images are released by digest.
const (
	markOpen = `{"$image"`
	markFlux = `{"$imagepolicy"`
)

// mark is what a comment says.
type mark struct {
	image, part string
}

// readMark of a comment; ok is false where it holds none.
func readMark(comment string) (m mark, ok bool, err error) {
	begin := strings.Index(comment, "{")
	end := strings.LastIndex(comment, "}")
	if begin < 0 || end < begin {
		return m, false, nil
	}
	var v struct {
		Image  *string `json:"$image"`
		Policy *string `json:"$imagepolicy"`
	}
	if json.Unmarshal([]byte(comment[begin:end+1]), &v) != nil {
		return m, false, nil
	}
	switch {
	case v.Image != nil:
		m.image = *v.Image
	case v.Policy != nil:
		_, name, namespaced := strings.Cut(*v.Policy, ":")
		if !namespaced {
			return m, false, nil
		}
		m.image = name
	default:
		return m, false, nil
	}
	for _, part := range []string{"digest", "name", "tag"} {
		if rest, cut := strings.CutSuffix(m.image, ":"+part); cut {
			m.image, m.part = rest, part
		}
	}
	if m.part == "tag" {
		return m, true, fmt.Errorf("mark %q: images are released by digest; mark the whole reference, or the digest", clip(comment[begin:end+1]))
	}
	return m, true, nil
}

// names says whether the mark means the image.
func (m mark) names(image string) bool {
	return m.image != "" && (m.image == image || strings.HasSuffix(image, "/"+m.image))
}

func (m mark) value(i v1alpha1.Image) string {
	switch m.part {
	case "digest":
		return i.Digest
	case "name":
		return i.Name
	}
	return i.Name + "@" + i.Digest
}

// marked changes the lines whose marks name one of the images.
func marked(d *document, images []v1alpha1.Image, found map[string]bool) error {
	var fault error
	d.visit(func(_, value *yaml.Node, _ []string) {
		if value.Kind != yaml.ScalarNode || fault != nil {
			return
		}
		m, ok, err := readMark(value.LineComment)
		if err != nil {
			fault = fmt.Errorf("%s:%d: %w", d.name, value.Line, err)
			return
		}
		if !ok {
			return
		}
		hits := 0
		for _, i := range images {
			if m.names(i.Name) {
				hits++
				found[i.Name] = true
				fault = d.replace(value, m.value(i))
			}
		}
		if hits > 1 {
			fault = fmt.Errorf("%s:%d: mark %q means several images; write more of the name", d.name, value.Line, m.image)
		}
	})
	return fault
}
