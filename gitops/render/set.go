package render

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Set is what one directory of one commit means: objects in a fixed order, and
// their canonical bytes, whose digest names the set.
type Set struct {
	Objects []*unstructured.Unstructured
	// Hidden are values in it that were secret before it was rendered, wherever they
	// are now; sorted. They are kept with the set, and are no part of what its digest names.
	Hidden []string
	bytes  []byte
}

// stored is the form of a set with hidden values.
type stored struct {
	Objects json.RawMessage `json:"objects"`
	Hidden  []string        `json:"hidden"`
}

// Stored is the form in which a set is kept. One with hidden values must be sealed.
func (s *Set) Stored() ([]byte, error) {
	if len(s.Hidden) == 0 {
		return s.bytes, nil
	}
	return json.Marshal(stored{s.bytes, s.Hidden})
}

// ParseStored reads what Stored gave.
func ParseStored(data []byte) (*Set, error) {
	if len(data) == 0 || data[0] != '{' {
		return ParseSet(data)
	}
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("rendered set: %w", err)
	}
	set, err := ParseSet(s.Objects)
	if err == nil {
		set.Hidden = s.Hidden
	}
	return set, err
}

// NewSet sorts the objects and refuses one that is named twice.
func NewSet(objects []*unstructured.Unstructured) (*Set, error) {
	sort.SliceStable(objects, func(i, j int) bool { return key(objects[i]) < key(objects[j]) })
	for i := 1; i < len(objects); i++ {
		if key(objects[i-1]) == key(objects[i]) {
			return nil, refuse("", 0, "%s %q is given twice", objects[i].GetKind(), objects[i].GetName())
		}
	}
	raw := make([]map[string]any, len(objects))
	for i, o := range objects {
		raw[i] = o.Object
	}
	data, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	if len(data) > maxSetBytes {
		return nil, refuse("", 0, "the rendered set is larger than %d MiB", maxSetBytes>>20)
	}
	return &Set{Objects: objects, bytes: data}, nil
}

// ParseSet reads the bytes of a set.
func ParseSet(data []byte) (*Set, error) {
	var list unstructured.UnstructuredList
	wrapped := append([]byte(`{"apiVersion":"v1","kind":"List","items":`), data...)
	if err := list.UnmarshalJSON(append(wrapped, '}')); err != nil {
		return nil, fmt.Errorf("rendered set: %w", err)
	}
	objects := make([]*unstructured.Unstructured, len(list.Items))
	for i := range list.Items {
		objects[i] = &list.Items[i]
	}
	return NewSet(objects)
}

// Bytes are the canonical form: a JSON array.
func (s *Set) Bytes() []byte { return s.bytes }

// Digest of the canonical form, as "sha256:…".
func (s *Set) Digest() string {
	sum := sha256.Sum256(s.bytes)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Secret says whether the set holds the data of a Secret, or what was one.
func (s *Set) Secret() bool {
	if len(s.Hidden) > 0 {
		return true
	}
	for _, o := range s.Objects {
		if o.GetKind() == "Secret" && o.GetAPIVersion() == "v1" {
			return true
		}
	}
	return false
}

// Copy of the objects, free to be changed.
func (s *Set) Copy() []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, len(s.Objects))
	for i, o := range s.Objects {
		out[i] = o.DeepCopy()
	}
	return out
}

func key(o *unstructured.Unstructured) string {
	gvk := o.GroupVersionKind()
	return gvk.Group + "\x00" + gvk.Kind + "\x00" + o.GetNamespace() + "\x00" + o.GetName() + "\x00" + o.GetGenerateName()
}
