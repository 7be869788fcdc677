package variables

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// Variable is all that is told of one: everything but its value.
type Variable struct {
	Name string `json:"name"`
	// Repository it is for; empty: every repository of the namespace.
	Repository string `json:"repository,omitempty"`
	// Environment is a pattern of names such as "review/*"; empty: every job.
	Environment string `json:"environment,omitempty"`
	// Branch is a pattern of branch and tag names such as "release/*"; empty: every ref. A
	// run counts as one of a ref when its commit is on it.
	Branch string `json:"branch,omitempty"`
	// Protected: only runs of protected refs get it.
	Protected bool `json:"protected,omitempty"`
	// Visible in logs: not masked.
	Visible bool `json:"visible,omitempty"`
	// Raw: references in the value are not expanded.
	Raw bool `json:"raw,omitempty"`
	// File: the job gets the name of a file that holds the value.
	File bool `json:"file,omitempty"`
	// By set it last, At that time.
	By string    `json:"by,omitempty"`
	At time.Time `json:"at,omitzero"`
}

// Limits.
const (
	// MaxValue of one variable, in bytes.
	MaxValue = 64 << 10
	// MaxVariables of a namespace.
	MaxVariables = 2000
	// MinMasked is the shortest value that can be masked without eating the log.
	MinMasked = 4
	maxName   = 255
)

// key of the Secret that holds the value.
const key = "value"

// Annotations beside those of the API package.
const (
	annotationBy = "slipway.dev/set-by"
	annotationAt = "slipway.dev/set-at"
)

// check says what is wrong with v and its value, never showing the value.
func check(v Variable, value []byte) error {
	switch {
	case !plan.ValidName(v.Name) || len(v.Name) > maxName:
		return bad("variable %q: a name has letters, digits and _, and no digit first", v.Name)
	case len(v.Environment) > maxName || strings.ContainsFunc(v.Environment, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return bad("variable %s: the environment scope is not a pattern of names such as review/*", v.Name)
	case len(v.Branch) > maxName || strings.ContainsFunc(v.Branch, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return bad("variable %s: the branch scope is not a pattern of names such as release/*", v.Name)
	case len(value) > MaxValue:
		return bad("variable %s: the value has %d bytes; at most %d are kept", v.Name, len(value), MaxValue)
	case !v.File && slices.Contains(value, 0):
		return bad("variable %s: the value has a NUL byte, which no environment can hold; make it a file", v.Name)
	case !v.Visible && len(strings.TrimSpace(string(value))) < MinMasked:
		return bad("variable %s: a value of less than %d characters cannot be masked; make it longer or visible", v.Name, MinMasked)
	}
	return nil
}

func bad(format string, args ...any) error {
	return apierrors.NewBadRequest(fmt.Sprintf(format, args...))
}

// scope in one form: "*" is the same as none.
func scope(pattern string) string {
	if pattern == "*" {
		return ""
	}
	return pattern
}

// secretName is the same for the same repository, name and scopes.
func secretName(v Variable) string {
	id := v.Repository + "\x00" + v.Name + "\x00" + scope(v.Environment)
	if b := scope(v.Branch); b != "" {
		id += "\x00" + b
	}
	sum := sha256.Sum256([]byte(id))
	return v1alpha1.VariableSecretPrefix + hex.EncodeToString(sum[:12])
}

// encode v without its value.
func encode(namespace string, v Variable) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: secretName(v), Labels: map[string]string{v1alpha1.LabelVariable: "true"},
		Annotations: map[string]string{
			v1alpha1.AnnotationVariable: v.Name, annotationBy: v.By, annotationAt: v.At.UTC().Format(time.RFC3339),
		},
	}}
	if v.Repository != "" {
		s.Labels[v1alpha1.LabelRepository] = v.Repository
	}
	if e := scope(v.Environment); e != "" {
		s.Annotations[v1alpha1.AnnotationEnvironment] = e
	}
	if b := scope(v.Branch); b != "" {
		s.Annotations[v1alpha1.AnnotationBranch] = b
	}
	var flags []string
	for _, f := range []struct {
		name string
		on   bool
	}{{"protected", v.Protected}, {"visible", v.Visible}, {"raw", v.Raw}, {"file", v.File}} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	if len(flags) > 0 {
		s.Annotations[v1alpha1.AnnotationFlags] = strings.Join(flags, ",")
	}
	return s
}

// decode what encode wrote, or what a person did with kubectl; ok is false for a
// Secret that is no variable.
func decode(s *corev1.Secret) (v Variable, ok bool) {
	v.Name = s.Annotations[v1alpha1.AnnotationVariable]
	if s.Labels[v1alpha1.LabelVariable] != "true" || !plan.ValidName(v.Name) {
		return v, false
	}
	v.Repository = s.Labels[v1alpha1.LabelRepository]
	v.Environment = scope(s.Annotations[v1alpha1.AnnotationEnvironment])
	v.Branch = scope(s.Annotations[v1alpha1.AnnotationBranch])
	for _, f := range strings.Split(s.Annotations[v1alpha1.AnnotationFlags], ",") {
		switch strings.TrimSpace(f) {
		case "protected":
			v.Protected = true
		case "visible":
			v.Visible = true
		case "raw":
			v.Raw = true
		case "file":
			v.File = true
		}
	}
	v.By = s.Annotations[annotationBy]
	v.At, _ = time.Parse(time.RFC3339, s.Annotations[annotationAt])
	return v, true
}
