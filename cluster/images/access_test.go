package images

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/images/pullmanager"
)

const (
	grantedReference = Repository + "/runner:0123456789abcdef"
	grantedID        = "sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
)

// onNode lists the system image, as containerd does.
type onNode struct{ kubecontainer.ImageService }

func (onNode) ListImages(context.Context) ([]kubecontainer.Image, error) {
	return []kubecontainer.Image{{ID: grantedID, RepoTags: []string{grantedReference}}}, nil
}

// pulls is the kubelet's own keeper of who pulled what, as it is after a start.
func pulls(t *testing.T, dir string) *pullmanager.PullManager {
	t.Helper()
	records, err := pullmanager.NewFSPullRecordsAccessor(klog.Background(), dir)
	require.NoError(t, err)
	records = pullmanager.NewCachedPullRecordsAccessor(klog.Background(), records, 100, 100, 10)
	m, err := pullmanager.NewImagePullManager(t.Context(), records, pullmanager.NeverVerifyPreloadedPullPolicy(), onNode{}, 10)
	require.NoError(t, err)
	return m
}

// TestPodsDoNotPullSystemImages that are on the node, whatever another pod does with them.
func TestPodsDoNotPullSystemImages(t *testing.T) {
	account := kubeletconfig.ImagePullCredentials{KubernetesServiceAccounts: []kubeletconfig.ImagePullServiceAccount{
		{UID: "1", Namespace: "other", Name: "default"},
	}}
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, dir string, m *pullmanager.PullManager) *pullmanager.PullManager
		// withoutGrant says what the kubelet demands where no grant was written.
		withoutGrant bool
	}{
		{name: "nothing", do: func(_ *testing.T, _ string, m *pullmanager.PullManager) *pullmanager.PullManager { return m }},
		{name: "is pulling it", withoutGrant: true, do: func(t *testing.T, _ string, m *pullmanager.PullManager) *pullmanager.PullManager {
			require.NoError(t, m.RecordPullIntent(klog.Background(), grantedReference))
			return m
		}},
		{name: "could not pull it", do: func(t *testing.T, _ string, m *pullmanager.PullManager) *pullmanager.PullManager {
			require.NoError(t, m.RecordPullIntent(klog.Background(), grantedReference))
			m.RecordImagePullFailed(t.Context(), grantedReference)
			return m
		}},
		{name: "was pulling it when the kubelet was killed", withoutGrant: true, do: func(t *testing.T, dir string, m *pullmanager.PullManager) *pullmanager.PullManager {
			require.NoError(t, m.RecordPullIntent(klog.Background(), grantedReference))
			return pulls(t, dir)
		}},
		{name: "has pulled it", withoutGrant: true, do: func(t *testing.T, dir string, m *pullmanager.PullManager) *pullmanager.PullManager {
			require.NoError(t, m.RecordPullIntent(klog.Background(), grantedReference))
			m.RecordImagePulled(t.Context(), grantedReference, grantedID, &account)
			return pulls(t, dir)
		}},
		{name: "is pulling it after images were collected", withoutGrant: true, do: func(t *testing.T, dir string, m *pullmanager.PullManager) *pullmanager.PullManager {
			m.PruneUnknownRecords(t.Context(), []string{"sha256:of another"}, time.Now())
			m = pulls(t, dir)
			require.NoError(t, m.RecordPullIntent(klog.Background(), grantedReference))
			return m
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, granted := range []bool{true, false} {
				dir := t.TempDir()
				if granted {
					require.NoError(t, grant(dir, grantedReference, grantedID))
				}
				m := tc.do(t, dir, pulls(t, dir))
				must, err := m.MustAttemptImagePull(t.Context(), grantedReference, grantedID,
					func() ([]kubeletconfig.ImagePullSecret, *kubeletconfig.ImagePullServiceAccount, error) {
						return nil, &kubeletconfig.ImagePullServiceAccount{UID: "2", Namespace: "default", Name: "default"}, nil
					})
				require.NoError(t, err)
				require.Equal(t, !granted && tc.withoutGrant, must, "granted: %v", granted)
			}
		})
	}
}

// TestGrantReplacesWhatAPullLeft, and is left alone once it is there.
func TestGrantReplacesWhatAPullLeft(t *testing.T) {
	dir := t.TempDir()
	m := pulls(t, dir)
	require.NoError(t, m.RecordPullIntent(klog.Background(), grantedReference))
	pulls(t, dir) // which finds the pull unfinished, and the image there
	require.NoError(t, grant(dir, grantedReference, grantedID))
	require.NoError(t, grant(dir, grantedReference, grantedID))
	must, err := pulls(t, dir).MustAttemptImagePull(t.Context(), grantedReference, grantedID, nil)
	require.NoError(t, err)
	require.False(t, must)
}

// TestGrantsOfOtherVersionsGo, and nothing else does.
func TestGrantsOfOtherVersionsGo(t *testing.T) {
	dir := t.TempDir()
	other, pulled := strings.ReplaceAll(grantedID, "0f", "1f"), strings.ReplaceAll(grantedID, "0f", "2f")
	require.NoError(t, grant(dir, grantedReference, grantedID))
	require.NoError(t, grant(dir, grantedReference+"0", other))
	pulls(t, dir).RecordImagePulled(t.Context(), "busybox", pulled, &kubeletconfig.ImagePullCredentials{NodePodsAccessible: true})
	require.NoError(t, revoke(dir, map[string]bool{grantedID: true}))
	for id, want := range map[string]bool{grantedID: true, other: false, pulled: true} {
		_, err := os.Stat(filepath.Join(records(dir), recordName(id)))
		require.Equal(t, want, err == nil, id)
	}
}
