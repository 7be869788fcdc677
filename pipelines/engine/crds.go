package engine

import "embed"

// CRDs are Tekton's custom resource definitions, one YAML document a file below
// crds/: storage versions only and no conversion webhook. They must be established
// before Start.
//
//go:embed crds/*.yaml
var CRDs embed.FS
