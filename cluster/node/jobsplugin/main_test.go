package main

import (
	"slices"
	"testing"
)

func TestJob(t *testing.T) {
	prev := `"cniVersion":"1.0.0","name":"n","type":"slipway-jobs","prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"veth1"},{"name":"eth0","sandbox":"/run/netns/x"}]}`
	for text, want := range map[string]bool{
		`{` + prev + `,"runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"pipeline.tekton.dev/release":""}}}`:     true,
		`{` + prev + `,"runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"kubernetes.io/config.source":"api"}}}`:  false,
		`{` + prev + `,"every":true,"runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"kubernetes.io/x":"api"}}}`: true,
		`{` + prev + `,"every":true}`: true,
		`{` + prev + `}`:              true, // not told whose it is
	} {
		c, r, err := parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if c.job() != want {
			t.Errorf("%s: job is %t", text, !want)
		}
		if names, err := hostEnds(r); err != nil || !slices.Equal(names, []string{"veth1"}) {
			t.Errorf("%s: host ends %v, %v", text, names, err)
		}
	}
	for _, text := range []string{``, `[]`, `{}`, `{"cniVersion":"1.0.0","name":"n"}`, `{"cniVersion":"1.0.0","prevResult":{"cniVersion":"9"}}`} {
		if _, _, err := parse([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	_, r, err := parse([]byte(`{"cniVersion":"1.0.0","prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"/x"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hostEnds(r); err == nil {
		t.Error("an interface without an end on the host is taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"cniVersion":"1.0.0","name":"n","every":true,"prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"veth1"}]}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, r, err := parse(in); err == nil {
			_, _ = hostEnds(r)
		}
	})
}
