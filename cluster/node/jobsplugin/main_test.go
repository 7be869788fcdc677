package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway.dev/cluster/netpol/arrival"
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

// TestArrive: a pod's address is told to those who enforce network policies, and their
// word counts; where they are not there, or it is no pod, nobody is asked.
func TestArrive(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	with := func(policies string) *config {
		c, _, err := parse([]byte(`{"cniVersion":"1.0.0","name":"n","type":"slipway-jobs","policies":"` + policies + `","prevResult":{"cniVersion":"1.0.0"}}`))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	_, r, err := parse([]byte(`{"cniVersion":"1.0.0","prevResult":{"cniVersion":"1.0.0","ips":[{"address":"10.42.0.7/16"},{"address":"fd00::7/64"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	const args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=u-1"
	if err := with(socket).arrive(args, r); err != nil {
		t.Errorf("nobody enforces: %v", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var told []arrival.Pod
	var answer error
	go arrival.Serve(t.Context(), l, time.Second, func(_ context.Context, p arrival.Pod) error {
		told = append(told, p)
		return answer
	})
	for _, c := range []struct{ policies, args string }{{"", args}, {socket, ""}, {socket, "IgnoreUnknown=1;A=b"}} {
		if err := with(c.policies).arrive(c.args, r); err != nil || len(told) > 0 {
			t.Errorf("%v: %v, told of %v", c, err, told)
		}
	}
	want := arrival.Pod{Namespace: "shop", Name: "web-1", UID: "u-1", Addr: netip.MustParseAddr("10.42.0.7")}
	if err := with(socket).arrive(args, r); err != nil || !slices.Equal(told, []arrival.Pod{want}) {
		t.Errorf("%v, told of %v", err, told)
	}
	answer = errors.New("not in force")
	if err := with(socket).arrive(args, r); err == nil || !strings.Contains(err.Error(), "not in force") {
		t.Error(err)
	}
}
