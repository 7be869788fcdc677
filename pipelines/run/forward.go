package run

import (
	"context"
	"crypto/rand"
	"fmt"
	"path"
	"slices"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// Limits of what one run gives to another.
const (
	maxForwarded      = 1000
	maxForwardedBytes = maxVariableBytes
)

// forward are the variables that a job with a trigger gives to the run that it starts,
// and those of the job itself. The later of two of a name counts: those of the pipeline
// and the job, those that jobs before it reported, those given by hand. What was given
// to a play is for the run in any case.
//
// Secrets are known to an attempt only, and there is none here: a value that refers to
// one keeps the reference, and the other run has its own.
func (c *Controller) forward(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, job *plan.Job, js *v1alpha1.JobStatus) (out []v1alpha1.ForwardedVariable, env []plan.Variable, err error) {
	told, err := c.told(ctx, run, p, job)
	if err != nil {
		return nil, nil, err
	}
	kept := secretMarks(job.Secrets)
	with := played(run, p, js)
	env = plan.Environ(with, job, c.attemptVariables(run, job, js.Attempt, path.Join(run.Namespace, run.Spec.Repository)), told, kept.vars)
	var list []plan.Variable
	if job.Trigger.ForwardVariables {
		for _, v := range p.Variables {
			if !slices.Contains(job.Without, v.Name) {
				list = append(list, v)
			}
		}
		list = append(list, job.Variables...)
	}
	if job.Trigger.ForwardGiven {
		list = append(append(list, told...), with.Given...)
	} else {
		list = append(list, with.Given[len(p.Given):]...)
	}
	size := 0
	for i, v := range list {
		if slices.ContainsFunc(list[i+1:], func(o plan.Variable) bool { return o.Name == v.Name }) {
			continue
		}
		if !v.Raw {
			v.Value = plan.ExpandIn(v.Value, env)
		}
		f := kept.restore(v)
		size += len(f.Name) + len(f.Value)
		out = append(out, f)
	}
	if len(out) > maxForwarded || size > maxForwardedBytes {
		return nil, nil, refusedError{fmt.Errorf("job %s gives %d variables of together %d bytes to the run that it starts; at most %d of %d bytes are allowed; say which with inherit:variables or trigger:forward", job.Name, len(out), size, maxForwarded, maxForwardedBytes)}
	}
	return out, env, nil
}

// marks stand for secrets while the values around them are expanded.
type marks struct {
	vars []plan.Variable
}

func secretMarks(refs []plan.SecretRef) marks {
	var m marks
	nonce := rand.Text() // nobody can have written it
	for _, ref := range refs {
		m.vars = append(m.vars, plan.Variable{Name: ref.Variable, Value: "\x00" + nonce + ref.Variable + "\x00", Raw: true})
	}
	return m
}

// restore the references in the value of a variable whose other references are expanded.
func (m marks) restore(v plan.Variable) v1alpha1.ForwardedVariable {
	out := v1alpha1.ForwardedVariable{Name: v.Name, Value: v.Value}
	for _, secret := range m.vars {
		if !strings.Contains(out.Value, secret.Value) {
			continue
		}
		if !out.Expand {
			out.Expand, out.Value = true, strings.ReplaceAll(out.Value, "$", "$$")
		}
		out.Value = strings.ReplaceAll(out.Value, secret.Value, "${"+secret.Name+"}")
	}
	out.Value, _, _ = strings.Cut(out.Value, "\x00") // a mark that was cut with its value
	return out
}
