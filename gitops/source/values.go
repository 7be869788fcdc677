package source

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// value is one text of values and the name of where it is from.
type value struct {
	from, text string
	secret     bool
}

// values of ConfigMaps and Secrets, then those of the Application itself. What Secrets
// hold is remembered as hidden.
func (r *Renderer) values(ctx context.Context, app *v1alpha1.Application, h *hidden) ([]value, error) {
	var out []value
	for _, from := range app.Spec.Source.Helm.ValuesFrom {
		v, err := r.valuesFrom(ctx, app.Namespace, from)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		if v.secret {
			h.yaml(v.from, v.text)
		}
		out = append(out, *v)
	}
	if raw := app.Spec.Source.Helm.Values; raw != nil && len(raw.Raw) > 0 {
		out = append(out, value{from: "spec.source.helm.values", text: string(raw.Raw)})
	}
	return out, nil
}

func (r *Renderer) valuesFrom(ctx context.Context, namespace string, from v1alpha1.ValuesFrom) (*value, error) {
	key := from.Key
	if key == "" {
		key = "values.yaml"
	}
	v := &value{from: fmt.Sprintf("%s %s (%s)", from.Kind, from.Name, key)}
	var found bool
	var err error
	switch from.Kind {
	case "ConfigMap":
		object := &corev1.ConfigMap{}
		err = r.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: from.Name}, object)
		v.text, found = object.Data[key]
	case "Secret":
		var object *corev1.Secret
		object, err = r.secret(ctx, namespace, from.Name)
		if err == nil {
			var data []byte
			data, found = object.Data[key]
			v.text, v.secret = string(data), true
		}
	default:
		return nil, render.Refuse("", 0, "values from a %q are not read; ConfigMap and Secret are", from.Kind)
	}
	switch {
	case apierrors.IsNotFound(err), err == nil && !found:
		if from.Optional {
			return nil, nil
		}
		return nil, render.Refuse("", 0, "values: %s is not there; make it, or set optional: true", v.from)
	case err != nil:
		return nil, err
	}
	return v, nil
}

// secret reads one that a person of the namespace could also give to a pod: neither
// those of pipelines nor those of ours.
func (r *Renderer) secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	if strings.HasPrefix(name, v1alpha1.VariableSecretPrefix) || strings.HasPrefix(name, v1alpha1.JobSecretPrefix) {
		return nil, render.Refuse("", 0, "secret %s is one of pipelines, which nothing that is deployed may read", name)
	}
	s := &corev1.Secret{}
	if err := r.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, s); err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(s.Type), v1alpha1.GroupVersion.Group+"/") || s.Type == corev1.SecretTypeServiceAccountToken {
		return nil, render.Refuse("", 0, "secret %s is of type %s, which is not read for applications", name, s.Type)
	}
	return s, nil
}

// valuesDigest names the values and the source that an application has. It is keyed, so
// that nobody can try what a Secret holds.
func valuesDigest(key []byte, app *v1alpha1.Application, values []value) string {
	made := app.Spec.Source
	made.Revision = v1alpha1.Revision{} // which commit that is, the value says itself
	source, _ := json.Marshal(made)
	texts := []string{"values", app.Namespace, string(source)}
	for _, v := range values {
		texts = append(texts, v.from, v.text)
	}
	return hex.EncodeToString(derive(key, texts...)[:16])
}

// hidden collects values that were secret before they were rendered.
type hidden map[string]bool

// add a text, and the lines of one that has several.
func (h *hidden) add(text string) {
	if *h == nil {
		*h = hidden{}
	}
	if t := strings.TrimSpace(text); worth(t) {
		(*h)[t] = true
	}
	if strings.Contains(text, "\n") {
		for _, line := range strings.Split(text, "\n") {
			if t := strings.TrimSpace(line); len(t) >= 8 {
				(*h)[t] = true
			}
		}
	}
}

// worth says whether a text is hidden: what is short, a number or a word of YAML stands
// in too many places for other reasons.
func worth(t string) bool {
	if len(t) < 6 || len(t) > 64<<10 {
		return false
	}
	if _, err := strconv.ParseFloat(t, 64); err == nil {
		return len(t) >= 10
	}
	return true
}

// yaml adds the texts in values.
func (h *hidden) yaml(from, text string) {
	docs, err := render.DecodeRendered(from, []byte(text))
	if err != nil {
		h.add(text) // the rendering refuses it
		return
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, item := range v {
				walk(item)
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		case string:
			h.add(v)
		case nil, bool:
		default:
			h.add(fmt.Sprint(v))
		}
	}
	for _, d := range docs {
		walk(d.Value)
	}
}

func (h hidden) list() []string {
	out := make([]string, 0, len(h))
	for v := range h {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}
