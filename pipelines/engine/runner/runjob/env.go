package runjob

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"slipway.dev/pipelines/jobapi/wire"
)

const (
	// maxArg is the longest NAME=value that Linux passes to a program, with room to spare.
	maxArg = 120 << 10
	// maxEnv is what the environment may have together; the kernel's limit is 2 MiB with
	// the arguments, which programs need too.
	maxEnv = 1 << 20
)

// environment is the container's, then the job's. What programs cannot be given, because
// Linux limits it, is returned as shell variables.
func (a *attempt) environment() (env []string, shell []string, err error) {
	for _, e := range a.Environ {
		if !strings.HasPrefix(e, "TEKTON_") {
			env = append(env, e)
		}
	}
	path := lookup(a.Environ, "PATH")
	var files string
	for i := range a.job.Env {
		v := &a.job.Env[i]
		value := v.Text()
		if v.File {
			if files == "" {
				files = a.project + wire.FilesSuffix
				if err := os.MkdirAll(files, 0o700); err != nil {
					return nil, nil, fmt.Errorf("file variables: %w", err)
				}
			}
			name := filepath.Join(files, filepath.Base(v.Name))
			if err := os.WriteFile(name, []byte(value), 0o600); err != nil {
				return nil, nil, fmt.Errorf("variable %s: %w", v.Name, err)
			}
			value = name
		}
		if strings.ContainsRune(value, 0) {
			a.warn("variable %s has a zero byte, which no environment can hold; make it a file variable", v.Name)
			continue
		}
		if v.Name == "PATH" {
			path = value
			continue
		}
		env = append(env, v.Name+"="+value)
	}
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	env = append(env, "PATH="+a.shimDir()+":"+path+":"+filepath.Join(a.scratch, "bin"), "CI_PROJECT_DIR="+a.project, "PWD="+a.project, "CI_JOB_STATUS="+running)
	env = append(env, a.gitEnv(env)...)
	env, shell = fit(env)
	for _, v := range shell {
		name, value, _ := strings.Cut(v, "=")
		a.warn("variable %s has %d bytes, more than Linux passes to programs: only the shell itself has it; make it a file variable", name, len(value))
	}
	return env, shell, nil
}

// fit takes out what is too long, and then the longest until the rest fits.
func fit(env []string) (kept, out []string) {
	total := 0
	for _, e := range env {
		total += len(e) + 9 // its end and a pointer
	}
	longest := slices.Clone(env)
	slices.SortStableFunc(longest, func(a, b string) int { return len(b) - len(a) })
	for _, e := range longest {
		if len(e) <= maxArg && total <= maxEnv {
			break
		}
		total -= len(e) + 9
		out = append(out, e)
	}
	kept = slices.DeleteFunc(slices.Clone(env), func(e string) bool { return slices.Contains(out, e) })
	return kept, out
}

func lookup(env []string, name string) string {
	value := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}
