package apply

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
)

// draw shows a plan in one line.
func draw(p *Plan) string {
	var parts []string
	for _, list := range [][]Step{p.Steps, p.Fail} {
		for _, s := range list {
			var names []string
			for _, h := range s.Hooks {
				names = append(names, "("+h.Object.GetName()+")")
			}
			for _, o := range s.Objects {
				names = append(names, o.GetName())
			}
			parts = append(parts, fmt.Sprintf("%s %d.%d: %s", s.Phase, s.Wave, s.Stage, strings.Join(names, " ")))
		}
	}
	return strings.Join(parts, " | ")
}

func noted(kind, name string, notes ...string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: %s\nmetadata: {name: %s, annotations: {%s}}", kind, name, strings.Join(notes, ", "))
}

func TestPlansOrderWavesAndHooks(t *testing.T) {
	for _, c := range []struct {
		name string
		set  []string
		want string
	}{
		{"no waves", []string{noted("Pod", "p"), noted("ConfigMap", "c")}, "Sync 0.1: c p"},
		{"waves", []string{noted("Pod", "late", `argocd.argoproj.io/sync-wave: "5"`), noted("Pod", "early", `slipway.dev/sync-wave: "-2"`), noted("Pod", "p")},
			"Sync -2.1: early | Sync 0.1: p | Sync 5.1: late"},
		{"ours before Argo CD's", []string{noted("Pod", "p", `argocd.argoproj.io/sync-wave: "5"`, `slipway.dev/sync-wave: "1"`)}, "Sync 1.1: p"},
		{"hooks", []string{
			noted("Job", "after", "argocd.argoproj.io/hook: PostSync"), noted("Job", "migrate", "slipway.dev/hook: PreSync"),
			noted("Job", "within", "argocd.argoproj.io/hook: Sync"), noted("Job", "undo", "argocd.argoproj.io/hook: SyncFail"),
			noted("Job", "never", "argocd.argoproj.io/hook: Skip"), noted("Pod", "p"),
		}, "PreSync 0.1: (migrate) | Sync 0.1: (within) p | PostSync 0.1: (after) | SyncFail 0.1: (undo)"},
		{"a hook of two phases", []string{noted("Job", "both", `argocd.argoproj.io/hook: "PreSync,PostSync"`)}, "PreSync 0.1: (both) | PostSync 0.1: (both)"},
		{"Helm's", []string{
			noted("Job", "pre", `helm.sh/hook: "pre-install,pre-upgrade"`, `helm.sh/hook-weight: "-5"`), noted("Job", "post", "helm.sh/hook: post-upgrade"),
			noted("Pod", "test", "helm.sh/hook: test"), noted("Job", "del", "helm.sh/hook: pre-rollback"), noted("ConfigMap", "crd", "helm.sh/hook: crd-install"),
		}, "PreSync -5.1: (pre) | Sync 0.1: crd | PostSync 0.1: (post)"},
		{"Argo CD's before Helm's", []string{noted("Job", "j", "helm.sh/hook: post-install", "argocd.argoproj.io/hook: PreSync")}, "PreSync 0.1: (j)"},
		{"definitions first", []string{
			noted("Thing", "t"), "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things}", noted("Namespace", "ns"),
		}, "Sync 0.0: things ns | Sync 0.1: t"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := NewPlan(parse(t, strings.Join(c.set, "\n---\n")), 7, true)
			require.NoError(t, err)
			require.Equal(t, c.want, draw(p))
			without, err := NewPlan(parse(t, strings.Join(c.set, "\n---\n")), 7, false)
			require.NoError(t, err)
			require.NotContains(t, draw(without), "(")
		})
	}
}

func TestHooksAreNamedOnceForARelease(t *testing.T) {
	set := parse(t, "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: migrate-, annotations: {argocd.argoproj.io/hook: 'PreSync,PostSync'}}")
	for range 2 {
		p, err := NewPlan(set, 7, true)
		require.NoError(t, err)
		require.Equal(t, "PreSync 0.1: (migrate-7-presync) | PostSync 0.1: (migrate-7-postsync)", draw(p))
	}
	set[0].SetGenerateName(strings.Repeat("x", 80))
	p, err := NewPlan(set, 7, true)
	require.NoError(t, err)
	require.Len(t, p.Steps[0].Hooks[0].Object.GetName(), 63)
	require.False(t, p.Simple())
}

func TestDeletePolicies(t *testing.T) {
	for notes, want := range map[string][]string{
		"slipway.dev/hook: Sync": {BeforeHookCreation},
		"argocd.argoproj.io/hook: Sync, argocd.argoproj.io/hook-delete-policy: HookSucceeded":                      {HookSucceeded},
		"helm.sh/hook: pre-install, helm.sh/hook-delete-policy: 'before-hook-creation,hook-succeeded,hook-failed'": {BeforeHookCreation, HookSucceeded, HookFailed},
	} {
		in, err := Read(parse(t, noted("Job", "j", notes))[0])
		require.NoError(t, err)
		require.Equal(t, want, in.Policies)
	}
}

