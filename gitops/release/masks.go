package release

import (
	"context"
	"encoding/base64"
	"regexp"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hidden stands for the value of a Secret.
const hidden = "*****"

// plain are lines of a file in a Secret that many other files have too, such as of a
// kubeconfig or a key: they say nothing, and hidden they would take the sense out of every
// difference that is shown.
var plain = regexp.MustCompile(`^\s*(- )?((apiVersion|kind|name|namespace|type):\s.*|-----(BEGIN|END) [A-Z0-9 ]+-----)\s*$`)

// masks hides every value of the Secrets of some namespaces.
type masks struct {
	replacer *strings.Replacer
	// words are short values, which are hidden where they stand by themselves: "ada" is
	// part of "metadata".
	words   *regexp.Regexp
	secrets []corev1.Secret
}

func (r *Reconciler) masks(ctx context.Context, namespaces ...string) (masks, error) {
	var all []corev1.Secret
	slices.Sort(namespaces)
	for _, ns := range slices.Compact(namespaces) {
		list := &corev1.SecretList{}
		if err := r.Reader.List(ctx, list, client.InNamespace(ns)); err != nil {
			return masks{}, err
		}
		all = append(all, list.Items...)
		all = append(all, r.Store.hiding(ns)...)
	}
	return newMasks(all), nil
}

func newMasks(secrets []corev1.Secret) masks {
	values := map[string]bool{}
	add := func(v string) {
		if v = strings.TrimSpace(v); len(v) >= 3 && len(v) <= 64<<10 {
			values[v] = true
			values[base64.StdEncoding.EncodeToString([]byte(v))] = true
		}
	}
	for _, s := range secrets {
		if s.Type == setSecret {
			continue
		}
		for _, data := range s.Data {
			add(string(data))
			values[base64.StdEncoding.EncodeToString(data)] = len(data) >= 3
			lines := strings.Split(string(data), "\n")
			for _, line := range lines {
				if len(lines) > 1 && len(strings.TrimSpace(line)) >= 8 && !plain.MatchString(line) {
					add(line)
				}
			}
		}
	}
	var long []string
	for v, use := range values {
		if use {
			long = append(long, v)
		}
	}
	// The longest first, so that no value is cut by one that it contains.
	sort.Slice(long, func(i, j int) bool {
		if len(long[i]) != len(long[j]) {
			return len(long[i]) > len(long[j])
		}
		return long[i] < long[j]
	})
	pairs := make([]string, 0, 2*len(long))
	var words []string
	for _, v := range long {
		if len(v) < shortValue && !strings.ContainsFunc(v, func(r rune) bool { return !wordRune(r) }) {
			words = append(words, v)
			continue
		}
		pairs = append(pairs, v, hidden)
	}
	m := masks{replacer: strings.NewReplacer(pairs...), secrets: secrets}
	if len(words) > 0 {
		m.words = regexp.MustCompile(`\b(?:` + strings.Join(words, "|") + `)\b`)
	}
	return m
}

// shortValue is below which a word may stand within another one by chance.
const shortValue = 6

// wordRune is what \b of a regular expression takes for a part of a word.
func wordRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// and hides the values of more Secrets, such as those of a set that is not applied.
func (m masks) and(more []corev1.Secret) masks {
	return newMasks(append(slices.Clone(m.secrets), more...))
}

func (m masks) hide(s string) string {
	if m.replacer == nil {
		return s
	}
	s = m.replacer.Replace(s)
	if m.words != nil {
		s = m.words.ReplaceAllString(s, hidden)
	}
	return s
}
