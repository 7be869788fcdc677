package api

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// mostApplications of one answer, where a limit is asked for.
const mostApplications = 1000

// ApplicationPage is an answer to a list of applications: a list as Kubernetes has it, and
// how many there are of each health and state that match all filters but those two.
type ApplicationPage struct {
	slipway.ApplicationList `json:",inline"`
	// Total that match, on all pages.
	Total  int            `json:"total"`
	Health map[string]int `json:"health"`
	Sync   map[string]int `json:"sync"`
}

// appQuery is what a list of applications is asked for.
type appQuery struct {
	words                                 []string
	health, sync, repository, destination []string
	set, from                             string
	failing                               bool // Degraded, or its sync failed
	brief                                 bool // without inventory
	after                                 string
	limit                                 int
}

func readAppQuery(v url.Values) (q appQuery, err error) {
	list := func(key string) []string {
		return strings.FieldsFunc(strings.Join(v[key], ","), func(r rune) bool { return r == ',' })
	}
	q = appQuery{
		words:  strings.Fields(strings.ToLower(v.Get("q"))),
		health: list("health"), sync: list("sync"), repository: list("repository"), destination: list("destination"), set: v.Get("applicationset"), from: v.Get("promotedFrom"),
	}
	for key, to := range map[string]*bool{"failing": &q.failing, "brief": &q.brief} {
		b, err := boolOf(v.Get(key), key)
		if err != nil {
			return q, err
		}
		*to = b != nil && *b
	}
	if text := v.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 1 || q.limit > mostApplications {
			return q, refuse(http.StatusBadRequest, "", "limit %q: want a number from 1 to %d", text, mostApplications)
		}
	}
	after, err := base64.RawURLEncoding.DecodeString(v.Get("continue"))
	if err != nil || len(after) > 512 {
		return q, refuse(http.StatusBadRequest, "take it from metadata.continue of the page before", "continue: not a place in a list")
	}
	q.after = string(after)
	return q, nil
}

// listApplications of one tenant.
func (s *server) listApplications(w http.ResponseWriter, r *http.Request) error {
	return s.answerApplications(w, r, []string{r.PathValue("ns")})
}

// everyApplication of all tenants whose applications the user may list.
func (s *server) everyApplication(w http.ResponseWriter, r *http.Request) error {
	u, _ := UserFrom(r.Context())
	tenants, err := s.Tenants(r.Context())
	if err != nil {
		return err
	}
	var mine []string
	for _, ns := range tenants {
		allowed, err := s.Authorizer.Allowed(r.Context(), u, "list", "applications", ns, "")
		if err != nil {
			return err
		}
		if allowed {
			mine = append(mine, ns)
		}
	}
	return s.answerApplications(w, r, mine)
}

func (s *server) answerApplications(w http.ResponseWriter, r *http.Request, namespaces []string) error {
	q, err := readAppQuery(r.URL.Query())
	if err != nil {
		return err
	}
	var all []*slipway.Application
	for _, ns := range namespaces {
		var l slipway.ApplicationList
		// They are the cache's own: nothing of them is written to below.
		if err := s.Reader.List(r.Context(), &l, client.InNamespace(ns), client.UnsafeDisableDeepCopy); err != nil {
			return err
		}
		for i := range l.Items {
			all = append(all, &l.Items[i])
		}
	}
	page := q.page(all)
	page.SetGroupVersionKind(slipway.GroupVersion.WithKind("ApplicationList"))
	writeJSON(w, http.StatusOK, page)
	return nil
}

