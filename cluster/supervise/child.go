package supervise

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Child says what to run. Args must hold no secret: every user of the machine
// can read them.
type Child struct {
	Name string   // file name of its pid file and log; letters, digits, - and _
	Path string   // absolute path of the program
	Args []string // without the program's name
	Env  []string // added to a minimal environment (PATH, HOME, proxies)
	Dir  string   // working directory; empty: /

	// Config lists files whose content is part of the child's identity: when
	// one has changed, a surviving child is replaced instead of adopted.
	Config []string

	// Ready is asked again and again until it returns nil; nil means that a
	// started process is ready.
	Ready func(context.Context) error

	// Fresh children are never adopted: what a killed server left is stopped, and started
	// anew. It is for those that come back sooner so than by their own back-off.
	Fresh bool

	// Stays is a child that Leave lets go of, for the next server to adopt: what happens to
	// what it looks after is not lost meanwhile.
	Stays bool

	// Hold says how long a start has to be put off, which one that is adopted is not. nil:
	// not at all. It should answer within seconds.
	Hold func() time.Duration

	StopSignal syscall.Signal // default SIGTERM
	StopGrace  time.Duration  // before SIGKILL; default 10 s
}

var childName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

func (c *Child) check() error {
	switch {
	case !childName.MatchString(c.Name):
		return fmt.Errorf("child %q: name must be lower-case letters, digits, - and _", c.Name)
	case !filepath.IsAbs(c.Path):
		return fmt.Errorf("child %s: path %q is not absolute", c.Name, c.Path)
	}
	return nil
}

func (c *Child) argv() []string { return append([]string{c.Path}, c.Args...) }

// inherited are the variables of the server that a child may see. The rest
// stays behind, because the server's environment may carry credentials.
var inherited = []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}

func (c *Child) environ(marker string) []string {
	var env []string
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(append(env, c.Env...), markerEnv+"="+marker)
}

// identity hashes everything that makes a running child the wrong one when it
// has changed: the program file, arguments, own environment, configuration.
func (c *Child) identity() (string, error) {
	st, err := os.Stat(c.Path)
	if err != nil {
		return "", fmt.Errorf("child %s: program: %w", c.Name, err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\x00%d\x00%d\x00", c.Path, st.Size(), st.ModTime().UnixNano())
	fmt.Fprintf(sum, "%s\x00%s\x00%s\x00", strings.Join(c.Args, "\x00"), strings.Join(c.Env, "\x00"), c.Dir)
	for _, name := range slices.Sorted(slices.Values(c.Config)) {
		data, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("child %s: configuration: %w", c.Name, err)
		}
		fmt.Fprintf(sum, "%s\x00%d\x00", name, len(data))
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (c *Child) hold() time.Duration {
	if c.Hold == nil {
		return 0
	}
	return c.Hold()
}

func (c *Child) stopSignal() syscall.Signal {
	if c.StopSignal == 0 {
		return syscall.SIGTERM
	}
	return c.StopSignal
}

func (c *Child) stopGrace() time.Duration {
	if c.StopGrace == 0 {
		return 10 * time.Second
	}
	return c.StopGrace
}
