package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"reflect"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
)

// Seen remembers, for the length of one look at an application, how its objects were when
// they were read or written: a later step need not ask again, and a watch that brings what
// is known already is no news. It is safe for concurrent use, and nil remembers nothing.
type Seen struct {
	mu      sync.Mutex
	objects map[v1alpha1.ObjectReference]glimpse
}

// glimpse of one object.
type glimpse struct {
	version string
	// unobserved is an object whose controller has not looked at its last change yet.
	unobserved bool
	// same is the live object where Check found that writing it would change nothing.
	same *unstructured.Unstructured
	at   time.Time
}

type seenKey struct{}

// Looking is a context for one look, whose requests are remembered.
func Looking(ctx context.Context) (context.Context, *Seen) {
	s := &Seen{objects: map[v1alpha1.ObjectReference]glimpse{}}
	return context.WithValue(ctx, seenKey{}, s), s
}

func seenOf(ctx context.Context) *Seen {
	s, _ := ctx.Value(seenKey{}).(*Seen)
	return s
}

// Versions of all objects as they were seen last.
func (s *Seen) Versions() map[v1alpha1.ObjectReference]string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[v1alpha1.ObjectReference]string, len(s.objects))
	for ref, g := range s.objects {
		out[ref] = g.version
	}
	return out
}

// Version of an object as it was seen last, or "".
func (s *Seen) Version(ref v1alpha1.ObjectReference) string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[identity(ref)].version
}

// Unobserved says whether the controller of an object has still to look at its last change.
func (s *Seen) Unobserved(ref v1alpha1.ObjectReference) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[identity(ref)].unobserved
}

// note how an object is.
func (s *Seen) note(live *unstructured.Unstructured, same bool) {
	if s == nil || live == nil {
		return
	}
	observed, _, _ := unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	g := glimpse{version: live.GetResourceVersion(), unobserved: live.GetGeneration() > observed, at: time.Now()}
	if same {
		g.same = live
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[identity(reference(live))] = g
}

// sameFor is how long an object that was looked at by Check is taken to be so. What changes
// meanwhile is seen as a drift, as what changes just after it was written is.
const sameFor = 3 * time.Second

// same is the live object where Check has just found that writing it would change nothing.
func (s *Seen) same(o *unstructured.Unstructured) *unstructured.Unstructured {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.objects[identity(reference(o))]
	if g.same == nil || time.Since(g.at) > sameFor {
		return nil
	}
	return g.same
}

// digest of an object as it is to be written, but for the name of its release, and of who
// writes it: another account may not be allowed to, and that is to be seen. "" for what may
// hold secrets, of which there is none anywhere.
func (t Target) digest(o *unstructured.Unstructured) string {
	if isSecret(o) {
		return ""
	}
	b, err := json.Marshal([]any{withoutRelease(o.Object), t.Account, t.Cluster})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// withoutRelease is an object without the label that names its release. Nothing of it may
// be changed: most is shared.
func withoutRelease(object map[string]any) map[string]any {
	metadata, _ := object["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	if _, ok := labels[v1alpha1.LabelRelease]; !ok {
		return object
	}
	object, metadata, labels = maps.Clone(object), maps.Clone(metadata), maps.Clone(labels)
	delete(labels, v1alpha1.LabelRelease)
	metadata["labels"], object["metadata"] = labels, metadata
	return object
}

// unchanged says whether writing an object would change nothing but the name of its
// release: it is what was written last, we still manage all of it, and it says so. In doubt
// it is not, and the apiserver decides.
func (t Target) unchanged(o, live *unstructured.Unstructured) bool {
	if live == nil || live.GetDeletionTimestamp() != nil || IsHook(o) ||
		option(o, "Replace", t.Options.Replace) || len(t.ignores(o)) > 0 {
		return false
	}
	id := identity(reference(o))
	for _, known := range t.Known {
		if identity(known) != id {
			continue
		}
		return known.Applied != "" && known.Extra == "" && known.Owned != "" && known.Owned != unowned &&
			known.Applied == t.digest(o) && known.Owned == owned(live) && holds(live.Object, withoutRelease(o.Object))
	}
	return false
}

// holds says whether have is want and perhaps more, as an object is after it was defaulted.
func holds(have, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return false
		}
		for key, value := range w {
			if there, ok := h[key]; !ok || !holds(there, value) {
				return false
			}
		}
		return true
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return false
		}
		for i := range w {
			if !holds(h[i], w[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(have, want)
}
