package git

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apiserver/pkg/authentication/user"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/refs"
)

// guard is what the process that takes a push has to hold to.
type guard struct {
	// pack is the largest in bytes, and limit what says so.
	pack  int64
	limit string
	// file is the largest in bytes; 0: any.
	file int64
	// noForce are the refs from which nothing may be taken away.
	noForce []string
}

// maxNoForce is how many bytes of names reach the hook in its environment.
const maxNoForce = 100 << 10

// protect refuses what the rules of the repository do not allow, as far as names tell,
// and says what is to be looked at once the objects are there.
func protect(repo *v1alpha1.Repository, u user.Info, p push, g *guard) error {
	size := 0
	for _, c := range p.commands {
		r := refs.Rule(&repo.Spec, c.ref)
		if r == nil {
			continue
		}
		kind, name := "branch", strings.TrimPrefix(c.ref, "refs/heads/")
		tag, isTag := strings.CutPrefix(c.ref, "refs/tags/")
		if isTag {
			kind, name = "tag", tag
		}
		refusal := func(what string) error {
			return fmt.Errorf("%s %s is protected: %s (rule %q of spec.protect of repository %s)", kind, name, what, r.Pattern, repo.Name)
		}
		switch {
		case !refs.Pusher(r, u.GetName(), u.GetGroups()):
			return refusal(u.GetName() + " may not push to it")
		case c.new == zeroHash && !r.AllowDelete:
			return refusal("it may not be deleted")
		case c.new == zeroHash || c.old == zeroHash || r.AllowForce:
		case isTag:
			return refusal("a tag that is there may not be moved")
		default:
			g.noForce = append(g.noForce, c.ref)
			if size += len(c.ref) + 1; size > maxNoForce {
				return fmt.Errorf("too many protected branches at once: %w; push them in parts", ErrLimit)
			}
		}
	}
	return nil
}

// limitsOf a push are the server's, and below them those of the repository.
func (h *Host) limitsOf(repo *v1alpha1.Repository, p push, dir string) (guard, error) {
	g := guard{pack: h.maxPack(), limit: "the server's limit of one push"}
	if repo == nil || repo.Spec.Limits == nil {
		return g, nil
	}
	l := repo.Spec.Limits
	name := " of repository " + repo.Name
	if n, ok := bytesOf(l.Pack); ok && n < g.pack {
		g.pack, g.limit = n, "spec.limits.pack"+name
	}
	if n, ok := bytesOf(l.File); ok {
		g.file = n
	}
	n, ok := bytesOf(l.Total)
	if !ok || !slices.ContainsFunc(p.commands, func(c command) bool { return c.new != zeroHash }) {
		return g, nil
	}
	have, err := sizeOf(filepath.Join(dir, "objects"))
	if err != nil {
		return g, err
	}
	if have >= n {
		return g, fmt.Errorf("the repository has %s and may have %s (spec.limits.total%s): %w; raise it, or push to another repository", quantity(have), quantity(n), name, ErrLimit)
	}
	if n-have < g.pack {
		g.pack, g.limit = n-have, "what spec.limits.total"+name+" ("+quantity(n)+") leaves"
	}
	return g, nil
}

func bytesOf(q *resource.Quantity) (int64, bool) {
	if q == nil {
		return 0, false
	}
	return max(q.Value(), 1), true // git takes 0 for no limit
}

func quantity(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }

// sizeOf all files below dir; one that goes meanwhile does not count.
func sizeOf(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return err
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}

// tooLarge names the limit that a push was over; empty where it was not.
func (g guard) tooLarge(taken int64) string {
	if taken <= g.pack {
		return ""
	}
	return fmt.Sprintf("The push is larger than %s, %s. Nothing of it was taken.", quantity(g.pack), g.limit)
}

// hooked says whether the objects of the push have to be looked at.
func (g guard) hooked() bool { return g.file > 0 || len(g.noForce) > 0 }

// args and env of the process; hooks is the directory with our hook.
func (g guard) args(hooks string) []string {
	args := []string{"-c", "receive.maxInputSize=" + strconv.FormatInt(g.pack, 10)}
	if g.hooked() {
		args = append(args, "-c", "core.hooksPath="+hooks)
	}
	return args
}

func (g guard) env() []string {
	env := []string{envNoForce + "=" + strings.Join(g.noForce, "\n")}
	if g.file > 0 {
		env = append(env, envMaxFile+"="+strconv.FormatInt(g.file, 10))
	}
	return env
}

// countingReader says how much was taken of it.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
