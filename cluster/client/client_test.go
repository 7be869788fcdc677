package client

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

func TestRetry(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "runs"}, "a", errors.New("changed"))
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "runs"}, "a", errors.New("no"))
	for name, c := range map[string]struct {
		errs  []error
		calls int
		want  error
	}{
		"success":                {[]error{nil}, 1, nil},
		"conflict, then success": {[]error{conflict, conflict, nil}, 3, nil},
		"forbidden is final":     {[]error{forbidden}, 1, forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			err := Retry(t.Context(), func() error { calls++; return c.errs[calls-1] })
			require.Equal(t, c.calls, calls)
			require.Equal(t, c.want, err)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Retry(ctx, func() error { return conflict })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, conflict)
}

func TestConditions(t *testing.T) {
	var c []metav1.Condition
	require.True(t, SetCondition(&c, 1, Ready, false, "Waiting", "no commit yet"))
	require.False(t, SetCondition(&c, 1, Ready, false, "Waiting", "no commit yet"))
	require.False(t, IsTrue(c, Ready))
	require.True(t, SetCondition(&c, 2, Ready, true, "Done", ""))
	require.True(t, IsTrue(c, Ready))
}

func TestStrip(t *testing.T) {
	m := map[string]any{"a": nil, "b": map[string]any{"c": nil, "d": "x"}, "e": []any{map[string]any{"f": nil}, "g"}}
	strip(m)
	require.Equal(t, map[string]any{"b": map[string]any{"d": "x"}, "e": []any{map[string]any{}, "g"}}, m)
}

func TestImpersonate(t *testing.T) {
	base := &rest.Config{Host: "https://h"}
	c := Impersonate(base, "default", "slipway-deployer")
	require.Equal(t, "system:serviceaccount:default:slipway-deployer", c.Impersonate.UserName)
	require.Empty(t, base.Impersonate.UserName)
}
