package controlplane

import (
	"path/filepath"

	"slipway.dev/cluster/pki"
)

// auditYAML has every change by a person, a pipeline or a deployer in the audit log, and
// who read a Secret; never what was written. Of the control plane's own doings, and of the
// server's bookkeeping, there is none: it would be most of the lines and say the least.
const auditYAML = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  users: [system:apiserver, system:kube-controller-manager, system:kube-scheduler, system:kube-proxy]
- level: None
  userGroups: [system:nodes, system:serviceaccounts:kube-system]
- level: None
  resources:
  - {group: "", resources: [events]}
  - {group: events.k8s.io}
  - {group: coordination.k8s.io}
  - {group: authentication.k8s.io}
  - {group: authorization.k8s.io}
- level: None
  users: ["` + pki.ServerUser + `"]
  resources:
  - {group: slipway.dev}
  - {group: tekton.dev}
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
  users: ["` + pki.ServerUser + `"]
- level: Metadata
  verbs: [get, list, watch]
  resources: [{group: "", resources: [secrets]}]
- level: None
`

// AuditLog is the file that the API server writes its audit log to, below the data directory.
func AuditLog(dataDir string) string { return filepath.Join(dataDir, "logs", "audit", "audit.log") }

// auditFlags bound the log: the collector reads it as it grows.
func auditFlags(c Config) []string {
	return []string{
		"--audit-policy-file=" + filepath.Join(c.PKI.Dir, "audit.yaml"),
		"--audit-log-path=" + AuditLog(c.DataDir),
		"--audit-log-maxsize=32", "--audit-log-maxbackup=2", "--audit-log-mode=batch", "--audit-log-truncate-enabled=true",
	}
}
