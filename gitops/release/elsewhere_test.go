package release

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// TestAnotherClusterThatIsAwayIsNamed to who asks, and is no fault of the server.
func TestAnotherClusterThatIsAwayIsNamed(t *testing.T) {
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Name: "hello"}, Spec: v1alpha1.ApplicationSpec{Cluster: &v1alpha1.ClusterReference{KubeconfigSecret: "far"}}}
	away := errors.New("tls: certificate signed by unknown authority")
	for _, c := range []struct {
		err  error
		want string
		code int32
	}{
		{away, "application hello: cluster of Secret far: tls: certificate signed by unknown authority", 503},
		{fmt.Errorf("cluster https://far does not answer: %w", away), "application hello: cluster https://far does not answer: tls", 503},
		{&apply.Refusal{Message: `cluster: Secret "far" does not exist`}, `application hello: cluster: Secret "far" does not exist`, 400},
		{apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "x", nil), "pods \"x\" is forbidden", 403},
	} {
		err := answered(app, c.err)
		require.ErrorContains(t, err, c.want)
		var status apierrors.APIStatus
		require.ErrorAs(t, err, &status)
		require.Equal(t, c.code, status.Status().Code)
	}
	require.NoError(t, answered(app, nil))
	require.Equal(t, away, answered(&v1alpha1.Application{}, away), "here it is the server's")
}
