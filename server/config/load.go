package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// envPrefix is what the names of variables begin with that the server, its clients or its
// children read.
const envPrefix = "SLIPWAY_"

// others read these: clients, jobs, the tests, and the server's own children.
var others = []string{
	"SERVER", "TOKEN", "TOKEN_FILE", "CA_FILE", "NAMESPACE", "CONFIG", "CHILD", "PAYLOAD", "DEBUG",
	"ATTEMPT", "APP", "URL", "PICTURE", "JOB_*", "RENDER_*", "BENCH_*", "E2E_*", "DOCKER_*",
}

// Load completes c, whose flags fs has parsed: file (if not empty), then the
// environment, then the flags that were given. It refuses what does not fit,
// with the file's line and column.
func Load(c *Config, fs *pflag.FlagSet, file string) error {
	given := map[string]string{}
	fs.Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
	if file != "" {
		if err := readFile(c, file); err != nil {
			return err
		}
	}
	errs := unknownEnv(fs, os.Environ())
	fs.VisitAll(func(f *pflag.Flag) {
		v, ok := os.LookupEnv(envName(f.Name))
		if _, also := given[f.Name]; !ok || also {
			return
		}
		if err := f.Value.Set(v); err != nil {
			errs = append(errs, fmt.Errorf("environment %s: %w", envName(f.Name), err))
		}
	})
	for name, v := range given {
		if err := fs.Lookup(name).Value.Set(v); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.complete()
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// unknownEnv refuses variables of ours that nobody reads: they were meant to say something.
func unknownEnv(fs *pflag.FlagSet, environ []string) (errs []error) {
	known := map[string]bool{}
	fs.VisitAll(func(f *pflag.Flag) { known[envName(f.Name)] = true })
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		rest, ours := strings.CutPrefix(name, envPrefix)
		if !ours || known[name] || slices.ContainsFunc(others, func(o string) bool {
			family, many := strings.CutSuffix(o, "*")
			return rest == o || many && strings.HasPrefix(rest, family)
		}) {
			continue
		}
		errs = append(errs, fmt.Errorf("environment %s: no such setting; `slipway server --help` lists them, each as a flag", name))
	}
	return errs
}

// readFile takes one document and nothing behind it.
func readFile(c *Config, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b), yaml.DisallowUnknownField())
	err = d.Decode(c)
	if errors.Is(err, io.EOF) {
		return nil // nothing, or comments only
	}
	if err != nil {
		return fmt.Errorf("configuration %s: %s", file, yaml.FormatError(err, false, true))
	}
	var more any
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return fmt.Errorf("configuration %s: a second document (---), which nobody would read; make it one", file)
	}
	return nil
}
