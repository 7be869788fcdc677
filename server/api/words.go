package api

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// nouns of our kinds and resources, and the verb that lists them; "" where none does.
var nouns = map[string]struct{ one, list string }{
	"application": {"application", "app list"}, "applications": {"application", "app list"},
	"repository": {"repository", "repo list"}, "repositories": {"repository", "repo list"},
	"run": {"run", "run list"}, "runs": {"run", "run list"},
	"applicationset": {"application set", "appset list"}, "applicationsets": {"application set", "appset list"},
	"schedule": {"schedule", "schedule list"}, "schedules": {"schedule", "schedule list"},
	"environment": {"environment", "environment list"}, "environments": {"environment", "environment list"},
	"promotion": {"promotion", "app promotions"}, "promotions": {"promotion", "app promotions"},
	"release": {"release", ""}, "releases": {"release", ""},
}

// changes are the verbs that change what people make.
var changes = map[string]string{
	"application": "app set", "repository": "kubectl edit repository", "application set": "kubectl edit applicationset", "schedule": "kubectl edit schedule",
}

// inWords says what the apiserver answered about one of our objects as people say it, with
// what to do next.
func inWords(s metav1.Status) (message, hint string) {
	d := s.Details
	if d == nil || d.Group != slipway.GroupVersion.Group {
		return s.Message, ""
	}
	noun, ok := nouns[strings.ToLower(d.Kind)]
	if !ok {
		return s.Message, ""
	}
	switch s.Reason {
	case metav1.StatusReasonNotFound:
		if noun.list != "" {
			hint = "`slipway " + noun.list + "` shows what there is"
		}
		return fmt.Sprintf("%s %s not found", noun.one, d.Name), hint
	case metav1.StatusReasonAlreadyExists:
		if change, ok := changes[noun.one]; ok {
			hint = "`slipway " + change + " " + d.Name + "` changes it"
		}
		return fmt.Sprintf("%s %s is there already", noun.one, d.Name), hint
	case metav1.StatusReasonConflict:
		return fmt.Sprintf("%s %s was changed by somebody else at the same time", noun.one, d.Name), "try again"
	case metav1.StatusReasonInvalid:
		var why []string
		for _, f := range fieldsOf(s) {
			why = append(why, f.Field+": "+f.Message)
		}
		if len(why) > 0 {
			return fmt.Sprintf("%s %s: %s", noun.one, d.Name, strings.Join(why, "; ")), ""
		}
	}
	return s.Message, ""
}

// fieldsOf are the fields of one of our objects that are invalid.
func fieldsOf(s metav1.Status) []FieldError {
	if s.Reason != metav1.StatusReasonInvalid || s.Details == nil || s.Details.Group != slipway.GroupVersion.Group {
		return nil
	}
	var fields []FieldError
	for _, c := range s.Details.Causes {
		// That some rules were not checked follows from the others.
		if c.Field != "" && c.Field != "<nil>" {
			fields = append(fields, FieldError{c.Field, c.Message})
		}
	}
	return fields
}
