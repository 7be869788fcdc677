package git

import (
	"fmt"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

const (
	// maxOptions of one push, and how long their variables may be together.
	maxOptions        = 100
	maxOptionVariable = 8 << 10
)

// pushOptions reads what `git push -o` gave, in GitLab's words. What is not known is
// named in lines and does nothing; what would need a forge is refused.
func pushOptions(options []string) (note v1alpha1.PushNote, lines []string, err error) {
	size := 0
	for _, o := range options {
		name, value, has := strings.Cut(o, "=")
		switch {
		case name == "ci.skip" || name == "ci.no_pipeline":
			note.NoRun = "the push says " + name
		case name == "ci.variable":
			// Some shells leave the quotes of GitLab's examples in.
			key, text, ok := strings.Cut(strings.Trim(value, `"`), "=")
			if !has || !ok || !variableName(key) {
				return note, nil, fmt.Errorf("push option %q: want ci.variable=NAME=VALUE", clip(o, 100))
			}
			if size += len(key) + len(text); size > maxOptionVariable {
				return note, nil, fmt.Errorf("push option ci.variable: more than %d bytes in all: %w", maxOptionVariable, ErrLimit)
			}
			if note.Variables == nil {
				note.Variables = map[string]string{}
			}
			note.Variables[key] = strings.ToValidUTF8(text, "\uFFFD")
		case strings.HasPrefix(name, "merge_request."):
			return note, nil, fmt.Errorf("push option %s is not supported: merge requests live at a forge, and this repository is hosted here; push without it", clip(name, 100))
		default:
			lines = append(lines, fmt.Sprintf("Push option %s is not known here and does nothing; known: ci.skip, ci.variable.", clip(name, 100)))
		}
	}
	return note, lines, nil
}

// variableName says whether s can be the name of a variable of a shell.
func variableName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 255
}
