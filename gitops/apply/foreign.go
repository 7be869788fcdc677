package apply

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// syncOptions that are understood, by the values that they may have here. Those of the
// second half ask for what is always done.
var syncOptions = map[string][]string{
	"Prune": {"true", "false", "confirm"}, "Delete": {"true", "false"}, "Replace": {"true", "false"}, "Force": {"true", "false"},
	"SkipDryRunOnMissingResource": {"true", "false"},

	"ServerSideApply": {"true"}, "Validate": {"true"}, "PruneLast": {"true", "false"}, "ApplyOutOfSyncOnly": {"true", "false"},
	"RespectIgnoreDifferences": {"true"}, "FailOnSharedResource": {"true"}, "PrunePropagationPolicy": {"background"},
	"ClientSideApplyMigration": {"true", "false"},
}

const knownOptions = "known: Prune=false, Prune=confirm, Delete=false, Replace=true, Force=true, SkipDryRunOnMissingResource=true"

// understood says whether an option of an object means something here. One that does not
// is refused: whoever wrote it counts on it.
func understood(name, value string) bool { return slices.Contains(syncOptions[name], value) }

// The annotations of Flux's kustomize-controller that change how an object is written.
const (
	fluxForce     = "kustomize.toolkit.fluxcd.io/force"
	fluxApply     = "kustomize.toolkit.fluxcd.io/ssa"
	fluxReconcile = "kustomize.toolkit.fluxcd.io/reconcile"
)

// ofFlux reads what Flux's annotations ask for.
func (in *Intent) ofFlux(o *unstructured.Unstructured) error {
	notes := o.GetAnnotations()
	if notes[fluxForce] == "enabled" && in.Options["Force"] == "" {
		in.Options["Force"] = "true"
	}
	if v := notes[fluxApply]; v == "IfNotPresent" || v == "Ignore" {
		return refuse("%s: %s: %s is not understood; leave the fields to others with spec.ignoreDifferences, or the object out of the set", title(o), fluxApply, v)
	}
	if notes[fluxReconcile] == "disabled" {
		return refuse("%s: %s: disabled is not understood; leave the object out of the set", title(o), fluxReconcile)
	}
	return nil
}

// withoutHealth says whether an object's health is not to be waited for.
func withoutHealth(o *unstructured.Unstructured) bool {
	return either(o.GetAnnotations(), "ignore-healthcheck") == "true"
}
