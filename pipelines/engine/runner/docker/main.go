package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"slipway.dev/pipelines/engine/runner/runjob"
)

// Names by which scripts call this package.
var Names = []string{"docker", "docker-buildx", "buildctl", "buildctl-daemonless.sh"}

// Version of the docker command line that this one follows.
const Version = "28.0.0"

// tool is one call of docker or buildctl.
type tool struct {
	env    func(string) string
	client func() (*runjob.Client, error)
	store  *store
	in     io.Reader
	out    io.Writer
	errOut io.Writer
	// configDir is where docker keeps config.json.
	configDir string
}

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

// Main runs the command line name args and returns its exit code.
func Main(name string, args []string) int {
	if code, done := another(name, args); done {
		return code
	}
	t := &tool{
		env: os.Getenv, client: func() (*runjob.Client, error) { return runjob.NewClient(os.Getenv) },
		store: openStore(os.Getenv), in: os.Stdin, out: os.Stdout, errOut: os.Stderr,
		configDir: configDir(os.Getenv),
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return t.run(ctx, name, args)
}

func configDir(env func(string) string) string {
	if dir := env("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home := env("HOME")
	if home == "" {
		home = "/root"
	}
	return filepath.Join(home, ".docker")
}

func (t *tool) run(ctx context.Context, name string, args []string) int {
	var err error
	switch {
	case strings.HasPrefix(name, "buildctl"):
		err = t.buildctl(ctx, args)
	case name == "docker-buildx":
		err = t.buildx(ctx, args)
	default:
		err = t.docker(ctx, args)
	}
	var exit *exitError
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
		return 0
	case errors.As(err, &exit):
		fmt.Fprintln(t.errOut, exit.text)
		return exit.code
	default:
		fmt.Fprintf(t.errOut, "%s: %v\n", name, err)
		return 1
	}
}

// another program of the name is used where DOCKER_HOST names a daemon that is not one
// of the services that were left out.
func another(name string, args []string) (int, bool) {
	if name != "docker" || !remoteDaemon(os.Getenv("DOCKER_HOST"), os.Getenv(runjob.EnvDind)) {
		return 0, false
	}
	self, err := os.Executable()
	if err != nil {
		return 0, false
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		p := filepath.Join(dir, name)
		real, err := filepath.EvalSymlinks(p)
		if info, serr := os.Stat(p); err != nil || serr != nil || real == self || info.Mode()&0o111 == 0 || info.IsDir() {
			continue
		}
		if err := syscall.Exec(p, append([]string{name}, args...), os.Environ()); err != nil {
			fmt.Fprintln(os.Stderr, &exec.Error{Name: p, Err: err})
			return 126, true
		}
	}
	return 0, false
}

// remoteDaemon says whether host is a daemon that somebody runs elsewhere.
func remoteDaemon(host, leftOut string) bool {
	scheme, rest, ok := strings.Cut(host, "://")
	if !ok || scheme == "unix" || scheme == "npipe" || scheme == "fd" {
		return false
	}
	rest, _, _ = strings.Cut(rest, "/")
	rest, _, _ = strings.Cut(rest, ":")
	for name := range strings.FieldsSeq(leftOut + " docker localhost 127.0.0.1") {
		if rest == name {
			return false
		}
	}
	return rest != ""
}

// docker runs one command of the docker command line.
func (t *tool) docker(ctx context.Context, args []string) error {
	global := flags("docker")
	global.SetInterspersed(false)
	version := global.BoolP("version", "v", false, "")
	global.StringVar(&t.configDir, "config", t.configDir, "")
	for _, f := range []string{"tls", "tlsverify"} {
		global.Bool(f, false, "")
	}
	global.BoolP("debug", "D", false, "")
	for _, f := range []string{"tlscacert", "tlscert", "tlskey"} {
		global.String(f, "", "")
	}
	global.StringP("host", "H", "", "")
	global.StringP("context", "c", "", "")
	global.StringP("log-level", "l", "", "")
	if err := global.Parse(args); err != nil {
		return err
	}
	args = global.Args()
	if *version {
		fmt.Fprintf(t.out, "Docker version %s, build slipway\n", Version)
		return nil
	}
	if len(args) == 0 {
		return t.help(nil)
	}
	return t.command(ctx, args[0], args[1:])
}

func (t *tool) command(ctx context.Context, name string, args []string) error {
	switch name {
	case "build":
		return t.build(ctx, args, false)
	case "buildx":
		return t.buildx(ctx, args)
	case "builder":
		return t.group(ctx, name, args, map[string]string{"build": "build", "prune": "nothing"})
	case "image":
		return t.group(ctx, name, args, map[string]string{"build": "build", "tag": "tag", "push": "push", "pull": "pull",
			"ls": "images", "list": "images", "inspect": "inspect", "rm": "rmi", "remove": "rmi", "prune": "nothing"})
	case "system":
		return t.group(ctx, name, args, map[string]string{"info": "info", "prune": "nothing", "df": "nothing"})
	case "context":
		return t.group(ctx, name, args, map[string]string{"create": "nothing", "use": "nothing", "rm": "nothing", "ls": "nothing", "show": "context show"})
	case "context show":
		fmt.Fprintln(t.out, "default")
		return nil
	case "images":
		return t.images(args)
	case "tag":
		return t.tag(ctx, args)
	case "push":
		return t.push(ctx, args)
	case "pull":
		return t.pull(ctx, args)
	case "login":
		return t.login(ctx, args)
	case "logout":
		return t.logout(args)
	case "info":
		return t.info(args)
	case "version":
		return t.version(args)
	case "inspect":
		return t.inspect(args)
	case "rmi":
		return t.remove(args)
	case "help":
		return t.help(args)
	case "nothing":
		return nil
	}
	return refuse("docker", name)
}

func (t *tool) group(ctx context.Context, group string, args []string, commands map[string]string) error {
	if len(args) == 0 {
		return refuse("docker", group)
	}
	command, ok := commands[args[0]]
	if !ok {
		return refuse("docker", group+" "+args[0])
	}
	return t.command(ctx, command, args[1:])
}

// buildx knows builders by no name: there is one, and it is the server's.
func (t *tool) buildx(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return refuse("docker", "buildx")
	}
	switch args[0] {
	case "build", "b":
		return t.build(ctx, args[1:], true)
	case "version":
		fmt.Fprintln(t.out, "github.com/docker/buildx v0.20.0 slipway")
		return nil
	case "create":
		f := flags("buildx create")
		name := f.String("name", "slipway", "")
		f.ParseErrorsAllowlist.UnknownFlags = true
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		fmt.Fprintln(t.out, *name)
		return nil
	case "use", "rm", "stop", "prune", "install":
		return nil
	case "ls", "inspect":
		fmt.Fprintf(t.out, "Name:          slipway\nDriver:        slipway\nStatus:        running\nPlatforms:     %s\n", platform())
		return nil
	case "imagetools":
		return t.imagetools(ctx, args[1:])
	}
	return refuse("docker", "buildx "+args[0])
}

