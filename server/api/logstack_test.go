package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

type oneStack struct {
	stack   *slipway.LogStack
	removed []bool
}

func (o *oneStack) Apply(_ context.Context, spec slipway.LogStackSpec) (*slipway.LogStack, error) {
	o.stack = &slipway.LogStack{Spec: spec}
	return o.stack, nil
}

func (o *oneStack) Get(context.Context) (*slipway.LogStack, error) {
	if o.stack == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "logstacks"}, "logs")
	}
	return o.stack, nil
}

func (o *oneStack) Remove(_ context.Context, data bool) error {
	if _, err := o.Get(context.Background()); err != nil && !data {
		return err
	}
	o.stack, o.removed = nil, append(o.removed, data)
	return nil
}

func TestLogStack(t *testing.T) {
	o := &oneStack{}
	h := Handler(Deps{LogStack: o, Authorizer: roles{"ann": {"get logstacks ", "update logstacks ", "delete logstacks "}, "dev": {"get logstacks default", "update logstacks default"}}}, slog.New(slog.DiscardHandler))
	const path = "/api/v1/logstack"
	for _, tc := range []struct {
		method, path, user, body string
		code                     int
		part                     string
	}{
		{"GET", path, "dev", "", http.StatusForbidden, ""},
		{"PUT", path, "dev", `{"fluentd":{"image":"f"}}`, http.StatusForbidden, ""},
		{"GET", path, "ann", "", http.StatusNotFound, "slipway logstack apply"},
		{"DELETE", path, "ann", "", http.StatusNotFound, "--with-data"},
		{"PUT", path, "ann", `{"fluentd":{"imag":"f"}}`, http.StatusBadRequest, "imag"},
		{"PUT", path, "ann", `{"fluentd":{"image":"f"},"elasticsearch":{"image":"e"}}`, http.StatusOK, `"image":"e"`},
		{"GET", path, "ann", "", http.StatusOK, `"image":"f"`},
		{"DELETE", path, "ann", "", http.StatusNoContent, ""},
		{"DELETE", path + "?data=true", "ann", "", http.StatusNoContent, ""},
	} {
		if w := ask(h, tc.method, tc.path, tc.user, tc.body); w.Code != tc.code || !strings.Contains(w.Body.String(), tc.part) {
			t.Errorf("%s %s as %s: %d %s", tc.method, tc.path, tc.user, w.Code, w.Body)
		}
	}
	if len(o.removed) != 2 || o.removed[0] || !o.removed[1] {
		t.Errorf("removed with data: %v", o.removed)
	}
}
