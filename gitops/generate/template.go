package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/order"
	"slipway.dev/gitops/revision"
)

const (
	// maxName of an application leaves room for its releases' and its preview's.
	maxName = 40
	// annotationItem tells what it stands for, and annotationMade what it was made of.
	annotationItem = "slipway.dev/generated-from"
	annotationMade = "slipway.dev/generated"
)

// Check a set as far as that is possible without its repository: that its template can
// be filled in for whatever its generators find.
func Check(set *v1alpha1.ApplicationSet) error {
	for n, g := range set.Spec.Generators {
		if one(g) != 1 {
			return fmt.Errorf("generator %d: want exactly one of directories, branches and mergeRequests", n+1)
		}
		if d := g.Directories; d != nil {
			if err := validGlobs(d.Include, d.Exclude); err != nil {
				return fmt.Errorf("generator %d: %w", n+1, err)
			}
		}
		if _, err := build(set, example(g)); err != nil {
			return fmt.Errorf("template, for generator %d: %w", n+1, err)
		}
	}
	return nil
}

// example of what a generator finds.
func example(g v1alpha1.Generator) Item {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	switch {
	case g.Directories != nil:
		return Item{Ref: "refs/heads/main", Branch: "main", Directory: "apps/example", Commit: commit}
	case g.Branches != nil:
		return Item{Ref: "refs/heads/example", Branch: "example", Commit: commit}
	}
	forks := g.MergeRequests.Forks
	return Item{
		Ref: v1alpha1.MergeRequestRef(1), Branch: "example", Target: "main", Number: 1, Commit: commit, Sequence: 1,
		Fork: forks == v1alpha1.ForksApproved || forks == v1alpha1.ForksAlways, Forks: forks,
	}
}

// build the Application of one item: everything but what people and pushes write later.
func build(set *v1alpha1.ApplicationSet, item Item) (*v1alpha1.Application, error) {
	p := item.params(set)
	t := set.Spec.Template
	name, err := p.expand(t.Name)
	if err != nil {
		return nil, fmt.Errorf("name: %w", err)
	}
	name = Bounded(name, maxName)
	if faults := validation.IsDNS1123Label(name); len(faults) > 0 {
		return nil, fmt.Errorf("name %.80q of %s: %s", name, item.what(), faults[0])
	}
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: set.Namespace, Name: name}}
	if app.Labels, err = labels(p, t.Labels); err != nil {
		return nil, err
	}
	if app.Annotations, err = texts(p, t.Annotations); err != nil {
		return nil, err
	}
	if err := spec(p, t.Spec.Raw, &app.Spec); err != nil {
		return nil, err
	}
	if err := adjust(set, item, app); err != nil {
		return nil, err
	}
	app.Labels[v1alpha1.LabelApplicationSet] = set.Name
	app.Labels[v1alpha1.LabelRepository] = set.Spec.Repository
	if item.Fork {
		app.Labels[v1alpha1.LabelUntrusted] = "true"
	}
	app.Annotations[annotationItem], app.Annotations[v1alpha1.AnnotationRef] = item.key(), item.Ref
	made, err := json.Marshal([]any{app.Labels, app.Annotations, app.Spec})
	if err != nil {
		return nil, err
	}
	app.Annotations[annotationMade] = digest(string(made))
	return app, nil
}

// spec fills the template in and reads it as nothing but an ApplicationSpec.
func spec(p Params, raw []byte, into *v1alpha1.ApplicationSpec) error {
	var v any = map[string]any{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("spec: %w", err)
		}
	}
	filled, err := p.fill(v)
	if err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	text, err := json.Marshal(filled)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	return nil
}

