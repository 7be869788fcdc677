package variables

import (
	"context"
	"slices"
	"strings"

	"slipway.dev/cluster/pattern"
	"slipway.dev/pipelines/plan"
)

// Snapshot is what the jobs of one run may get of the variables of its repository and
// namespace, as they were at one time. It holds values.
type Snapshot struct{ all []kept }

// Run is what decides which variables the jobs of a run may get.
type Run struct {
	Repository string
	// Ref is the short name of the branch or tag that its commit is on, as things are now;
	// empty where it is not on the one that it names.
	Ref string
	// Protected: it is one of a protected ref.
	Protected bool
}

// Snapshot for a run: protected ones only for one of a protected ref, those of a branch
// scope only for one of a ref that fits.
func (s *Store) Snapshot(ctx context.Context, namespace string, run Run) (*Snapshot, error) {
	all, err := s.all(ctx, namespace)
	all = slices.DeleteFunc(all, func(k kept) bool { return !k.reaches(run) })
	return &Snapshot{all}, err
}

// Refs are all of them without values, for a plan.
func (s *Snapshot) Refs() []plan.SecretRef {
	var out []plan.SecretRef
	for _, k := range s.all {
		out = append(out, plan.SecretRef{
			Variable: k.Name, Secret: k.secret.Name, Key: key, Raw: k.Raw, File: k.File, Visible: k.Visible, Environment: k.Environment,
		})
	}
	return out
}

// Value of a variable; one that is masked is shown nowhere.
type Value struct {
	plan.Variable
	Masked bool
}

// For a job with that environment (empty: none) they are these, each name once: of
// several with one name the repository's wins over the namespace's, then the more
// specific scope, of environments before that of branches.
func (s *Snapshot) For(environment string) []Value { return choose(s.all, environment) }

func choose(all []kept, environment string) []Value {
	best := map[string]kept{}
	var names []string
	for _, k := range all {
		if specificity(k.Environment, environment) < 0 {
			continue
		}
		have, ok := best[k.Name]
		if !ok {
			names = append(names, k.Name)
		}
		if !ok || k.before(have, environment) {
			best[k.Name] = k
		}
	}
	var out []Value
	for _, name := range names {
		k := best[name]
		// A "$" within a file is text.
		v := plan.Variable{Name: name, Value: string(k.secret.Data[key]), Raw: k.Raw || k.File, File: k.File}
		out = append(out, Value{Variable: v, Masked: !k.Visible})
	}
	return out
}

func (k *kept) reaches(run Run) bool {
	return (k.Repository == "" || k.Repository == run.Repository) && (run.Protected || !k.Protected) &&
		(k.Branch == "" || run.Ref != "" && pattern.Match(k.Branch, run.Ref))
}

// Job is whose values are asked for.
type Job struct {
	Namespace string
	Run       Run
	// Environment by its expanded name; empty for none.
	Environment string
	// Refs of its plan.
	Refs []plan.SecretRef
}

// Values of a job.
type Values struct {
	// Vars has each name once.
	Vars   []plan.Variable
	masked []string
}

// Mask are the texts that the job's log must not show: the masked values as they were
// given, and as they are in its environment, where references in them are expanded.
func (v Values) Mask(env []plan.Variable) []string {
	var out []string
	for _, list := range [][]plan.Variable{v.Vars, env} {
		for _, e := range list {
			if slices.Contains(v.masked, e.Name) {
				out = append(out, texts(e.Value)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Values of a job's variables. What Refs names is looked at as it is now: a Secret that
// is no variable, or another repository's, or became protected, is left out.
func (s *Store) Values(ctx context.Context, j Job) (Values, error) {
	out := Values{}
	if len(j.Refs) == 0 {
		return out, nil
	}
	all, err := s.all(ctx, j.Namespace)
	if err != nil {
		return out, err
	}
	all = slices.DeleteFunc(all, func(k kept) bool {
		named := slices.ContainsFunc(j.Refs, func(r plan.SecretRef) bool { return r.Secret == k.secret.Name && r.Variable == k.Name })
		return !named || !k.reaches(j.Run)
	})
	for _, v := range choose(all, j.Environment) {
		out.Vars = append(out.Vars, v.Variable)
		if v.Masked {
			out.masked = append(out.masked, v.Name)
		}
	}
	return out, nil
}

func (k *kept) before(o kept, environment string) bool {
	if (k.Repository != "") != (o.Repository != "") {
		return k.Repository != ""
	}
	mine, theirs := specificity(k.Environment, environment), specificity(o.Environment, environment)
	if mine != theirs {
		return mine > theirs
	}
	return weight(k.Branch) > weight(o.Branch)
}

// weight of a scope that fits: more for more characters that are given, most for a name.
func weight(scope string) int {
	switch {
	case scope == "":
		return 0
	case !strings.Contains(scope, "*"):
		return 1 << 20
	}
	return 1 + len(strings.ReplaceAll(scope, "*", ""))
}

// specificity of a scope for an environment: -1 where it does not fit, 0 for every
// job, more for more characters that are given, most for the name itself.
func specificity(scope, environment string) int {
	if scope != "" && (environment == "" || !pattern.Match(scope, environment)) {
		return -1
	}
	return weight(scope)
}

// minLine is the shortest line of a value that is masked by itself.
const minLine = 8

// Texts of a value that a log must not show: itself, without its outer space, and its
// lines; none of a value that is too short to be masked.
func Texts(value string) []string {
	if len(strings.TrimSpace(value)) < MinMasked {
		return nil
	}
	return texts(value)
}

func texts(value string) []string {
	out := []string{value, strings.TrimSpace(value)}
	for line := range strings.Lines(value) {
		if t := strings.TrimSpace(line); len(t) >= minLine {
			out = append(out, t)
		}
	}
	return out
}
