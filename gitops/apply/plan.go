package apply

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
)

// Hook is an object that is made in a phase, waited for, and not part of the inventory.
type Hook struct {
	Object   *unstructured.Unstructured
	Phase    string
	Wave     int32
	Policies []string
}

// Reference of the hook.
func (h Hook) Reference() v1alpha1.ObjectReference { return reference(h.Object) }

// Step is what is done together: hooks and objects of one wave. The next one begins
// when all of it is healthy.
type Step struct {
	Phase       string
	Wave, Stage int32
	Objects     []*unstructured.Unstructured
	Hooks       []Hook
}

// Plan is the order in which a set goes into the cluster.
type Plan struct {
	// Steps of PreSync, Sync and PostSync.
	Steps []Step
	// Fail are the steps of SyncFail.
	Fail []Step
	// Delete are those of PreDelete and PostDelete.
	Delete []Step
}

// NewPlan orders a set for a release. The same set gives the same plan and the same
// names, whenever it is asked for. Without hooks, only what stays is planned.
func NewPlan(objects []*unstructured.Unstructured, release int64, hooks bool) (*Plan, error) {
	return newPlan(objects, release, hooks, true)
}

// PlanAgain orders a set that was applied before. An annotation that was not understood
// then does not keep it from being put back.
func PlanAgain(objects []*unstructured.Unstructured, release int64) *Plan {
	p, _ := newPlan(objects, release, true, false)
	return p
}

func newPlan(objects []*unstructured.Unstructured, release int64, hooks, strict bool) (*Plan, error) {
	p := &Plan{}
	for _, o := range objects {
		in, err := Read(o)
		if err != nil && strict {
			return nil, err
		}
		if err != nil {
			in = Intent{}
		}
		if !in.Hook {
			if o.GetName() == "" && strict {
				return nil, refuse("%s: generateName is for hooks only; give it a name", o.GetKind())
			}
			step := p.step(v1alpha1.PhaseSync, in.Wave, stage(o))
			step.Objects = append(step.Objects, o)
			continue
		}
		if !hooks {
			continue
		}
		for _, phase := range in.Phases {
			h := Hook{Object: name(o, phase, release), Phase: phase, Wave: in.Wave, Policies: in.Policies}
			step := p.step(phase, in.Wave, 1)
			step.Hooks = append(step.Hooks, h)
		}
	}
	p.settle()
	return p, nil
}

// stage puts definitions of kinds and namespaces before what needs them.
func stage(o *unstructured.Unstructured) int32 {
	group := o.GroupVersionKind().Group
	if (o.GetKind() == "CustomResourceDefinition" && group == "apiextensions.k8s.io") || (o.GetKind() == "Namespace" && group == "") {
		return 0
	}
	return 1
}

// name gives a hook with generateName one that is the same for the whole release.
func name(o *unstructured.Unstructured, phase string, release int64) *unstructured.Unstructured {
	if o.GetName() != "" {
		return o
	}
	suffix := fmt.Sprintf("%d-%s", release, strings.ToLower(phase))
	prefix := o.GetGenerateName()
	if len(prefix)+len(suffix) > 63 {
		prefix = prefix[:63-len(suffix)]
	}
	o = o.DeepCopy()
	o.SetGenerateName("")
	o.SetName(prefix + suffix)
	return o
}

func (p *Plan) step(phase string, wave, stage int32) *Step {
	list := &p.Steps
	switch phase {
	case v1alpha1.PhaseSyncFail:
		list = &p.Fail
	case v1alpha1.PhasePreDelete, v1alpha1.PhasePostDelete:
		list = &p.Delete
	}
	for i := range *list {
		if s := &(*list)[i]; s.Phase == phase && s.Wave == wave && s.Stage == stage {
			return s
		}
	}
	*list = append(*list, Step{Phase: phase, Wave: wave, Stage: stage})
	return &(*list)[len(*list)-1]
}

var rank = map[string]int{
	v1alpha1.PhasePreSync: 0, v1alpha1.PhaseSync: 1, v1alpha1.PhasePostSync: 2, v1alpha1.PhaseSyncFail: 3,
	v1alpha1.PhasePreDelete: 4, v1alpha1.PhasePostDelete: 5,
}

// settle sorts steps, and what is in them.
func (p *Plan) settle() {
	for _, list := range [][]Step{p.Steps, p.Fail, p.Delete} {
		slices.SortFunc(list, func(a, b Step) int {
			return cmp.Or(cmp.Compare(rank[a.Phase], rank[b.Phase]), cmp.Compare(a.Wave, b.Wave), cmp.Compare(a.Stage, b.Stage))
		})
		for _, s := range list {
			slices.SortStableFunc(s.Objects, byKind)
			slices.SortStableFunc(s.Hooks, func(a, b Hook) int { return byKind(a.Object, b.Object) })
		}
	}
}

// kindRank is the order of Flux: what others need comes first.
var kindRank = func() map[string]int {
	out := map[string]int{}
	for i, kind := range ssa.ReconcileOrder.First {
		out[kind] = i - len(ssa.ReconcileOrder.First)
	}
	for i, kind := range ssa.ReconcileOrder.Last {
		out[kind] = i + 1
	}
	return out
}()

func byKind(a, b *unstructured.Unstructured) int {
	return cmp.Or(cmp.Compare(kindRank[a.GetKind()], kindRank[b.GetKind()]), cmp.Compare(a.GetAPIVersion(), b.GetAPIVersion()),
		cmp.Compare(a.GetKind(), b.GetKind()), cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
}

// Simple says whether the plan is one step without hooks: nothing to wait for in between.
func (p *Plan) Simple() bool {
	return len(p.Fail) == 0 && (len(p.Steps) == 0 || len(p.Steps) == 1 && len(p.Steps[0].Hooks) == 0)
}

// Objects that stay, in the order of the plan.
func (p *Plan) Objects() []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, s := range p.Steps {
		out = append(out, s.Objects...)
	}
	return out
}

// Before are the objects that stay up to step i, itself included.
func (p *Plan) Before(i int) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, s := range p.Steps[:i+1] {
		out = append(out, s.Objects...)
	}
	return out
}

// Hooks of all phases.
func (p *Plan) Hooks() []Hook {
	var out []Hook
	for _, list := range [][]Step{p.Steps, p.Fail, p.Delete} {
		for _, s := range list {
			out = append(out, s.Hooks...)
		}
	}
	return out
}

// All that is ever made of the set.
func (p *Plan) All() []*unstructured.Unstructured {
	out := p.Objects()
	for _, h := range p.Hooks() {
		out = append(out, h.Object)
	}
	return out
}
