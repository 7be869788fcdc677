package plan

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	imageref "github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation"
)

// CheckImage says what is wrong with the name of an image in which nothing refers to
// variables any more.
func CheckImage(name string) error {
	if _, err := imageref.ParseDockerRef(name); err != nil {
		return fmt.Errorf("image %q is not an image name: %w; write it as name:tag", name, err)
	}
	return nil
}

// User that a container runs as: numbers, or a name that its image knows.
type User struct {
	UID, GID *int64
	Name     string
}

var (
	userNumberRE = regexp.MustCompile(`^([0-9]{1,10})(?::([0-9]{1,10}))?$`)
	userNameRE   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}(?::[A-Za-z_][A-Za-z0-9_.-]{0,63})?$`)
)

// ParseUser reads USER or USER:GROUP, names or numbers; empty: the image's own.
func ParseUser(text string) (User, error) {
	if text == "" || userNameRE.MatchString(text) {
		return User{Name: text}, nil
	}
	m := userNumberRE.FindStringSubmatch(text)
	if m == nil {
		return User{}, fmt.Errorf("image user %q: give a name or a number, as node or 1000:1000", text)
	}
	var u User
	for i, to := range []**int64{&u.UID, &u.GID} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(m[i+1], 10, 32)
		if err != nil {
			return User{}, fmt.Errorf("image user %q: the number is too large", text)
		}
		*to = &n
	}
	return u, nil
}

// Label that a node must have: with any value, or with this one.
type Label struct {
	Key, Value string
	Valued     bool
}

// ParseLabel reads one of Job.Nodes: "gpu", or "kubernetes.io/arch=arm64".
func ParseLabel(text string) (Label, error) {
	key, value, valued := strings.Cut(text, "=")
	faults := validation.IsQualifiedName(key)
	if valued {
		faults = append(faults, validation.IsValidLabelValue(value)...)
	}
	if len(faults) > 0 {
		return Label{}, fmt.Errorf("tag %q is not a label that a node can have: letters, digits and - _ . with none of these at an end, as gpu or kubernetes.io/arch=arm64", text)
	}
	return Label{key, value, valued}, nil
}

// Fits says whether a node with these labels has it.
func (l Label) Fits(labels map[string]string) bool {
	value, ok := labels[l.Key]
	return ok && (!l.Valued || value == l.Value)
}
