package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func environment(name string) string { return map[string]string{"WHO": "me", "TOKEN": "planted"}[name] }

func TestBuildArguments(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{".", "context=. file= tags= target= args= labels= secrets= push=false"},
		{"-t shop:1 --tag registry.slipway.internal/default/shop .", "context=. file= tags=docker.io/library/shop:1,registry.slipway.internal/default/shop:latest target= args= labels= secrets= push=false"},
		{"-t a:1 -t a:1 --build-arg X=1=2 --build-arg WHO --build-arg EMPTY= --label a=b dir", "context=dir file= tags=docker.io/library/a:1 target= args=EMPTY=,WHO=me,X=1=2 labels=a=b secrets= push=false"},
		{"--target=full -f apart/Containerfile --platform linux/" + arch() + " --cache-from a --cache-from type=registry,ref=b --cache-to type=inline --build-arg BUILDKIT_INLINE_CACHE=1 .",
			"context=. file=apart/Containerfile tags= target=full args= labels= secrets= push=false"},
		{". --push -t a", "context=. file= tags=docker.io/library/a:latest target= args= labels= secrets= push=true"},
		{"-o type=image,name=a,push=true .", "context=. file= tags=docker.io/library/a:latest target= args= labels= secrets= push=true"},
		{"--output type=registry -t a .", "context=. file= tags=docker.io/library/a:latest target= args= labels= secrets= push=true"},
		{"--secret id=TOKEN --secret id=x,env=WHO --progress plain --load --rm=false --memory 1g --network default .", "context=. file= tags= target= args= labels= secrets=TOKEN=planted,x=me push=false"},
	} {
		b, err := parseBuild(strings.Fields(tc.args), environment)
		if err != nil {
			t.Errorf("%s: %v", tc.args, err)
			continue
		}
		secrets := map[string]string{}
		for k, v := range b.Secrets {
			secrets[k] = string(v)
		}
		got := fmt.Sprintf("context=%s file=%s tags=%s target=%s args=%s labels=%s secrets=%s push=%v", b.context, b.file, strings.Join(b.tags, ","), b.Target, pairs(b.Args), pairs(b.Labels), pairs(secrets), b.push)
		if got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.args, got, tc.want)
		}
	}
}

func arch() string { return strings.TrimPrefix(platform(), "linux/") }

func pairs(m map[string]string) string {
	var list []string
	for k, v := range m {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

func TestBuildRefusals(t *testing.T) {
	for args, want := range map[string]string{
		"":                               "one context is needed",
		". .":                            "one context is needed",
		"https://example.com/a.git":      "fetch it in the script",
		"git@example.com:a.git":          "fetch it in the script",
		"--push .":                       "needs a name",
		"-t UPPER .":                     "UPPER",
		"-t a@sha256:" + digest + " .":   "only a tag",
		"--platform linux/s390x .":       "linux/s390x cannot be built",
		"--platform linux/amd64,bsd/x .": "cannot be built",
		"--squash .":                     "--squash",
		"--network host .":               "--network=host",
		"--ssh default .":                "--ssh",
		"--allow security.insecure .":    "--allow",
		"--add-host a:1.2.3.4 .":         "--add-host",
		"--build-context a=b .":          "--build-context",
		"--output out .":                 "writes files",
		"--output type=local,dest=out .": "output type local",
		"--secret src=x .":               "no id",
		"--secret id=a,src=/none/x .":    "/none/x",
		"--label =x .":                   "no name",
		"--unheard-of .":                 "unheard-of",
		"--privileged .":                 "privileged",
	} {
		if _, err := parseBuild(strings.Fields(args), environment); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: err %v, want %q", args, err, want)
		}
	}
}

const digest = "0123456789012345678901234567890123456789012345678901234567890123"

func TestBuildctlArguments(t *testing.T) {
	b, err := parseBuildctl(strings.Fields("--frontend=dockerfile.v0 --local context=src --local dockerfile=apart --opt filename=Containerfile --opt target=full --opt build-arg:WHO=x --opt label:a=b --opt platform="+platform()+" --export-cache type=inline --import-cache type=registry,ref=a --output type=image,name=a:1,push=true"), environment)
	if err != nil {
		t.Fatal(err)
	}
	if b.context != "src" || b.file != "apart/Containerfile" || b.Target != "full" || b.Args["WHO"] != "x" || b.Labels["a"] != "b" || !b.push || !slices.Equal(b.tags, []string{"docker.io/library/a:1"}) {
		t.Errorf("%+v", b)
	}
	for args, want := range map[string]string{
		"--frontend gateway.v0 --opt source=evil/frontend --local context=.": "gateway.v0",
		"--frontend dockerfile.v0":                                                                     "context is missing",
		"--frontend dockerfile.v0 --local context=. --local other=.":                                   "--local other=.",
		"--frontend dockerfile.v0 --local context=. --allow network.host":                              "allow",
		"--frontend dockerfile.v0 --local context=. --opt network=host":                                "network",
		"--frontend dockerfile.v0 --local context=. --opt cmdline=evil/frontend":                       "cmdline",
		"--frontend dockerfile.v0 --local context=. --output type=tar,dest=x":                          "output type tar",
		"--frontend dockerfile.v0 --local context=. --opt attest:sbom=generator=evil":                  "attest:sbom",
		"--frontend dockerfile.v0 --local context=. surplus":                                           "surplus",
		"--frontend dockerfile.v0 --local context=. --opt platform=linux/none":                         "linux/none",
		"--frontend dockerfile.v0 --local context=. --opt build-arg:A=b --output type=image,push=true": "needs a name",
	} {
		if _, err := parseBuildctl(strings.Fields(args), environment); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: err %v, want %q", args, err, want)
		}
	}
}

func TestIgnoredFilesAreNotSent(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{".dockerignore": "node_modules\n*.log\n!keep.log\nDockerfile\n", "apart.dockerignore": "b\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	skip, err := ignored(dir, "Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"node_modules/a": true, "a.log": true, "keep.log": false, "Dockerfile": false, ".dockerignore": false, "a": false} {
		if got := skip(name, false); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if skip, err = ignored(dir, "apart"); err != nil || skip("a.log", false) || !skip("b", true) {
		t.Errorf("the Dockerfile's own list is not the one that counts, err %v", err)
	}
}

func FuzzBuildArguments(f *testing.F) {
	for _, seed := range []string{"-t a:1 .", "--secret id=a,env=B -o type=image,name=a,b .", "--build-arg A --label x= --platform linux/amd64 -f - -", "-t\x00-f\x00--", "--output\x00\"a\x00."} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, line string, ctl bool) {
		args := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == 0 })
		// Secrets from files would read this machine's.
		args = slices.DeleteFunc(args, func(a string) bool { return strings.Contains(a, "src") || strings.Contains(a, "source") })
		parse := parseBuild
		if ctl {
			parse = parseBuildctl
		}
		b, err := parse(args, environment)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		if b.context == "" && ctl {
			t.Fatalf("%q has no context", args)
		}
		for _, tag := range b.tags {
			if again, err := parseTag(tag); err != nil || again.String() != tag {
				t.Fatalf("tag %q is not a full name: %v", tag, err)
			}
		}
	})
}