// instead says what to do in place of a command that needs a daemon.
var instead = map[string]string{
	"run":     "run the program in a job whose `image` is that image, or as one of its `services`",
	"compose": "list the containers as `services` of the job; build images with docker build",
	"exec":    "run the program in a job of its own, or talk to a service over its port",
	"ps":      "the job's services are in the same network, reachable by their names",
	"save":    "push the image, and pull it where it is needed", "load": "push the image to the registry in place of loading a file",
	"manifest":    "one platform is built here; push it under the tag that is needed",
	"buildx bake": "call docker build once for each target",
}

func refuse(program, command string) error {
	advice := instead[command]
	if advice == "" {
		advice = "see the page on docker in jobs; it builds, tags, pulls and pushes images"
	}
	return &exitError{1, fmt.Sprintf("%s %s: there is no Docker daemon in a job, so this is not possible; %s", program, command, advice)}
}

func (t *tool) help(args []string) error {
	commands := "build buildx builder image images info inspect login logout pull push rmi system tag version"
	if len(args) > 0 {
		for known := range strings.FieldsSeq(commands) {
			if known == args[0] {
				fmt.Fprintf(t.out, "docker %s: as Docker documents it, without a daemon\n", known)
				return nil
			}
		}
		if _, known := instead[args[0]]; !known {
			return &exitError{1, fmt.Sprintf("docker help: unknown command %q", args[0])}
		}
		return nil
	}
	fmt.Fprintf(t.out, "docker without a daemon: images are built by the server's BuildKit\n\nCommands: %s\n", commands)
	return nil
}

func flags(name string) *pflag.FlagSet {
	f := pflag.NewFlagSet(name, pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}
