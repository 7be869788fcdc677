package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"slipway.dev/pipelines/engine/runner/runjob"
	"slipway.dev/pipelines/jobapi/wire"
)

// hub is the name under which config.json has Docker Hub.
const hub = "https://index.docker.io/v1/"

// login checks a password for our registry. That of another is kept for the programs
// that read docker's config.json; nothing is pushed there from here.
func (t *tool) login(ctx context.Context, args []string) error {
	f := flags("login")
	user := f.StringP("username", "u", "", "")
	password := f.StringP("password", "p", "", "")
	input := f.Bool("password-stdin", false, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	host := registryHost(f.Arg(0))
	if *input {
		text, err := io.ReadAll(io.LimitReader(t.in, 64<<10))
		if err != nil {
			return err
		}
		*password = strings.TrimRight(string(text), "\r\n")
	}
	if *user == "" || *password == "" {
		return errors.New("login: give a user with -u and a password with --password-stdin, as: echo \"$CI_REGISTRY_PASSWORD\" | docker login -u \"$CI_REGISTRY_USER\" --password-stdin $CI_REGISTRY")
	}
	if host != wire.Registry {
		fmt.Fprintf(t.errOut, "WARNING: the credentials of %s are not checked. They are kept in %s for other programs; docker push here reaches %s only.\n", host, filepath.Join(t.configDir, "config.json"), wire.Registry)
	} else if err := t.checkLogin(ctx, *user, *password); err != nil {
		return err
	}
	if err := t.configure(func(auths map[string]any) { auths[host] = map[string]string{"auth": basic(*user, *password)} }); err != nil {
		return err
	}
	fmt.Fprintln(t.out, "Login Succeeded")
	return nil
}

func (t *tool) checkLogin(ctx context.Context, user, password string) error {
	c, err := t.client()
	if err != nil {
		return err
	}
	err = c.Send(ctx, http.MethodPost, "/docker/login", "application/json", runjob.JSONBody(wire.DockerLogin{User: user, Password: password}))
	if err != nil {
		return fmt.Errorf("login: %s: %w", wire.Registry, err)
	}
	return nil
}

func (t *tool) logout(args []string) error {
	if len(args) > 1 {
		return errors.New("logout: write docker logout [REGISTRY]")
	}
	host := registryHost(strings.Join(args, ""))
	if err := t.configure(func(auths map[string]any) { delete(auths, host) }); err != nil {
		return err
	}
	fmt.Fprintln(t.out, "Removing login credentials for", host)
	return nil
}

func registryHost(text string) string {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "https://"), "http://")
	host, _, _ := strings.Cut(text, "/")
	switch host {
	case "", "docker.io", "index.docker.io", "registry-1.docker.io":
		return hub
	}
	return host
}

// configure changes the credentials in config.json and leaves what else is in it.
func (t *tool) configure(change func(auths map[string]any)) error {
	file := filepath.Join(t.configDir, "config.json")
	config := map[string]any{}
	if data, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(data, &config); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	auths, _ := config["auths"].(map[string]any)
	if auths == nil {
		auths = map[string]any{}
	}
	change(auths)
	config["auths"] = auths
	data, err := json.MarshalIndent(config, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(t.configDir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

func (t *tool) info(args []string) error {
	f := flags("info")
	format := f.StringP("format", "f", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *format != "" {
		return t.show(*format, map[string]any{"ServerVersion": Version, "OSType": "linux", "Architecture": machine(), "Driver": "buildkit", "Name": "slipway", "ID": "slipway"})
	}
	fmt.Fprintf(t.out, "Client:\n Version:    %s\n Context:    default\n\nServer:\n Server Version: %s (BuildKit of the Slipway server; no daemon in the job)\n OSType: linux\n Architecture: %s\n Registry: %s\n", Version, Version, machine(), wire.Registry)
	return nil
}

func (t *tool) version(args []string) error {
	f := flags("version")
	format := f.StringP("format", "f", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *format != "" {
		side := map[string]any{"Version": Version, "APIVersion": "1.48", "Os": "linux", "Arch": strings.TrimPrefix(platform(), "linux/")}
		return t.show(*format, map[string]any{"Client": side, "Server": side})
	}
	fmt.Fprintf(t.out, "Client:\n Version:           %s\n OS/Arch:           %s\n\nServer: Slipway (BuildKit)\n Engine:\n  Version:          %s\n  OS/Arch:          %s\n", Version, platform(), Version, platform())
	return nil
}

func machine() string {
	switch platform() {
	case "linux/amd64":
		return "x86_64"
	case "linux/arm64":
		return "aarch64"
	}
	return strings.TrimPrefix(platform(), "linux/")
}
