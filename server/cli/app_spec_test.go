package cli

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// TestFlagsOfASpec: each names a field that an application has, and only those that are given count.
func TestFlagsOfASpec(t *testing.T) {
	all := slices.Concat(sourceOptions, revisionOptions, specOptions)
	for _, o := range all {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		spec := specFlags(f, all)
		given := map[string]string{"truth": "true", "number": "5", "list": "a,b", "text": "1m"}[o.kind]
		if err := f.Parse([]string{"--" + o.flag + "=" + given}); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(spec())
		if err != nil {
			t.Fatal(err)
		}
		var s slipway.ApplicationSpec
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil || reflect.DeepEqual(s, slipway.ApplicationSpec{}) {
			t.Errorf("--%s: %s is %+v: %v", o.flag, text, s, err)
		}
	}
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	spec := specFlags(f, all)
	if err := f.Parse([]string{"--needs=", "--service-account=", "--adopt=false", "--drift=report"}); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(spec())
	if want := `{"needs":null,"serviceAccount":null,"syncOptions":{"adopt":false,"drift":"report"}}`; string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
}
