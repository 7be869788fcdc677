package docker

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"slipway.dev/pipelines/jobapi/wire"
)

// buildctl runs `buildctl build`; the daemon is the server's whatever --addr says.
func (t *tool) buildctl(ctx context.Context, args []string) error {
	global := flags("buildctl")
	global.SetInterspersed(false)
	version := global.BoolP("version", "v", false, "")
	for _, f := range []string{"addr", "log-format", "tlsservername", "tlscacert", "tlscert", "tlskey", "tlsdir", "timeout"} {
		global.String(f, "", "")
	}
	global.Bool("debug", false, "")
	global.Bool("wait", false, "")
	if err := global.Parse(args); err != nil {
		return err
	}
	args = global.Args()
	switch {
	case *version:
		fmt.Fprintln(t.out, "buildctl github.com/moby/buildkit slipway")
		return nil
	case len(args) > 0 && (args[0] == "build" || args[0] == "b"):
		b, err := parseBuildctl(args[1:], t.env)
		if err != nil {
			return err
		}
		return t.make(ctx, b)
	case len(args) > 0 && (args[0] == "prune" || args[0] == "du"):
		return nil
	case len(args) > 1 && args[0] == "debug" && args[1] == "workers":
		fmt.Fprintf(t.out, "ID\tPLATFORMS\nslipway\t%s\n", platform())
		return nil
	}
	return refuse("buildctl", strings.Join(args[:min(1, len(args))], ""))
}

// parseBuildctl reads the arguments of buildctl build for the Dockerfile frontend.
func parseBuildctl(args []string, env func(string) string) (*buildArgs, error) {
	b := &buildArgs{DockerBuild: wire.DockerBuild{Args: map[string]string{}, Labels: map[string]string{}, Secrets: map[string][]byte{}}}
	f := flags("buildctl build")
	frontend := f.String("frontend", "", "")
	locals := f.StringArray("local", nil, "")
	opts := f.StringArray("opt", nil, "")
	outputs := f.StringArrayP("output", "o", nil, "")
	secrets := f.StringArray("secret", nil, "")
	f.BoolVar(&b.NoCache, "no-cache", false, "")
	f.StringVar(&b.metadataFile, "metadata-file", "", "")
	for _, n := range []string{"export-cache", "import-cache", "progress", "trace", "ref-file", "debug-json-cache-metrics"} {
		f.StringArray(n, nil, "")
	}
	if err := f.Parse(args); err != nil {
		return nil, fmt.Errorf("build: %w; this option is not one that works without a daemon", err)
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("build: %q is not an option", f.Arg(0))
	}
	if *frontend != "dockerfile.v0" {
		return nil, fmt.Errorf("build: frontend %q is not available here; use --frontend dockerfile.v0", *frontend)
	}
	dirs := map[string]string{}
	for _, l := range *locals {
		name, dir, ok := strings.Cut(l, "=")
		if !ok || name != "context" && name != "dockerfile" {
			return nil, fmt.Errorf("build: --local %s: write context=DIR or dockerfile=DIR", l)
		}
		dirs[name] = dir
	}
	if dirs["context"] == "" {
		return nil, fmt.Errorf("build: the context is missing; add --local context=.")
	}
	b.context = dirs["context"]
	filename := "Dockerfile"
	var platforms, buildArgs, labels []string
	for _, o := range *opts {
		key, value, _ := strings.Cut(o, "=")
		switch {
		case key == "filename":
			filename = value
		case key == "target":
			b.Target = value
		case key == "platform":
			platforms = append(platforms, value)
		case key == "no-cache":
			b.NoCache = true
		case key == "image-resolve-mode":
			b.Pull = value == "pull"
		case strings.HasPrefix(key, "build-arg:"):
			buildArgs = append(buildArgs, strings.TrimPrefix(key, "build-arg:")+"="+value)
		case strings.HasPrefix(key, "label:"):
			labels = append(labels, strings.TrimPrefix(key, "label:")+"="+value)
		default:
			return nil, fmt.Errorf("build: --opt %s is not available here", key)
		}
	}
	b.file = filepath.Join(first(dirs["dockerfile"], b.context), filename)
	if err := b.options(platforms, *outputs, buildArgs, labels, *secrets, env); err != nil {
		return nil, err
	}
	return b, b.check()
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
