package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// What a killed server left, plain text among it, goes before the next one renders.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	left := filepath.Join(w.r.WorkDir, workPrefix+"123", "deploy")
	other := filepath.Join(w.r.WorkDir, "containerd.sock")
	require.NoError(t, os.MkdirAll(left, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(left, "secret.yaml"), []byte("planted"), 0o600))
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	require.NoError(t, w.r.Sweep())
	_, err := os.Stat(filepath.Dir(left))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = os.Stat(other)
	require.NoError(t, err)
}

func sopsFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "render", "sops", "testdata", name))
	require.NoError(t, err)
	return string(data)
}

func TestEncryptedFiles(t *testing.T) {
	w := newWorld(t, secret("age", map[string]string{"age.agekey": sopsFile(t, "age.key")}), secret("wrong", map[string]string{"x": sopsFile(t, "other.key")}), secret("empty", nil), secret("bad", map[string]string{"x": "planted-not-a-key"}))
	w.commits["plain"] = map[string]string{"deploy/secret.yaml": sopsFile(t, "regex.yaml"), "deploy/app.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"}
	w.commits["kustomize"] = map[string]string{
		"deploy/kustomization.yaml": "resources: [../base]\nsecretGenerator:\n- name: s\n  envs: [settings.env]\n  files: [token.txt]\n",
		"deploy/settings.env":       sopsFile(t, "settings.env"), "deploy/token.txt": sopsFile(t, "token.txt"),
		"base/kustomization.yaml": "resources: [s.yaml]\n", "base/s.yaml": sopsFile(t, "secret.yaml"),
	}
	w.commits["helm"] = with(chartFiles, "deploy/secrets.json", sopsFile(t, "values.json"))
	decryption := func(name string) *v1alpha1.Decryption {
		return &v1alpha1.Decryption{SecretRef: v1alpha1.SecretRef{Name: name}}
	}
	for commit, c := range map[string]struct {
		source v1alpha1.Source
		want   []string
		hidden string
	}{
		"plain":     {v1alpha1.Source{}, []string{`"a":"first-secret"`, `"b":"second-secret"`}, "first-secret"},
		"kustomize": {v1alpha1.Source{}, []string{"cGxhbnRlZC1lbnY=", "cGxhbnRlZC1iaW5hcnkK", "planted-password"}, "planted-env"},
		"helm":      {v1alpha1.Source{Helm: &v1alpha1.Helm{ValueFiles: []string{"secrets.json"}}}, []string{`"password":"planted-json"`}, "planted-json"},
	} {
		t.Run(commit, func(t *testing.T) {
			c.source.Repository, c.source.Decryption = "shop", decryption("age")
			set, err := w.render(c.source, commit)
			require.NoError(t, err)
			for _, want := range c.want {
				require.Contains(t, string(set.Bytes()), want)
			}
			require.NotContains(t, string(set.Bytes()), "ENC[")
			require.NotContains(t, string(set.Bytes()), "sops")
			require.Contains(t, set.Hidden, c.hidden)
			require.True(t, set.Secret())

			c.source.Decryption = nil
			_, err = w.render(c.source, commit)
			require.ErrorContains(t, err, "is encrypted with SOPS; name the Secret with its age key")
		})
	}
	for name, want := range map[string]string{
		"wrong": "deploy/secret.yaml: SOPS: none of the given age keys opens it", "empty": "holds no age identity", "bad": "not a list of age identities",
		"none": "secret none with the age keys is not there", "ci-variable-x": "one of pipelines",
	} {
		_, err := w.render(v1alpha1.Source{Repository: "shop", Decryption: decryption(name)}, "plain")
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "planted-not-a-key")
		var refusal *render.Error
		require.ErrorAs(t, err, &refusal)
	}
	// What is meant for a controller in the cluster goes there as it is.
	w.commits["operator"] = map[string]string{"deploy/s.yaml": strings.ReplaceAll(sopsFile(t, "regex.yaml"), "kind: Secret", "kind: SopsSecret")}
	set, err := w.render(v1alpha1.Source{Repository: "shop"}, "operator")
	require.NoError(t, err)
	require.Contains(t, string(set.Bytes()), "ENC[")
}
