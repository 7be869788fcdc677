package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Asked is a variable of the pipeline that a person may give a value who starts a run.
type Asked struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Value that it has where nobody gives one.
	Value string `json:"value,omitempty"`
	// Options that there are; none: any value.
	Options []string `json:"options,omitempty"`
}

// Check a value that is given to a variable of that name.
func (a *Asked) Check(name, value string) error {
	if name != a.Name || len(a.Options) == 0 || slices.Contains(a.Options, value) {
		return nil
	}
	return fmt.Errorf("variable %s: %q is none of its options: %s", name, value, strings.Join(a.Options, ", "))
}
