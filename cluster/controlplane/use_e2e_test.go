//go:build e2e

package controlplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/addons"
	"slipway.dev/cluster/api/crds"
	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/authz"
	kube "slipway.dev/cluster/client"
	"slipway.dev/cluster/pki"
	"slipway.dev/cluster/storage"
)

const planted = "planted-secret-value"

// useCluster installs what every cluster has and uses it as its people and parts do.
func useCluster(t *testing.T, ctx context.Context, cp *ControlPlane, files *pki.Files, dir string) {
	began := time.Now()
	rc, err := kube.Load(files.AdminKubeconfig, "e2e")
	require.NoError(t, err)
	require.NoError(t, crds.Install(ctx, rc))
	t.Logf("definitions in %s", time.Since(began))
	c, err := kube.New(rc)
	require.NoError(t, err)
	for range 2 {
		began = time.Now()
		require.NoError(t, addons.Install(ctx, c, addons.Options{DNSImage: "coredns:e2e"}))
		require.NoError(t, addons.EnsureTenant(ctx, c, "default"))
		t.Logf("addons in %s", time.Since(began))
	}
	admin := kubernetes.NewForConfigOrDie(rc)
	eventually(t, "the default service account, which the controller manager makes", func() bool {
		_, err := admin.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	require.NoError(t, c.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "planted"}, StringData: map[string]string{"x": planted}}))
	anonymous(t, cp)
	podSecurity(t, ctx, c)
	doors(t, ctx, files, dir)
	volumes(t, ctx, files, admin, dir)
}

// anonymous requests get to the health paths and nowhere else (threat 19).
func anonymous(t *testing.T, cp *ControlPlane) {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	for path, want := range map[string]int{"/readyz": 200, "/livez": 200, "/api": 401, "/version": 401, "/metrics": 401, "/api/v1/secrets": 401} {
		resp, err := (&http.Client{Transport: tr}).Get("https://127.0.0.1:6443" + path)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, resp.StatusCode, path)
	}
	_, err := (&http.Client{Transport: tr}).Get("https://127.0.0.1:2379/version")
	require.Error(t, err, "etcd wants a certificate")
}

func podSecurity(t *testing.T, ctx context.Context, c client.Client) {
	yes := true
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "privileged"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a", SecurityContext: &corev1.SecurityContext{Privileged: &yes}}}},
	}
	err := c.Create(ctx, pod)
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	require.ErrorContains(t, err, "privileged")
}

