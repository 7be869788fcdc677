package gitlab

import (
	"strings"
)

type kind int

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindList
	kindMap
	kindReference // !reference [job, key]
)

func (k kind) String() string {
	switch k {
	case kindNull:
		return "nothing"
	case kindBool:
		return "a boolean"
	case kindNumber:
		return "a number"
	case kindString:
		return "a string"
	case kindList:
		return "a list"
	case kindMap:
		return "a mapping"
	}
	return "a !reference"
}

// value is one node of the file. An alias is the same *value as its anchor, so the
// tree is as small as the file, whatever its aliases would expand to.
type value struct {
	kind  kind
	text  string // of a scalar, as written
	items []*value
	keys  []entry
	index map[string]int
	place
}

// place in a file; of the one that is compiled where file is empty.
type place struct {
	line, column int
	file         string
}

// start of the file that is compiled.
var start = place{line: 1, column: 1}

type entry struct {
	name string
	at   place
	val  *value
}

// get the value of a key; nil where the key is absent or null.
func (v *value) get(name string) *value {
	if v == nil {
		return nil
	}
	if i, ok := v.index[name]; ok && v.keys[i].val.kind != kindNull {
		return v.keys[i].val
	}
	return nil
}

// at is the place of a key, or of the mapping where it is absent.
func (v *value) at(name string) place {
	if i, ok := v.index[name]; ok {
		return v.keys[i].at
	}
	return v.place
}

// put a key that is not there yet, or replace it in its place.
func (v *value) put(e entry) {
	if v.index == nil {
		v.index = map[string]int{}
	}
	if i, ok := v.index[e.name]; ok {
		v.keys[i] = e
		return
	}
	v.index[e.name] = len(v.keys)
	v.keys = append(v.keys, e)
}

// without a key; v itself where it is absent.
func (v *value) without(name string) *value {
	if _, ok := v.index[name]; !ok {
		return v
	}
	out := &value{kind: kindMap, place: v.place}
	for _, e := range v.keys {
		if e.name != name {
			out.put(e)
		}
	}
	return out
}

func (v *value) scalar() bool {
	return v.kind == kindString || v.kind == kindNumber || v.kind == kindBool
}

// truth reads a boolean as YAML 1.1 writes it, which is what GitLab reads.
func (v *value) truth() (yes, ok bool) {
	if !v.scalar() || v.kind == kindNumber {
		return false, false
	}
	switch strings.ToLower(v.text) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	}
	return false, false
}
