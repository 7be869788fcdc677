package release

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/render"
)

// Compare says what release n has that release against has not, from their stored sets,
// data of Secrets masked; against 0 is the one before. It asks neither forge nor cluster
// for more than the sets.
func (r *Reconciler) Compare(ctx context.Context, namespace, application string, n, against int64) (string, error) {
	app := &v1alpha1.Application{}
	if err := r.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app); err != nil {
		return "", err
	}
	history, err := r.History(ctx, namespace, application)
	if err != nil {
		return "", err
	}
	rel, err := pick(history, application, n)
	if err != nil {
		return "", err
	}
	var before *v1alpha1.Release
	switch {
	case against > 0:
		if before, err = pick(history, application, against); err != nil {
			return "", err
		}
	default:
		for i := range history { // newest first
			if h := &history[i]; h.Spec.Number < n && h.Spec.Rendered != "" {
				before = h
				break
			}
		}
	}
	set, err := r.load(ctx, app, rel)
	if err != nil {
		return "", err
	}
	old := &render.Set{}
	if before != nil {
		if old, err = r.load(ctx, app, before); err != nil {
			return "", err
		}
	}
	masks, err := r.masks(ctx, namespace, destination(app))
	if err != nil {
		return "", err
	}
	masks = masks.and(append(secretsOf(old.Objects), secretsOf(set.Objects)...))
	var b strings.Builder
	headline(&b, before, rel)
	changes := 0
	for _, c := range apply.Compare(old.Objects, set.Objects) {
		if c.Action != apply.Unchanged {
			changes++
			fmt.Fprintf(&b, "%s %s/%s\n%s", c.Action, c.Object.Kind, c.Object.Name, masks.hide(c.Diff))
		}
	}
	if changes == 0 {
		b.WriteString("no object differs\n")
	}
	return b.String(), nil
}

// pick a release that has a set.
func pick(history []v1alpha1.Release, application string, n int64) (*v1alpha1.Release, error) {
	var known []string
	for i := range history {
		switch h := &history[i]; {
		case h.Spec.Number == n && h.Spec.Rendered == "":
			return nil, refused("application %s: release %d was never rendered: %s", application, n, h.Status.Reason)
		case h.Spec.Number == n:
			return h, nil
		case h.Spec.Rendered != "":
			known = append(known, fmt.Sprint(h.Spec.Number))
		}
	}
	return nil, refused("application %s: release %d is not in the history, which has %s", application, n, strings.Join(known, ", "))
}

// headline says what the two releases are, and whose images changed.
func headline(b *strings.Builder, before, rel *v1alpha1.Release) {
	if before == nil {
		fmt.Fprintf(b, "%s, the first one\n", title(rel))
	} else {
		fmt.Fprintf(b, "%s, against %s\n", title(rel), title(before))
	}
	old := map[string]v1alpha1.Image{}
	if before != nil {
		for _, i := range before.Spec.Desired.Images {
			old[i.Name] = i
		}
	}
	for _, i := range rel.Spec.Desired.Images {
		if was, ok := old[i.Name]; !ok {
			fmt.Fprintf(b, "image %s: %s\n", i.Name, origin(i))
		} else if was.Digest != i.Digest {
			fmt.Fprintf(b, "image %s: %s, was %s\n", i.Name, origin(i), origin(was))
		}
		delete(old, i.Name)
	}
	for _, i := range old {
		fmt.Fprintf(b, "image %s: no longer set, was %s\n", i.Name, origin(i))
	}
}

func title(rel *v1alpha1.Release) string {
	d := rel.Spec.Desired
	text := fmt.Sprintf("release %d (%s", rel.Spec.Number, what(d))
	if d.Cause != "" {
		text += ", " + d.Cause
	}
	if d.By != "" {
		text += " by " + d.By
	}
	return text + ")"
}

// origin of an image: its digest, and what it was built from where that is known.
func origin(i v1alpha1.Image) string {
	text := i.Digest
	if i.Commit != "" {
		text += fmt.Sprintf(" of commit %.12s", i.Commit)
	}
	if i.Run != "" {
		text += " (run " + i.Run + ")"
	}
	return text
}

// secretsOf are the Secrets of a set, as the masks want them.
func secretsOf(objects []*unstructured.Unstructured) []corev1.Secret {
	var out []corev1.Secret
	for _, o := range objects {
		if o.GetKind() != "Secret" || o.GetAPIVersion() != "v1" {
			continue
		}
		s := corev1.Secret{Data: map[string][]byte{}}
		for k, v := range fields(o, "stringData") {
			s.Data["s/"+k] = []byte(fmt.Sprint(v))
		}
		for k, v := range fields(o, "data") {
			text := fmt.Sprint(v)
			if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
				s.Data["d/"+k] = plain
			} else {
				s.Data["d/"+k] = []byte(text)
			}
		}
		out = append(out, s)
	}
	return out
}

func fields(o *unstructured.Unstructured, name string) map[string]any {
	m, _, _ := unstructured.NestedMap(o.Object, name)
	return m
}
