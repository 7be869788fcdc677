package helm

import (
	"crypto/hmac"
	cryptorand "crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// minSeed is what a chart is rendered with: passwords come out of it.
const minSeed = 16

// random is a stream of bytes that depends on the seed and on the template: the same
// application gets the same password each time, another one a different one, and a new
// template does not change what the others got.
type random struct {
	seed   []byte
	source *rand.ChaCha8
}

func newRandom(seed []byte) (*random, error) {
	if len(seed) < minSeed {
		return nil, errors.New("a chart is rendered with a seed of at least 16 bytes")
	}
	r := &random{seed: seed}
	r.template("")
	return r, nil
}

// template begins the stream of one template. It prints nothing.
func (r *random) template(name string) string {
	mac := hmac.New(sha256.New, r.seed)
	mac.Write([]byte("template\n" + name))
	r.source = rand.NewChaCha8([32]byte(mac.Sum(nil)))
	return ""
}

// Read never fails.
func (r *random) Read(p []byte) (int, error) { return r.source.Read(p) }

var installed sync.Mutex

// install makes it what the functions of templates read, in the whole process: they
// know no other way. Call what it returns at the end.
func (r *random) install() (restore func()) {
	installed.Lock()
	before := cryptorand.Reader
	cryptorand.Reader = r
	uuid.SetRand(r)
	return func() {
		cryptorand.Reader = before
		uuid.SetRand(nil)
		installed.Unlock()
	}
}

// number between lowest and highest, the latter not included.
func (r *random) number(lowest, highest int) (int, error) {
	if highest <= lowest {
		return 0, errors.New("randInt wants a second number that is larger than the first")
	}
	return lowest + rand.New(r.source).IntN(highest-lowest), nil
}

func (r *random) shuffle(s string) string {
	runes := []rune(s)
	rand.New(r.source).Shuffle(len(runes), func(i, j int) { runes[i], runes[j] = runes[j], runes[i] })
	return string(runes)
}

var _ io.Reader = (*random)(nil)

// markName is the function by which each template says that it begins.
const markName = "slipwayTemplate"

// call is what a template of a name begins with.
func call(name string) string { return "{{" + markName + " " + strconv.Quote(name) + "}}" }

// mark puts the call at the beginning of every template that is rendered by itself. It
// adds no line, so that errors name the right one.
func mark(c *chart.Chart) {
	for i, f := range c.Templates {
		if f == nil || strings.HasPrefix(path.Base(f.Name), "_") {
			continue
		}
		c.Templates[i] = &common.File{Name: f.Name, ModTime: f.ModTime, Data: append([]byte(call(path.Join(c.ChartFullPath(), f.Name))), f.Data...)}
	}
	for _, sub := range c.Dependencies() {
		mark(sub)
	}
}
