package config

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
	kubelet "k8s.io/kubelet/config/v1beta1"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/images/pullmanager"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/node/layout"
)

const imageID = "sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"

// onNode lists the images of the node, as containerd does.
type onNode struct {
	kubecontainer.ImageService
	reference string
}

func (n onNode) ListImages(context.Context) ([]kubecontainer.Image, error) {
	return []kubecontainer.Image{{ID: imageID, RepoTags: []string{n.reference}}}, nil
}

// TestWhoMayUseAnImageOfTheNode asks the kubelet's own keeper of who pulled what, with our
// configuration, whatever it has a record of.
func TestWhoMayUseAnImageOfTheNode(t *testing.T) {
	n := Node{Layout: layout.Layout{DataDir: t.TempDir()}, PodCIDR: "10.42.0.0/16", RegistryAddr: "127.0.0.1:8080"}
	text, err := n.kubelet()
	require.NoError(t, err)
	var c kubelet.KubeletConfiguration
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &c))
	policy, err := pullmanager.NewImagePullCredentialVerificationPolicy(
		kubeletconfig.ImagePullCredentialsVerificationPolicy(c.ImagePullCredentialsVerificationPolicy), c.PreloadedImagesVerificationAllowlist)
	require.NoError(t, err)
	account := func(uid, namespace string) kubeletconfig.ImagePullServiceAccount {
		return kubeletconfig.ImagePullServiceAccount{UID: uid, Namespace: namespace, Name: "default"}
	}
	for reference, everybody := range map[string]bool{
		Registry + "/system/runner:0123456789abcdef": true, Registry + "/default/private:1": false, Registry + "/systems/x:1": false, "docker.io/library/busybox:latest": false,
	} {
		dir := t.TempDir()
		keeper := func() *pullmanager.PullManager {
			records, err := pullmanager.NewFSPullRecordsAccessor(klog.Background(), dir)
			require.NoError(t, err)
			m, err := pullmanager.NewImagePullManager(t.Context(), pullmanager.NewCachedPullRecordsAccessor(klog.Background(), records, 100, 100, 10),
				policy, onNode{reference: reference}, 10)
			require.NoError(t, err)
			return m
		}
		m := keeper()
		may := func(uid, namespace string, want bool, when string) {
			t.Helper()
			must, err := m.MustAttemptImagePull(t.Context(), reference, imageID, func() ([]kubeletconfig.ImagePullSecret, *kubeletconfig.ImagePullServiceAccount, error) {
				who := account(uid, namespace)
				return nil, &who, nil
			})
			require.NoError(t, err)
			require.Equal(t, want || everybody, !must, "%s, namespace %s, %s", reference, namespace, when)
		}
		may("1", "mine", false, "there before anybody pulled it")
		require.NoError(t, m.RecordPullIntent(klog.Background(), reference))
		may("2", "theirs", false, "while it is pulled")
		m = keeper()
		may("2", "theirs", false, "after the kubelet was killed while it pulled")
		own := account("1", "mine")
		m.RecordImagePulled(t.Context(), reference, imageID, &kubeletconfig.ImagePullCredentials{KubernetesServiceAccounts: []kubeletconfig.ImagePullServiceAccount{own}})
		may("1", "mine", true, "after it was pulled")
		may("2", "theirs", false, "after it was pulled")
		m.PruneUnknownRecords(t.Context(), nil, time.Now().Add(time.Hour)) // as when other images are collected
		may("2", "theirs", false, "after images were collected")
	}
}
