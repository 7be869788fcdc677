package git

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
)

// recorded is a record whose updates are to be told of as Kubernetes events.
type recorded struct {
	namespace, name string
	uid             types.UID
	updates         []Update
}

// maxAnnounced updates of one record are told of one by one.
const maxAnnounced = 20

// announce leaves the updates for Start to tell of: whether a push was forced takes a
// walk through its commits, for which nobody has to wait.
func (h *Host) announce(repo *v1alpha1.Repository, updates []Update) {
	if h.Events == nil || len(updates) == 0 {
		return
	}
	select {
	case h.recorded <- recorded{repo.Namespace, repo.Name, repo.UID, updates}:
	default: // so much changes that events would tell nobody anything
	}
}

// announcing tells of what was recorded until ctx ends.
func (h *Host) announcing(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-h.recorded:
			h.tell(ctx, r)
		}
	}
}

// tell of pushes that are more than one commit after another: forced ones, what was
// deleted or renamed, tags that moved.
func (h *Host) tell(ctx context.Context, r recorded) {
	about := &v1alpha1.Repository{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Repository"},
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: r.name, UID: r.uid},
	}
	say := func(u Update, kind, reason, note string, args ...any) {
		// Events that differ only in their note count as one.
		h.Events.Eventf(about, nil, kind, reason, fmt.Sprintf("Update %d", u.Sequence), "%s", clip(fmt.Sprintf(note, args...), 1000))
	}
	renamed := renames(r.updates)
	told := 0
	for _, u := range r.updates {
		if told >= maxAnnounced {
			say(u, corev1.EventTypeNormal, "RefsChanged", "and more of %d refs that changed", len(r.updates))
			return
		}
		tag := strings.HasPrefix(u.Ref, "refs/tags/")
		switch to := renamed[u.Ref]; {
		case to != "":
			say(u, corev1.EventTypeNormal, "RefRenamed", "%s is %s now, at %s", u.Ref, to, u.Before)
		case u.Commit == "":
			say(u, corev1.EventTypeNormal, "RefDeleted", "%s was deleted; it was at %s, and what runs or is deployed of it goes on", u.Ref, u.Before)
		case u.Before == "":
			continue
		case tag:
			say(u, corev1.EventTypeWarning, "TagMoved", "%s was moved from %s to %s", u.Ref, u.Before, u.Commit)
		default:
			m, err := h.moved(ctx, r.namespace, r.name, u)
			if err != nil || !m.forced {
				continue
			}
			say(u, corev1.EventTypeWarning, "ForcePushed", "%s was forced from %s to %s, which is not made of it", u.Ref, u.Before, u.Commit)
		}
		told++
	}
}

// renames are the branches, and the tags, that went while one came at the same commit;
// where it is not clear which, none.
func renames(updates []Update) map[string]string {
	type at struct {
		kind   string
		commit string
	}
	kind := func(ref string) string { return ref[:strings.Index(ref[5:], "/")+6] }
	gone, come := map[at][]string{}, map[at][]string{}
	for _, u := range updates {
		switch {
		case u.Commit == "":
			gone[at{kind(u.Ref), u.Before}] = append(gone[at{kind(u.Ref), u.Before}], u.Ref)
		case u.Before == "":
			come[at{kind(u.Ref), u.Commit}] = append(come[at{kind(u.Ref), u.Commit}], u.Ref)
		}
	}
	out := map[string]string{}
	for k, from := range gone {
		if to := come[k]; len(from) == 1 && len(to) == 1 {
			out[from[0]] = to[0]
		}
	}
	return out
}
