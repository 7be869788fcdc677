package docker

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"slipway.dev/pipelines/jobapi/wire"
)

// buildArgs is a build as the command line asks for it.
type buildArgs struct {
	wire.DockerBuild
	// context directory, or "-" for standard input; file is the Dockerfile's path.
	context, file        string
	tags                 []string
	push, quiet          bool
	idFile, metadataFile string
}

// maxSecret bounds one secret of a build.
const maxSecret = 512 << 10

// parseBuild reads the arguments of docker build and docker buildx build.
func parseBuild(args []string, env func(string) string) (*buildArgs, error) {
	b := &buildArgs{DockerBuild: wire.DockerBuild{Args: map[string]string{}, Labels: map[string]string{}, Secrets: map[string][]byte{}}}
	f := flags("build")
	var platforms, outputs, buildArg, labels, secrets, ssh, contexts, allow, hosts []string
	var network, squash string
	f.StringArrayVarP(&b.tags, "tag", "t", nil, "")
	f.StringVarP(&b.file, "file", "f", "", "")
	f.StringArrayVar(&buildArg, "build-arg", nil, "")
	f.StringArrayVar(&labels, "label", nil, "")
	f.StringVar(&b.Target, "target", "", "")
	f.BoolVar(&b.push, "push", false, "")
	f.BoolVar(&b.NoCache, "no-cache", false, "")
	f.BoolVar(&b.Pull, "pull", false, "")
	f.BoolVarP(&b.quiet, "quiet", "q", false, "")
	f.StringVar(&b.idFile, "iidfile", "", "")
	f.StringVar(&b.metadataFile, "metadata-file", "", "")
	f.StringArrayVar(&platforms, "platform", nil, "")
	f.StringArrayVarP(&outputs, "output", "o", nil, "")
	f.StringArrayVar(&secrets, "secret", nil, "")
	f.StringArrayVar(&ssh, "ssh", nil, "")
	f.StringArrayVar(&contexts, "build-context", nil, "")
	f.StringArrayVar(&allow, "allow", nil, "")
	f.StringArrayVar(&hosts, "add-host", nil, "")
	f.StringVar(&network, "network", "", "")
	f.StringVar(&squash, "squash", "", "")
	f.Lookup("squash").NoOptDefVal = "true"
	// What changes nothing here: there is one builder with one cache, which every build
	// of the namespace uses anyway, and limits are the server's.
	for _, name := range []string{"cache-from", "cache-to"} {
		f.StringArray(name, nil, "")
	}
	for _, name := range []string{"builder", "progress", "provenance", "sbom", "attest", "isolation", "memory-swap", "shm-size", "cpuset-cpus", "cpuset-mems", "ulimit", "cgroup-parent", "call", "annotation"} {
		f.StringArray(name, nil, "")
	}
	f.StringArrayP("memory", "m", nil, "")
	f.StringArrayP("cpu-shares", "c", nil, "")
	for _, name := range []string{"rm", "force-rm", "compress", "load", "disable-content-trust"} {
		f.Bool(name, false, "")
	}
	if err := f.Parse(args); err != nil {
		return nil, fmt.Errorf("build: %w; this option is not one that works without a daemon", err)
	}
	if f.NArg() != 1 {
		return nil, fmt.Errorf("build: one context is needed, as `docker build .`; got %d", f.NArg())
	}
	b.context = f.Arg(0)
	for list, option := range map[*[]string]string{&ssh: "--ssh", &contexts: "--build-context", &allow: "--allow", &hosts: "--add-host"} {
		if len(*list) > 0 {
			return nil, fmt.Errorf("build: %s is not available here; leave it out", option)
		}
	}
	switch {
	case squash == "true":
		return nil, errors.New("build: --squash is not available here; leave it out, or use a second stage with COPY --from")
	case network != "" && network != "default":
		return nil, fmt.Errorf("build: --network=%s is not available here; RUN has a network of its own that reaches the outside", network)
	}
	if err := b.options(platforms, outputs, buildArg, labels, secrets, env); err != nil {
		return nil, err
	}
	return b, b.check()
}

