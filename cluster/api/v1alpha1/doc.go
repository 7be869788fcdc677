// Package v1alpha1 owns the types of every slipway.dev kind: Repository, Application,
// ApplicationSet, Promotion, Release, Run, Schedule and Environment. They are what the
// rest of Slipway agrees on: pipelines and gitops never import one another, they read
// and write these.
//
// It imports apimachinery only and holds no behaviour beyond naming. Start at
// repository.go and follow a push: Repository -> Run -> Application -> Release.
//
// The deep copies and the CRDs in ../crds are made by `make generate`.
//
// +kubebuilder:object:generate=true
// +groupName=slipway.dev
package v1alpha1
