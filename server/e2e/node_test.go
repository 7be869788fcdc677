package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestSystemImagesArePinned: the kubelet's collector of images takes none that only the
// build can make; others it may.
func TestSystemImagesArePinned(t *testing.T) {
	together(t)
	must(t, "kubectl", "run", "not-pinned", "--image=busybox", "--restart=Never", "--command", "--", "true")
	cleanUp(t, "kubectl", "delete", "pod", "not-pinned", "--grace-period=1")
	conn, err := grpc.NewClient("unix://"+filepath.Join(dataDir, "run", "containerd.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	eventually(t, func() error {
		all, err := cri.NewImageServiceClient(conn).ListImages(t.Context(), &cri.ListImagesRequest{})
		if err != nil {
			return err
		}
		pinned := map[bool][]string{}
		for _, i := range all.Images {
			name := strings.Join(i.RepoTags, " ")
			pinned[i.Pinned] = append(pinned[i.Pinned], name)
			if strings.Contains(name, api.RegistryHost+"/system/") && !i.Pinned {
				t.Errorf("%s is not pinned", name)
			}
		}
		for _, part := range []string{"pause", "coredns", "runner"} {
			if !strings.Contains(strings.Join(pinned[true], " "), "/system/"+part) {
				return fmt.Errorf("no pinned image of %s: %v", part, pinned[true])
			}
		}
		if !strings.Contains(strings.Join(pinned[false], " "), "busybox") {
			return fmt.Errorf("the image of a pod is pinned, or not there: %v", pinned)
		}
		return nil
	})
}

// TestSeccomp: system calls of pods are filtered, of jobs and of those that ask for
// nothing; a pod that asks for none is refused.
func TestSeccomp(t *testing.T) {
	together(t)
	const filtered = "Seccomp:\t2"
	r := newRepo(t, "seccomp", map[string]string{".gitlab-ci.yml": `
look: {image: busybox, script: ["grep Seccomp: /proc/self/status", "unshare -U true && echo escaped || echo refused"]}
`, "deploy/web.yaml": strings.Replace(manifest("seccomp"), "echo started", "grep Seccomp: /proc/self/status", 1)})
	must(t, "app", "create", r.name)
	r.push()
	r.succeeded()
	if log := r.log("look"); !strings.Contains(log, filtered) || !strings.Contains(log, "\nrefused") {
		t.Errorf("a job is not filtered:\n%s", log)
	}
	if _, err := user.WaitApp(within(t), r.name, 1); err != nil {
		t.Fatal(err)
	}
	if out := must(t, "kubectl", "logs", "-l", "app=seccomp"); !strings.Contains(out, filtered) {
		t.Errorf("a pod that asks for nothing is not filtered: %s", out)
	}
	out, err := slipway(t, "kubectl", "run", "unconfined", "--image=busybox", `--overrides={"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}`)
	if err == nil || !strings.Contains(out, "seccompProfile") {
		t.Errorf("a pod without a filter: %v %s", err, out)
	}
}
