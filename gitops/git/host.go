package git

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Host serves hosted repositories over smart HTTP and records every ref update in
// Repository.status. Set the exported fields, then use Handler and Start.
type Host struct {
	*Store
	// Client reads and writes Repository objects.
	Client client.Client
	// Reader reads past any cache, so that a lost race is seen at once. Default Client.
	Reader client.Reader
	// Authenticate says who asks; false is answered with 401 and nothing more.
	Authenticate func(*http.Request) (user.Info, bool)
	// Authorize says whether u may verb (get, update, create) the Repository.
	Authorize func(ctx context.Context, u user.Info, verb, ns, repo string) (bool, error)
	// Notice gives the lines that git shows to the user after a push. Optional.
	Notice func(ns, repo string, updates []Update) []string
	Log    *slog.Logger

	// Namespace of /git/<repo>.git. Default "default".
	Namespace string
	// Git is the program. Default "git", from PATH.
	Git string
	// MaxPack is the largest push in bytes. Default 2 GiB.
	MaxPack int64
	// MaxPacks is how many packs are made or taken at once. Default twice the cores.
	MaxPacks int
	// MaxSnapshots bounds the disk that kept snapshots take. Default 2 GiB.
	MaxSnapshots int64
	// Disk says when pushes and fetches have to be refused for want of room. Optional.
	Disk Disk
	// Idle is how long a client may be silent within a request. Default 2m.
	Idle time.Duration
	// Interval of Reconcile. Default 1m.
	Interval time.Duration
	// Events on Repositories; nil sends none.
	Events events.EventRecorder

	once     sync.Once
	places   chan struct{}
	looks    chan struct{} // of people at what is there
	draining atomic.Bool
	mu       sync.Mutex
	pushes   map[string]int
	life     string       // begins the names of what only this Host removes
	said     atomic.Int64 // how many of those there were
	empty    chan struct{}
	again    chan struct{}
	recorded chan recorded
	making   singleflight.Group // of snapshots
}

// Disk is where the repositories are. Room is nil while there is some, and otherwise
// says how much is missing and what to do; *disk.Guard is one.
type Disk interface{ Room() error }

func (h *Host) init() {
	h.once.Do(func() {
		n := h.MaxPacks
		if n <= 0 {
			n = 2 * runtime.NumCPU()
		}
		h.places = make(chan struct{}, n)
		h.looks = make(chan struct{}, 2*runtime.NumCPU())
		h.again = make(chan struct{}, 1)
		h.recorded = make(chan recorded, 256)
		h.life = rand.Text()
		if h.Log == nil {
			h.Log = slog.Default()
		}
		if h.Reader == nil {
			h.Reader = h.Client
		}
	})
}

func (h *Host) gitPath() string {
	if h.Git != "" {
		return h.Git
	}
	return "git"
}

func (h *Host) maxPack() int64 {
	if h.MaxPack > 0 {
		return h.MaxPack
	}
	return 2 << 30
}

func (h *Host) idle() time.Duration {
	if h.Idle > 0 {
		return h.Idle
	}
	return 2 * time.Minute
}

func (h *Host) namespace() string {
	if h.Namespace != "" {
		return h.Namespace
	}
	return "default"
}

// Handler serves /git/<repo>.git and /git/<namespace>/<repo>.git.
func (h *Host) Handler() http.Handler {
	h.init()
	return http.HandlerFunc(h.serve)
}

func (h *Host) serve(w http.ResponseWriter, r *http.Request) {
	for k, v := range map[string]string{"Cache-Control": "no-cache, max-age=0, must-revalidate", "Pragma": "no-cache", "X-Content-Type-Options": "nosniff"} {
		w.Header().Set(k, v)
	}
	u, ok := h.Authenticate(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="Slipway: any user name, a token as the password", charset="UTF-8"`)
		say(w, http.StatusUnauthorized, "a valid token is needed as the password; the user name does not matter")
		return
	}
	rt, err := parsePath(r.URL.EscapedPath(), h.namespace())
	if err != nil {
		say(w, http.StatusNotFound, err.Error())
		return
	}
	switch {
	case rt.rest == "info/refs" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		service := r.URL.Query().Get("service")
		if service != "git-upload-pack" && service != "git-receive-pack" {
			say(w, http.StatusForbidden, "only the smart HTTP protocol is served; use git 1.6.6 or later")
			return
		}
		h.serveRefs(w, r, u, rt, service)
	case rt.rest != "info/refs" && r.Method == http.MethodPost:
		if r.Header.Get("Content-Type") != "application/x-"+rt.rest+"-request" {
			say(w, http.StatusUnsupportedMediaType, "this address is for git clients")
			return
		}
		h.servePack(w, r, u, rt)
	default:
		w.Header().Set("Allow", "GET, POST")
		say(w, http.StatusMethodNotAllowed, "this address is for git clients")
	}
}

// say answers with one line, which the git client shows after "remote: ".
func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text)
}

// Shutdown refuses new pushes with a clear text and waits for those under way.
func (h *Host) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.draining.Store(true)
	wait := make(chan struct{})
	if len(h.pushes) == 0 {
		close(wait)
	} else {
		h.empty = wait
	}
	h.mu.Unlock()
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("pushes still under way: %w", ctx.Err())
	}
}

var errDraining = errors.New("the server is shutting down; push again in a moment")

// beginPush counts a push in, or says why there cannot be one now.
func (h *Host) beginPush(rt route) error {
	if err := h.room(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining.Load() {
		return errDraining
	}
	if h.pushes == nil {
		h.pushes = map[string]int{}
	}
	h.pushes[rt.ns+"/"+rt.name]++
	return nil
}

// pushing says whether a push to the repository is under way.
func (h *Host) pushing(ns, name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pushes[ns+"/"+name] > 0
}

func (h *Host) endPush(rt route) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := rt.ns + "/" + rt.name
	if h.pushes[key]--; h.pushes[key] == 0 {
		delete(h.pushes, key)
	}
	if len(h.pushes) == 0 && h.empty != nil {
		close(h.empty)
		h.empty = nil
	}
}

// room refuses while the disk is nearly full, before data is at risk.
func (h *Host) room() error {
	if h.draining.Load() {
		return errDraining
	}
	if h.Disk == nil {
		return nil
	}
	return h.Disk.Room()
}