// doors uses the server's own identity as the front door does.
func doors(t *testing.T, ctx context.Context, files *pki.Files, dir string) {
	rc, err := kube.Load(files.SlipwayKubeconfig, "e2e")
	require.NoError(t, err)
	server := kubernetes.NewForConfigOrDie(rc)
	life, stop := context.WithCancel(ctx)
	tokens := authz.NewTokens(server)
	require.NoError(t, tokens.Start(life))
	defer tokens.Wait()
	defer stop()
	text, err := tokens.EnsureAdmin(ctx, filepath.Join(dir, "admin.token"))
	require.NoError(t, err)
	who := authz.Union{Slipway: tokens, Kubernetes: authz.NewTokenReview(server, v1alpha1.RegistryHost)}
	may := authz.NewAccessReview(server)

	admin, err := who.Authenticate(ctx, text)
	require.NoError(t, err)
	allowed(t, ctx, may, admin, authz.Slipway("create", "images", "default", "hello"), true)
	allowed(t, ctx, may, admin, authz.Slipway("create", "tokens", "", ""), true)

	request := func(audience string) string {
		r, err := server.CoreV1().ServiceAccounts("default").CreateToken(ctx, "default",
			&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}, metav1.CreateOptions{})
		require.True(t, apierrors.IsForbidden(err), "the server asks for nobody's token: %v", err)
		adminRC, err := kube.Load(files.AdminKubeconfig, "e2e")
		require.NoError(t, err)
		r, err = kubernetes.NewForConfigOrDie(adminRC).CoreV1().ServiceAccounts("default").CreateToken(ctx, "default",
			&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}, metav1.CreateOptions{})
		require.NoError(t, err)
		return r.Status.Token
	}
	pod, err := who.Authenticate(ctx, request(v1alpha1.RegistryHost))
	require.NoError(t, err)
	require.Equal(t, "system:serviceaccount:default:default", pod.Name)
	allowed(t, ctx, may, pod, authz.Slipway("get", "images", "default", "hello"), true)
	allowed(t, ctx, may, pod, authz.Slipway("create", "images", "default", "hello"), false)
	allowed(t, ctx, may, pod, authz.Slipway("get", "images", "other", "hello"), false)
	_, err = who.Authenticate(ctx, request("somebody.else"))
	require.ErrorIs(t, err, authz.ErrUnauthorized, "a token for another audience")

	deployer := authz.User{Name: "system:serviceaccount:default:slipway-deployer", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"}}
	allowed(t, ctx, may, deployer, authz.Attributes{Verb: "patch", Group: "apps", Resource: "deployments", Namespace: "default"}, true)
	allowed(t, ctx, may, deployer, authz.Attributes{Verb: "patch", Group: "apps", Resource: "deployments", Namespace: "kube-system"}, false)
	allowed(t, ctx, may, deployer, authz.Attributes{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "rolebindings", Namespace: "default"}, false)
	allowed(t, ctx, may, authz.User{Name: "system:node:e2e", Groups: []string{"system:nodes", "system:authenticated"}},
		authz.Attributes{Verb: "request-serviceaccounts-token-audience", Resource: v1alpha1.RegistryHost, Name: "default"}, true)

	as, err := kube.New(kube.Impersonate(rc, "default", v1alpha1.DeployerServiceAccount))
	require.NoError(t, err)
	require.NoError(t, as.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "by-deployer"}}))
	err = as.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "by-deployer"}})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	other, err := kube.New(kube.Impersonate(rc, "kube-system", "generic-garbage-collector"))
	require.NoError(t, err)
	err = other.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "by-other"}})
	require.True(t, apierrors.IsForbidden(err), "the server impersonates deployers only: %v", err)
}

func allowed(t *testing.T, ctx context.Context, may authz.Authorizer, u authz.User, a authz.Attributes, want bool) {
	t.Helper()
	got, err := may.Allowed(ctx, u, a)
	require.NoError(t, err)
	require.Equal(t, want, got, "%s: %+v", u.Name, a)
}

// volumes lets the provisioner serve a claim that a scheduler has placed.
func volumes(t *testing.T, ctx context.Context, files *pki.Files, admin kubernetes.Interface, dir string) {
	rc, err := kube.Load(files.SlipwayKubeconfig, "e2e")
	require.NoError(t, err)
	life, stop := context.WithCancel(ctx)
	p, err := storage.New(life, filepath.Join(dir, "volumes"), "e2e", kubernetes.NewForConfigOrDie(rc), slog.Default())
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); p.Run(life) }()
	defer func() { stop(); <-done }()

	_, err = admin.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "e2e", Labels: map[string]string{corev1.LabelHostname: "e2e"}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	claims := admin.CoreV1().PersistentVolumeClaims("default")
	_, err = claims.Create(ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data", Annotations: map[string]string{"volume.kubernetes.io/selected-node": "e2e"}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	var volume string
	eventually(t, "the claim is bound", func() bool {
		claim, err := claims.Get(ctx, "data", metav1.GetOptions{})
		volume = claim.Spec.VolumeName
		return err == nil && claim.Status.Phase == corev1.ClaimBound
	})
	path := filepath.Join(dir, "volumes", volume)
	require.DirExists(t, path)
	require.NoError(t, claims.Delete(ctx, "data", metav1.DeleteOptions{}))
	eventually(t, "the volume is deleted", func() bool {
		_, err := os.Stat(path)
		return os.IsNotExist(err)
	})
}

// encrypted looks for a planted secret in everything that etcd wrote (threat 20).
func encrypted(t *testing.T, dir string) {
	files := 0
	err := filepath.WalkDir(filepath.Join(dir, "etcd"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files++
		require.False(t, bytes.Contains(data, []byte(planted)), "%s holds a secret in clear", path)
		return err
	})
	require.NoError(t, err)
	require.Greater(t, files, 2)
}
