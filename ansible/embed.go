// Package ansible owns the playbooks that turn fresh machines into servers. The
// binary carries them; `ansible-playbook site.yml` runs them. It holds no Go
// code. Start at site.yml and README.md.
package ansible

import "embed"

// Files are the playbook, its role and their documentation.
//
//go:embed README.md ansible.cfg site.yml inventory.example roles
var Files embed.FS