func TestAnnotationsThatAreRefused(t *testing.T) {
	for notes, want := range map[string]string{
		"argocd.argoproj.io/hook: PreSnyc":                                     `Job/j: hook "PreSnyc" is not known; known: PreSync`,
		"slipway.dev/sync-wave: first":                                         `Job/j: sync wave "first" is not a whole number`,
		"argocd.argoproj.io/sync-options: 'Replace=true,Validate=false'":       `Job/j: sync option "Validate=false" is not understood; known: Prune=false`,
		"argocd.argoproj.io/sync-options: Delete=confirm":                      `sync option "Delete=confirm" is not understood`,
		"slipway.dev/sync-options: Purne=false":                                `sync option "Purne=false" is not understood`,
		"kustomize.toolkit.fluxcd.io/ssa: IfNotPresent":                        `kustomize.toolkit.fluxcd.io/ssa: IfNotPresent is not understood`,
		"kustomize.toolkit.fluxcd.io/reconcile: disabled":                      `reconcile: disabled is not understood; leave the object out`,
		"helm.sh/hook: pre-lunch":                                              `Helm hook "pre-lunch" is not known`,
		"argocd.argoproj.io/hook: Sync, slipway.dev/hook-delete-policy: never": `hook delete policy "never" is not known`,
	} {
		_, err := NewPlan(parse(t, noted("Job", "j", notes)), 1, true)
		require.ErrorContains(t, err, want)
		var refusal *Refusal
		require.ErrorAs(t, err, &refusal)
		require.Len(t, PlanAgain(parse(t, noted("Job", "j", notes)), 1).All(), 1)
	}
	_, err := NewPlan(parse(t, "apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}"), 1, true)
	require.ErrorContains(t, err, "generateName is for hooks only")
}

func TestProtection(t *testing.T) {
	for notes, want := range map[string]string{
		"":                            "",
		"slipway.dev/prune: disabled": ExtraKept, "slipway.dev/prune: confirm": ExtraConfirm,
		"argocd.argoproj.io/sync-options: 'Replace=true,Prune=false'": ExtraKept, "argocd.argoproj.io/sync-options: Prune=confirm": ExtraConfirm,
		"kustomize.toolkit.fluxcd.io/prune: disabled": ExtraKept, "helm.sh/resource-policy: keep": ExtraKept,
	} {
		require.Equal(t, want, protection(parse(t, noted("ConfigMap", "c", notes))[0]), notes)
	}
	require.Equal(t, ExtraKept, protection(parse(t, noted("ConfigMap", "c", "argocd.argoproj.io/sync-options: 'Odd=1,Prune=false'"))[0]), "what is not understood takes no protection away")
	require.True(t, stays(parse(t, noted("ConfigMap", "c", "argocd.argoproj.io/sync-options: Delete=false"))[0]))
	require.True(t, option(parse(t, noted("ConfigMap", "c", "slipway.dev/sync-options: Force=true"))[0], "Force", false))
	require.False(t, option(parse(t, noted("ConfigMap", "c", "slipway.dev/sync-options: Force=false"))[0], "Force", true))
	require.True(t, option(parse(t, noted("ConfigMap", "c", "kustomize.toolkit.fluxcd.io/force: enabled"))[0], "Force", false))
	for _, options := range []string{"ServerSideApply=true", "Validate=true,PruneLast=true", "PrunePropagationPolicy=background"} {
		_, err := Read(parse(t, noted("ConfigMap", "c", "argocd.argoproj.io/sync-options: '"+options+"'"))[0])
		require.NoError(t, err, "what is always done may be asked for")
	}
	require.True(t, ignoresExtra(parse(t, noted("ConfigMap", "c", "argocd.argoproj.io/compare-options: IgnoreExtraneous"))[0]))
}

func FuzzAnnotations(f *testing.F) {
	for _, s := range []string{"PreSync,PostSync", "Skip", "-1", "Prune=false,Replace=true", "before-hook-creation", ",,=,"} {
		f.Add(s, s, s, s)
	}
	f.Fuzz(func(t *testing.T, hook, wave, options, policy string) {
		o := parse(t, noted("Job", "j"))[0]
		o.SetAnnotations(map[string]string{
			v1alpha1.AnnotationHook: hook, v1alpha1.AnnotationSyncWave: wave, v1alpha1.AnnotationSyncOptions: options, "helm.sh/hook": policy,
			v1alpha1.AnnotationHookDeletePolicy: policy,
		})
		if p, err := NewPlan([]*unstructured.Unstructured{o}, 1, true); err == nil && len(p.All()) > 4 {
			t.Fatalf("one object gives %d", len(p.All()))
		}
	})
}