// adjust sets what the item decides and refuses what a template may not say.
func adjust(set *v1alpha1.ApplicationSet, item Item, app *v1alpha1.Application) error {
	s := &app.Spec
	switch {
	case s.Desired != nil || s.Pin != 0 || s.PinnedBy != "" || s.Retry != "" || s.ConfirmPrune != "" || s.Resync != "":
		return fmt.Errorf("spec: desired, pin, pinnedBy, retry, confirmPrune and resync are not a template's to set")
	case s.Source.Repository != "" && s.Source.Repository != set.Spec.Repository:
		return fmt.Errorf("spec.source.repository is %q, and the set's repository is %q", s.Source.Repository, set.Spec.Repository)
	case s.Namespace != "" && (set.Spec.Template.Preview != nil || s.Namespace != set.Namespace):
		return fmt.Errorf("spec.namespace: leave it out; template.preview gives each application one of its own")
	case s.Promotion != nil:
		return fmt.Errorf("spec.promotion: a generated application follows what it was generated from")
	case s.WriteBack != nil && item.Directory == "":
		return fmt.Errorf("spec.writeBack: previews write nothing back")
	}
	s.Source.Repository = set.Spec.Repository
	if err := source(item, s); err != nil {
		return err
	}
	if set.Spec.Template.Preview != nil {
		if s.Cluster != nil || s.ServiceAccount != "" {
			return fmt.Errorf("spec.cluster and spec.serviceAccount: a preview is applied here, by the deployer of its own namespace")
		}
		s.Namespace = PreviewNamespace(set.Namespace, set.Name, app.Name)
	}
	if item.Fork {
		if err := stranger(set, s); err != nil {
			return err
		}
	}
	return order.Check(app.Name, s.Lifecycle, func(string) ([]string, error) { return nil, nil })
}

// source says what is followed, and how.
func source(item Item, s *v1alpha1.ApplicationSpec) error {
	p := s.Source.Path
	if p == "" && item.Directory != "" {
		s.Source.Path = item.Directory
	} else if clean := path.Clean("/" + p); p != "" && strings.Trim(p, "/") != strings.TrimPrefix(clean, "/") {
		return fmt.Errorf("spec.source.path %.80q: want a plain path within the repository", p)
	}
	if item.Number > 0 {
		// The head of a merge request is no branch: it is written by the generator, or by
		// the request's own pipeline.
		switch s.Sync {
		case "", "push", "manual":
			s.Sync = "manual"
		case "pipeline":
			if item.Fork {
				return fmt.Errorf("spec.sync is pipeline: nothing that a fork's pipeline built is deployed")
			}
		}
		if s.Source.Branch != "" || s.Source.Fixed() {
			return fmt.Errorf("spec.source.branch, tag, semver and commit: leave them out; merge requests are followed by their commit")
		}
		return nil
	}
	if s.Sync == "" {
		s.Sync = "push"
	}
	if s.Source.Fixed() {
		// Directories are looked for on a branch, and what is in them may be followed by tags.
		if item.Directory == "" {
			return fmt.Errorf("spec.source.tag, semver and commit: leave them out; the application of a branch follows that")
		}
		return revision.Check(s)
	}
	if s.Source.Branch == "" {
		s.Source.Branch = item.Branch
	}
	if s.Source.Branch != item.Branch {
		return fmt.Errorf("spec.source.branch is %.80q; leave it out, or write {{branch}}", s.Source.Branch)
	}
	return nil
}

// stranger refuses what would give files of a fork something of the tenant's (threat 12).
func stranger(set *v1alpha1.ApplicationSet, s *v1alpha1.ApplicationSpec) error {
	helm := s.Source.Helm
	switch {
	case set.Spec.Template.Preview == nil:
		return fmt.Errorf("forks: they are shown in previews only; set template.preview")
	case s.Source.Decryption != nil, helm != nil && (len(helm.ValuesFrom) > 0 || helm.CredentialsSecret != ""):
		return fmt.Errorf("forks: no key, credential or value of this namespace is given to them; leave decryption, valuesFrom and credentialsSecret out")
	case len(s.Needs) > 0:
		return fmt.Errorf("forks: leave needs out")
	}
	return nil
}

func labels(p Params, in map[string]string) (map[string]string, error) {
	out, err := texts(p, in)
	if err != nil {
		return nil, err
	}
	for k, v := range out {
		if faults := append(validation.IsQualifiedName(k), validation.IsValidLabelValue(v)...); len(faults) > 0 {
			return nil, fmt.Errorf("label %.80s: %.80q: %s", k, v, faults[0])
		}
	}
	return out, nil
}

func texts(p Params, in map[string]string) (map[string]string, error) {
	out := make(map[string]string, len(in)+4)
	for k, v := range in {
		if strings.HasPrefix(k, "slipway.dev/") {
			return nil, fmt.Errorf("%.80s: this prefix is the server's", k)
		}
		filled, err := p.expand(v)
		if err != nil {
			return nil, fmt.Errorf("%.80s: %w", k, err)
		}
		out[k] = filled
	}
	return out, nil
}
