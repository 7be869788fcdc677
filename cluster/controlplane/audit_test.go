package controlplane

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/server"

	"slipway.dev/cluster/pki"
)

func TestTheAuditLogHasWhoChangedWhatAndWhoReadSecrets(t *testing.T) {
	p, err := policy.LoadPolicyFromBytes([]byte(auditYAML))
	require.NoError(t, err)
	rules := policy.NewPolicyRuleEvaluator(p)
	for _, c := range []struct {
		user, verb, group, resource string
		groups                      []string
		want                        auditinternal.Level
	}{
		{"dev", "create", "apps", "deployments", nil, auditinternal.LevelMetadata},
		{"dev", "delete", "slipway.dev", "applications", nil, auditinternal.LevelMetadata},
		{"dev", "get", "", "secrets", nil, auditinternal.LevelMetadata},
		{"dev", "list", "", "pods", nil, auditinternal.LevelNone},
		{pki.ServerUser, "patch", "apps", "deployments", nil, auditinternal.LevelMetadata},
		{pki.ServerUser, "update", "slipway.dev", "runs", nil, auditinternal.LevelNone},
		{pki.ServerUser, "get", "", "secrets", nil, auditinternal.LevelNone},
		{"system:node:a", "update", "", "nodes", []string{"system:nodes"}, auditinternal.LevelNone},
		{"system:kube-scheduler", "create", "", "pods", nil, auditinternal.LevelNone},
		{"dev", "create", "coordination.k8s.io", "leases", nil, auditinternal.LevelNone},
	} {
		got := rules.EvaluatePolicyRule(authorizer.AttributesRecord{
			User: &user.DefaultInfo{Name: c.user, Groups: c.groups}, Verb: c.verb, APIGroup: c.group, Resource: c.resource, ResourceRequest: true,
		})
		require.Equal(t, c.want, got.Level, "%s %s %s", c.user, c.verb, c.resource)
	}
}

// TestTheAPIServerTakesItsFlags has it read and check all of them, the audit log's included.
func TestTheAPIServerTakesItsFlags(t *testing.T) {
	dir := t.TempDir()
	ip := net.ParseIP("10.41.0.1")
	files, err := pki.Ensure(filepath.Join(dir, "pki"), pki.Options{NodeName: "n", NodeIP: ip, ServiceIP: net.ParseIP("10.43.0.1")})
	require.NoError(t, err)
	c, err := (Config{DataDir: dir, PKI: files, NodeIP: ip}).complete()
	require.NoError(t, err)
	require.NoError(t, ensureEncryption(filepath.Join(files.Dir, "encryption.yaml"), c.etcdDir()))
	o, err := prepareAPIServer(t.Context(), c, nil)
	require.NoError(t, err)
	require.NoError(t, o.Audit.ApplyTo(&server.Config{}))
	require.FileExists(t, AuditLog(dir))
}
