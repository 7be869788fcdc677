package api

import (
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

func TestAnswersAreInThePeoplesWords(t *testing.T) {
	ours := func(resource string) schema.GroupResource {
		return schema.GroupResource{Group: slipway.GroupVersion.Group, Resource: resource}
	}
	path := field.NewPath("spec")
	for _, tc := range []struct {
		err           apierrors.APIStatus
		message, hint string
	}{
		{apierrors.NewNotFound(ours("applications"), "shop"), "application shop not found", "`slipway app list` shows what there is"},
		{apierrors.NewNotFound(ours("Application"), "shop"), "application shop not found", "`slipway app list` shows what there is"},
		{apierrors.NewNotFound(ours("releases"), "shop-1"), "release shop-1 not found", ""},
		{apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "x"), `secrets "x" not found`, ""},
		{apierrors.NewAlreadyExists(ours("repositories"), "shop"), "repository shop is there already", "`slipway kubectl edit repository shop` changes it"},
		{apierrors.NewConflict(ours("applications"), "shop", nil), "application shop was changed by somebody else at the same time", "try again"},
		{apierrors.NewInvalid(schema.GroupKind{Group: slipway.GroupVersion.Group, Kind: "Application"}, "shop", field.ErrorList{
			field.NotSupported(path.Child("sync"), "sometimes", []string{"push", "manual"}),
			field.Invalid(nil, nil, "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"),
		}), `application shop: spec.sync: Unsupported value: "sometimes": supported values: "push", "manual"`, ""},
		{apierrors.NewBadRequest("application shop: nothing failed"), "application shop: nothing failed", ""},
	} {
		if message, hint := inWords(tc.err.Status()); message != tc.message || hint != tc.hint {
			t.Errorf("%q, %q; want %q, %q", message, hint, tc.message, tc.hint)
		}
	}
}

func TestFieldsThatAreWrongAreNamed(t *testing.T) {
	invalid := func(group string) error {
		return apierrors.NewInvalid(schema.GroupKind{Group: group, Kind: "Application"}, "shop", field.ErrorList{
			field.NotSupported(field.NewPath("spec", "sync"), "sometimes", []string{"push"}),
			field.Invalid(nil, nil, "some validation rules were not checked"),
		})
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{invalid(slipway.GroupVersion.Group), `"fields":[{"field":"spec.sync","message":"Unsupported value: \"sometimes\": supported values: \"push\""}]`},
		{invalid("apps"), ""},
		{apierrors.NewNotFound(schema.GroupResource{Group: slipway.GroupVersion.Group, Resource: "applications"}, "shop"), ""},
	} {
		w := httptest.NewRecorder()
		WriteError(w, nil, tc.err)
		if body := w.Body.String(); !strings.Contains(body, tc.want) || (tc.want == "" && strings.Contains(body, "fields")) {
			t.Errorf("%s; want %s", body, tc.want)
		}
	}
}
