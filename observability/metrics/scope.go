package metrics

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/grafana/regexp"
	"github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// NamespaceLabel is the label that says whose a series, a target or a rule is.
const NamespaceLabel = "namespace"

// ScopeHeader carries a Scope from the front door to the child.
const ScopeHeader = "Slipway-Metrics-Scope"

// Scope is what somebody may see: all, or what has one of these namespaces as its
// label. The zero Scope sees nothing.
type Scope struct {
	All        bool
	Namespaces []string
}

// String is the scope as ScopeHeader has it.
func (s Scope) String() string {
	if s.All {
		return "*"
	}
	return strings.Join(s.Namespaces, ",")
}

// ParseScope reads what String wrote. Nothing is an error: a request whose scope was
// forgotten must not see everything.
func ParseScope(text string) (Scope, error) {
	if text == "*" {
		return Scope{All: true}, nil
	}
	names := strings.Split(text, ",")
	for _, n := range names {
		if problems := validation.IsDNS1123Label(n); len(problems) > 0 {
			return Scope{}, fmt.Errorf("%s %q: %q is no namespace: %s", ScopeHeader, text, n, problems[0])
		}
	}
	return Scope{Namespaces: names}, nil
}

// sees says whether something with these labels may be seen.
func (s Scope) sees(l labels.Labels) bool {
	return s.All || slices.Contains(s.Namespaces, l.Get(NamespaceLabel))
}

// matcher selects what may be seen; nil selects everything.
func (s Scope) matcher() *labels.Matcher {
	switch {
	case s.All:
		return nil
	case len(s.Namespaces) == 1:
		return labels.MustNewMatcher(labels.MatchEqual, NamespaceLabel, s.Namespaces[0])
	case len(s.Namespaces) == 0:
		// No series has a label with this value: it is no name of a namespace.
		return labels.MustNewMatcher(labels.MatchEqual, NamespaceLabel, "\x00")
	}
	quoted := make([]string, len(s.Namespaces))
	for i, n := range s.Namespaces {
		quoted[i] = regexp.QuoteMeta(n)
	}
	return labels.MustNewMatcher(labels.MatchRegexp, NamespaceLabel, strings.Join(quoted, "|"))
}

type scopeKey struct{}

// WithScope returns a context in which queries see what s allows.
func WithScope(ctx context.Context, s Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, s)
}

// scopeOf is the scope that ctx has; without one nothing is seen.
func scopeOf(ctx context.Context) Scope {
	s, _ := ctx.Value(scopeKey{}).(Scope)
	return s
}

// scoped reads the scope of a request for next, and refuses what has none.
func scoped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := ParseScope(r.Header.Get(ScopeHeader))
		if err != nil {
			Refuse(w, http.StatusForbidden, "forbidden", err.Error())
			return
		}
		next.ServeHTTP(w, r.WithContext(WithScope(r.Context(), s)))
	})
}
