package apply

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
)

// Annotations of others that are understood.
const (
	argoPrefix = "argocd.argoproj.io/"
	helmHook   = "helm.sh/hook"
	fluxPrune  = "kustomize.toolkit.fluxcd.io/prune"
)

// The delete policies of hooks.
const (
	BeforeHookCreation = "BeforeHookCreation"
	HookSucceeded      = "HookSucceeded"
	HookFailed         = "HookFailed"
)

// phaseOf maps the words for hooks to phases; "" is a hook that never runs here.
var phaseOf = map[string]string{
	"PreSync": v1alpha1.PhasePreSync, "Sync": v1alpha1.PhaseSync, "PostSync": v1alpha1.PhasePostSync, "SyncFail": v1alpha1.PhaseSyncFail,
	"PreDelete": v1alpha1.PhasePreDelete, "PostDelete": v1alpha1.PhasePostDelete, "Skip": "",
}

// helmPhase maps Helm's. A sync is an install and an upgrade at once; tests, and what
// runs around Helm's own rollbacks, does not run.
var helmPhase = map[string]string{
	"pre-install": v1alpha1.PhasePreSync, "pre-upgrade": v1alpha1.PhasePreSync,
	"post-install": v1alpha1.PhasePostSync, "post-upgrade": v1alpha1.PhasePostSync,
	"pre-delete": v1alpha1.PhasePreDelete, "post-delete": v1alpha1.PhasePostDelete,
	"pre-rollback": "", "post-rollback": "", "test": "", "test-success": "", "test-failure": "",
}

var policyOf = map[string]string{
	BeforeHookCreation: BeforeHookCreation, HookSucceeded: HookSucceeded, HookFailed: HookFailed,
	"before-hook-creation": BeforeHookCreation, "hook-succeeded": HookSucceeded, "hook-failed": HookFailed,
}

// Intent is what the annotations of one object ask for.
type Intent struct {
	// Hook is true for what is not part of the set that stays. Without Phases it is
	// never made.
	Hook   bool
	Phases []string
	Wave   int32
	// Policies say when a hook is deleted.
	Policies []string
	// Options by their names, as Prune: "false".
	Options map[string]string
}

// Read understands the annotations of an object, our own and those of Argo CD and Helm.
func Read(o *unstructured.Unstructured) (Intent, error) {
	notes := o.GetAnnotations()
	in := Intent{Options: map[string]string{}}
	var strange error
	for _, option := range words(either(notes, "sync-options")) {
		name, value, _ := strings.Cut(option, "=")
		if !understood(name, value) && strange == nil {
			strange = refuse("%s: sync option %q is not understood; %s", title(o), option, knownOptions)
		}
		in.Options[name] = value
	}
	if err := errors.Join(strange, in.ofFlux(o)); err != nil {
		return in, err
	}
	if text := either(notes, "hook"); text != "" {
		in.Hook = true
		for _, w := range words(text) {
			phase, ok := phaseOf[w]
			if !ok {
				return in, refuse("%s: hook %q is not known; known: PreSync, Sync, PostSync, SyncFail, PreDelete, PostDelete, Skip", title(o), w)
			}
			in.add(phase)
		}
	} else if text := notes[helmHook]; text != "" && text != "crd-install" {
		in.Hook = true
		for _, w := range words(text) {
			phase, ok := helmPhase[w]
			if !ok {
				return in, refuse("%s: Helm hook %q is not known", title(o), w)
			}
			in.add(phase)
		}
	}
	wave := either(notes, "sync-wave")
	if wave == "" {
		wave = notes["helm.sh/hook-weight"]
	}
	if wave != "" {
		n, err := strconv.ParseInt(strings.TrimSpace(wave), 10, 32)
		if err != nil {
			return in, refuse("%s: sync wave %q is not a whole number", title(o), wave)
		}
		in.Wave = int32(n)
	}
	if !in.Hook {
		return in, nil
	}
	policies := words(either(notes, "hook-delete-policy"))
	if len(policies) == 0 {
		policies = words(notes["helm.sh/hook-delete-policy"])
	}
	for _, w := range policies {
		policy, ok := policyOf[w]
		if !ok {
			return in, refuse("%s: hook delete policy %q is not known; known: BeforeHookCreation, HookSucceeded, HookFailed", title(o), w)
		}
		if !slices.Contains(in.Policies, policy) {
			in.Policies = append(in.Policies, policy)
		}
	}
	if len(in.Policies) == 0 {
		in.Policies = []string{BeforeHookCreation}
	}
	return in, nil
}

func (in *Intent) add(phase string) {
	if phase != "" && !slices.Contains(in.Phases, phase) {
		in.Phases = append(in.Phases, phase)
	}
}

// either is our annotation of that name, or Argo CD's.
func either(notes map[string]string, name string) string {
	if v := notes["slipway.dev/"+name]; v != "" {
		return v
	}
	return notes[argoPrefix+name]
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// IsHook says whether an object is one of those that a phase runs, or none does.
func IsHook(o *unstructured.Unstructured) bool {
	in, err := Read(o)
	return err == nil && in.Hook
}

// option says whether an object, or its whole application, asks for a sync option.
func option(o *unstructured.Unstructured, name string, all bool) bool {
	in, _ := Read(o)
	switch in.Options[name] {
	case "true":
		return true
	case "false":
		return false
	}
	return all
}

// protection of an object from pruning: "" (none), "kept" or "confirm".
func protection(o *unstructured.Unstructured) string {
	notes := o.GetAnnotations()
	if !IsHook(o) && notes["helm.sh/resource-policy"] == "keep" {
		return ExtraKept
	}
	in, _ := Read(o)
	for _, v := range []string{notes[v1alpha1.AnnotationPrune], notes[fluxPrune], in.Options["Prune"]} {
		switch v {
		case "disabled", "false":
			return ExtraKept
		case "confirm":
			return ExtraConfirm
		}
	}
	return ""
}

// stays says whether an object outlives its application, as Argo CD's Delete=false asks.
func stays(o *unstructured.Unstructured) bool {
	in, _ := Read(o)
	return protection(o) == ExtraKept || in.Options["Delete"] == "false"
}

// Why an object that left its set is still there.
const (
	ExtraKept    = "kept"
	ExtraConfirm = "confirm"
	// ExtraIgnored: and the object says that this is fine.
	ExtraIgnored = "ignored"
)

// ignoresExtra says whether an object that left its set may stay without the
// application being out of sync.
func ignoresExtra(o *unstructured.Unstructured) bool {
	return slices.Contains(words(either(o.GetAnnotations(), "compare-options")), "IgnoreExtraneous")
}

func reference(o *unstructured.Unstructured) v1alpha1.ObjectReference {
	gvk := o.GroupVersionKind()
	return v1alpha1.ObjectReference{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// Title of a reference as "Kind/name".
func Title(r v1alpha1.ObjectReference) string { return fmt.Sprintf("%s/%s", r.Kind, r.Name) }
