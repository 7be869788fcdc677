package runjob

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"slipway.dev/pipelines/jobapi/wire"
)

// VerbName is the name by which scripts call this program.
const VerbName = "slipway"

// OptionsHeader carries the JSON of a wire.Build whose context is the body.
const OptionsHeader = "options"

const usage = `usage: slipway build [--file Dockerfile] [--target stage] [--image name] [--build-arg NAME=VALUE]... [context]
       slipway deploy [--path dir] [--renderer plain|kustomize|helm] [application]`

// Verb runs `slipway build` or `slipway deploy` inside a job's script.
func Verb(args []string, out, errOut io.Writer) int {
	if len(args) == 0 {
		fmt.Fprintln(errOut, usage)
		return 2
	}
	c, err := NewClient(os.Getenv)
	if err != nil {
		fmt.Fprintln(errOut, "slipway:", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch args[0] {
	case "build":
		err = build(ctx, c, args[1:], out, errOut)
	case "deploy":
		err = deploy(ctx, c, args[1:], out, errOut)
	default:
		fmt.Fprintf(errOut, "slipway: no verb %q inside a job\n%s\n", args[0], usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(errOut, "slipway:", err)
		return 1
	}
	return 0
}

// build uploads the context directory, so that what the script made is in it.
func build(ctx context.Context, c *Client, args []string, out, errOut io.Writer) error {
	fs := flag.NewFlagSet("build", flag.ContinueOnError)
	fs.SetOutput(errOut)
	b := wire.Build{Uploaded: true, Args: map[string]string{}}
	for _, n := range []string{"file", "f"} {
		fs.StringVar(&b.Dockerfile, n, "", "Dockerfile, within the context")
	}
	fs.StringVar(&b.Target, "target", "", "stage to build")
	for _, n := range []string{"image", "tag", "t"} {
		fs.StringVar(&b.Image, n, "", "image name to push, without tag")
	}
	fs.Func("build-arg", "NAME=VALUE", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			value = os.Getenv(name)
		}
		b.Args[name] = value
		return nil
	})
	if err := fs.Parse(args); err != nil {
		return err
	}
	dir := "."
	if fs.NArg() > 0 {
		dir = fs.Arg(0)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if b.Dockerfile != "" {
		p, err := filepath.Abs(b.Dockerfile)
		if err != nil {
			return err
		}
		if rel, err := filepath.Rel(abs, p); err == nil && filepath.IsLocal(rel) {
			b.Dockerfile = filepath.ToSlash(rel)
		}
	}
	options, err := json.Marshal(b)
	if err != nil {
		return err
	}
	path := "/build?" + OptionsHeader + "=" + base64.RawURLEncoding.EncodeToString(options)
	return c.Ask(ctx, path, "application/gzip", Piped(func(w io.Writer) error { return TarDir(w, abs, nil) }), out)
}

func deploy(ctx context.Context, c *Client, args []string, out, errOut io.Writer) error {
	fs := flag.NewFlagSet("deploy", flag.ContinueOnError)
	fs.SetOutput(errOut)
	var d wire.Deploy
	fs.StringVar(&d.Path, "path", "", "directory of the manifests")
	fs.StringVar(&d.Renderer, "renderer", "", "plain, kustomize or helm")
	if err := fs.Parse(args); err != nil {
		return err
	}
	d.Application = fs.Arg(0)
	return c.Ask(ctx, "/deploy", "application/json", JSONBody(d), out)
}