// page of those that match, in the order of their names.
func (q appQuery) page(all []*slipway.Application) *ApplicationPage {
	p := &ApplicationPage{Health: map[string]int{}, Sync: map[string]int{}}
	p.Items = []slipway.Application{}
	var mine []*slipway.Application
	for _, a := range all {
		if !q.matches(a) {
			continue
		}
		health, sync := healthOf(a), syncOf(a)
		byHealth, bySync := q.states(a)
		if bySync {
			p.Health[health]++
		}
		if byHealth {
			p.Sync[sync]++
		}
		if byHealth && bySync {
			mine = append(mine, a)
		}
	}
	p.Total = len(mine)
	slices.SortFunc(mine, func(a, b *slipway.Application) int { return cmp.Compare(placeOf(a), placeOf(b)) })
	at, found := slices.BinarySearchFunc(mine, q.after, func(a *slipway.Application, place string) int { return cmp.Compare(placeOf(a), place) })
	if found {
		at++ // the one at this place was the last of the page before
	}
	if q.after == "" {
		at = 0
	}
	end := len(mine)
	if q.limit > 0 && at+q.limit < end {
		end = at + q.limit
		p.Continue = base64.RawURLEncoding.EncodeToString([]byte(placeOf(mine[end-1])))
		left := int64(len(mine) - end)
		p.RemainingItemCount = &left
	}
	for _, a := range mine[at:end] {
		p.Items = append(p.Items, q.shown(a))
	}
	return p
}

// MatchApplication says of an application whether a list that is asked for with query has it,
// for who follows changes.
func MatchApplication(query url.Values) (func(*slipway.Application) bool, error) {
	q, err := readAppQuery(query)
	return func(a *slipway.Application) bool {
		byHealth, bySync := q.states(a)
		return q.matches(a) && byHealth && bySync
	}, err
}

// states says whether it has a health, and a state, that is asked for.
func (q appQuery) states(a *slipway.Application) (byHealth, bySync bool) {
	return among(q.health, healthOf(a)), among(q.sync, syncOf(a)) && (!q.failing || failing(a))
}

// shown is a copy as far as the answer differs from the cache.
func (q appQuery) shown(a *slipway.Application) slipway.Application {
	c := *a
	c.SetGroupVersionKind(slipway.GroupVersion.WithKind(applications.name))
	c.ManagedFields = nil
	if q.brief {
		c.Annotations = nil
		c.Status.Inventory, c.Status.Hooks, c.Status.Drift, c.Status.References = nil, nil, nil, nil
	}
	return c
}

func (q appQuery) matches(a *slipway.Application) bool {
	destination := cmp.Or(a.Spec.Namespace, a.Namespace)
	if !among(q.destination, destination) || !among(q.repository, a.Spec.Source.Repository) || q.set != "" && a.Labels[slipway.LabelApplicationSet] != q.set ||
		q.from != "" && (a.Spec.Promotion == nil || a.Spec.Promotion.From != q.from) {
		return false
	}
	if len(q.words) == 0 {
		return true
	}
	chart := ""
	if h := a.Spec.Source.Helm; h != nil {
		chart = h.Chart + " " + h.Repository
	}
	text := strings.ToLower(strings.Join([]string{
		a.Name, a.Namespace, destination, a.Spec.Source.Repository, a.Spec.Source.Path, a.Spec.Source.Branch, a.Spec.Source.Followed(), a.Spec.Desired.Tag(), chart, a.Status.Message,
		healthOf(a), syncOf(a), commitOf(a), strings.Join(a.Status.Addresses, " "),
	}, " "))
	for _, w := range q.words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func among(wanted []string, have string) bool {
	return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, have) })
}

// placeOf an application in a list.
func placeOf(a *slipway.Application) string { return a.Namespace + "/" + a.Name }

// healthOf one that nobody has looked at yet is not known.
func healthOf(a *slipway.Application) string { return cmp.Or(a.Status.Health, "Unknown") }

// syncOf an application that is pinned is that, whatever else is true of it, unless what is
// pinned failed.
func syncOf(a *slipway.Application) string {
	if a.Spec.Pin > 0 && a.Status.Sync != "Failed" {
		return "Pinned"
	}
	return cmp.Or(a.Status.Sync, "Unknown")
}

func commitOf(a *slipway.Application) string {
	if a.Spec.Desired == nil {
		return ""
	}
	return a.Spec.Desired.Commit
}

func failing(a *slipway.Application) bool {
	return a.Status.Health == "Degraded" || a.Status.Sync == "Failed"
}
