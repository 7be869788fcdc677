package runjob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"slipway.dev/pipelines/jobapi/wire"
)

// setting of git's configuration.
type setting struct{ section, of, key, value string }

func (s setting) name() string { return s.section + "." + s.of + "." + s.key }

// setOrigin lets git know where the history is from, and how to read it there.
func (a *attempt) setOrigin(root *os.Root, url string) error {
	if url == "" {
		return nil
	}
	list := []setting{{"remote", "origin", "url", url}, {"remote", "origin", "fetch", "+refs/heads/*:refs/remotes/origin/*"}}
	return configure(root, append(list, a.credentials()...))
}

// credentials for this server: the token of the attempt, which the environment has and
// no file. They are not sent to any other place.
func (a *attempt) credentials() []setting {
	c := a.job.Checkout
	if c.Server == "" || c.User == "" {
		return nil
	}
	list := []setting{
		{"credential", c.Server, "username", c.User},
		{"credential", c.Server, "helper", `!f() { test "$1" = get && echo "password=$CI_JOB_TOKEN"; }; f`},
	}
	if a.CAFile != "" && strings.HasPrefix(c.Server, "https:") {
		list = append(list, setting{"http", c.Server, "sslCAInfo", a.CAFile})
	}
	return list
}

// gitEnv gives the same to git wherever it is called, unless the job has settings of its own.
func (a *attempt) gitEnv(env []string) []string {
	list := a.credentials()
	if len(list) == 0 || lookup(env, "GIT_CONFIG_COUNT") != "" {
		return nil
	}
	out := []string{"GIT_CONFIG_COUNT=" + strconv.Itoa(len(list))}
	for i, s := range list {
		out = append(out, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, s.name()), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, s.value))
	}
	return out
}

// configure adds settings to those of the repository at root; nothing where it is none.
func configure(root *os.Root, list []setting) error {
	f, err := root.OpenFile(".git/config", os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var b strings.Builder
	for i, s := range list {
		if i == 0 || list[i-1].section != s.section || list[i-1].of != s.of {
			fmt.Fprintf(&b, "[%s \"%s\"]\n", s.section, quote.Replace(s.of))
		}
		fmt.Fprintf(&b, "\t%s = \"%s\"\n", s.key, quote.Replace(s.value))
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}

// caFile of the server's authority; empty where it has none of its own.
func caFile(credentials string) string {
	name := filepath.Join(credentials, wire.CAFile)
	if info, err := os.Stat(name); err != nil || info.Size() == 0 {
		return ""
	}
	return name
}