// options are what docker and buildctl have alike.
func (b *buildArgs) options(platforms, outputs, buildArg, labels, secrets []string, env func(string) string) error {
	for _, p := range platforms {
		if err := b.platform(p); err != nil {
			return err
		}
	}
	for _, o := range outputs {
		if err := b.output(o); err != nil {
			return err
		}
	}
	for _, a := range buildArg {
		name, value, given := strings.Cut(a, "=")
		if !given {
			value = env(name)
		}
		if name == "BUILDKIT_INLINE_CACHE" || name == "BUILDKIT_PROGRESS" {
			continue // there is one cache, and it needs no help
		}
		b.Args[name] = value
	}
	for _, l := range labels {
		name, value, _ := strings.Cut(l, "=")
		if name == "" {
			return fmt.Errorf("build: label %q has no name", l)
		}
		b.Labels[name] = value
	}
	for _, s := range secrets {
		if err := b.secret(s, env); err != nil {
			return err
		}
	}
	return nil
}

func (b *buildArgs) platform(text string) error {
	own := platform()
	for p := range strings.SplitSeq(text, ",") {
		switch p = strings.TrimSpace(p); p {
		case "", "local", own, own + "/v8", strings.TrimPrefix(own, "linux/"), "linux/x86_64":
		default:
			return fmt.Errorf("build: platform %s cannot be built on this machine, which is %s; leave it out of --platform", p, own)
		}
	}
	return nil
}

// output of buildx and buildctl: an image, or nothing said.
func (b *buildArgs) output(text string) error {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return fmt.Errorf("build: output %q: %w", text, err)
	}
	kind := ""
	for _, f := range fields {
		key, value, ok := strings.Cut(f, "=")
		switch {
		case !ok && len(fields) == 1:
			return fmt.Errorf("build: --output=%s writes files, which is not available here; build an image and take files out of it with a job that has it as `image`", text)
		case key == "type":
			kind = value
		case key == "push":
			b.push = b.push || value == "true"
		case key == "name":
			b.tags = append(b.tags, strings.Split(value, ",")...)
		}
	}
	switch kind {
	case "image", "docker", "":
	case "registry":
		b.push = true
	default:
		return fmt.Errorf("build: output type %s is not available here; use type=image or type=registry", kind)
	}
	return nil
}

// secret as id=ID,env=NAME or id=ID,src=FILE; without either the variable ID.
func (b *buildArgs) secret(text string, env func(string) string) error {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return fmt.Errorf("build: secret: %w", err)
	}
	var id, variable, file, kind string
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "id":
			id = value
		case "env":
			variable = value
		case "src", "source":
			file = value
		case "type":
			kind = value
		default:
			return fmt.Errorf("build: secret: %q is not known; write id=NAME,env=VARIABLE or id=NAME,src=FILE", key)
		}
	}
	if id == "" {
		return errors.New("build: secret has no id; write id=NAME,env=VARIABLE or id=NAME,src=FILE")
	}
	if kind == "env" && variable == "" {
		variable, file = file, ""
	}
	if file == "" {
		if variable == "" {
			variable = id
		}
		b.Secrets[id] = []byte(env(variable))
		return nil
	}
	r, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("build: secret %s: %w", id, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err != nil {
		return fmt.Errorf("build: secret %s: %w", id, err)
	}
	if len(data) > maxSecret {
		return fmt.Errorf("build: secret %s: %s is longer than %d bytes", id, file, maxSecret)
	}
	b.Secrets[id] = data
	return nil
}

// check what is known before anything is sent.
func (b *buildArgs) check() error {
	for i, t := range b.tags {
		n, err := parseTag(strings.TrimSpace(t))
		if err != nil {
			return fmt.Errorf("build: %w", err)
		}
		b.tags[i] = n.String()
	}
	b.tags = slices.Compact(b.tags)
	if b.push && len(b.tags) == 0 {
		return errors.New("build: --push needs a name; give one with -t")
	}
	if strings.Contains(b.context, "://") || strings.HasPrefix(b.context, "git@") {
		return fmt.Errorf("build: the context %q is an address; fetch it in the script and name the directory", b.context)
	}
	return nil
}
