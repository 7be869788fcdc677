package apply

import (
	"encoding/base64"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// conceal takes the values of the set's own Secrets out of a refusal: the apiserver
// quotes what it does not accept, and these are not in the cluster yet.
func conceal(objects []*unstructured.Unstructured, err error) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	var values []string
	for _, o := range objects {
		if o.GetKind() != "Secret" || o.GetAPIVersion() != "v1" {
			continue
		}
		for _, field := range []string{"data", "stringData"} {
			values = append(values, leaves(o.Object[field])...)
		}
	}
	sort.Slice(values, func(i, j int) bool { return len(values[i]) > len(values[j]) })
	message := refusal.Message
	for _, v := range values {
		message = strings.ReplaceAll(message, v, "*****")
	}
	return &Refusal{Message: message}
}

// leaves are the values below a field as text, also decoded from base64.
func leaves(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case map[string]any:
		var out []string
		for _, item := range v {
			out = append(out, leaves(item)...)
		}
		return out
	case []any:
		var out []string
		for _, item := range v {
			out = append(out, leaves(item)...)
		}
		return out
	case float64:
		return append(leaves(strconv.FormatFloat(v, 'f', -1, 64)), leaves(fmt.Sprint(v))...)
	}
	text := strings.TrimSpace(fmt.Sprint(v))
	if len(text) < 3 {
		return nil
	}
	out := []string{text}
	if plain, err := base64.StdEncoding.DecodeString(text); err == nil && len(plain) >= 3 {
		out = append(out, strings.TrimSpace(string(plain)))
	}
	return out
}
