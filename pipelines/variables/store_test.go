package variables

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	repo := func(name string) client.Object {
		return &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: "u"}}
	}
	return &Store{fake.NewClientBuilder().WithScheme(s).WithObjects(repo("shop"), repo("other")).Build()}
}

func (s *Store) must(t *testing.T, v Variable, value string) {
	t.Helper()
	if err := s.Set(t.Context(), "default", v, []byte(value)); err != nil {
		t.Fatalf("%+v: %v", v, err)
	}
}

// values of a job by name, with all refs that it may have.
func (s *Store) values(t *testing.T, repo, environment string, protected bool) map[string]string {
	t.Helper()
	snapshot, err := s.Snapshot(t.Context(), "default", Run{Repository: repo, Protected: protected})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Values(t.Context(), Job{Namespace: "default", Run: Run{Repository: repo, Protected: protected}, Environment: environment, Refs: snapshot.Refs()})
	if err != nil {
		t.Fatal(err)
	}
	compiled := snapshot.For(environment)
	if !slices.EqualFunc(compiled, got.Vars, func(a Value, b plan.Variable) bool { return a.Variable == b }) {
		t.Errorf("a run is compiled with %+v, and its attempt gets %+v", compiled, got.Vars)
	}
	out := map[string]string{}
	for _, v := range got.Vars {
		if _, twice := out[v.Name]; twice {
			t.Errorf("%s is there twice", v.Name)
		}
		out[v.Name] = v.Value
	}
	return out
}

func TestPrecedenceScopeAndProtection(t *testing.T) {
	s := newStore(t)
	s.must(t, Variable{Name: "A", Environment: "*"}, "namespace")
	s.must(t, Variable{Name: "A", Repository: "shop"}, "repository")
	s.must(t, Variable{Name: "A", Repository: "shop", Environment: "review/*"}, "reviews")
	s.must(t, Variable{Name: "A", Repository: "shop", Environment: "review/fix-*"}, "fixes")
	s.must(t, Variable{Name: "A", Repository: "shop", Environment: "review/fix-1"}, "this one")
	s.must(t, Variable{Name: "B", Environment: "production"}, "namespace production")
	s.must(t, Variable{Name: "B", Repository: "shop"}, "repository any")
	s.must(t, Variable{Name: "P", Repository: "shop", Protected: true}, "protected")
	s.must(t, Variable{Name: "O", Repository: "other"}, "others")
	for _, tt := range []struct {
		repo, environment string
		protected         bool
		want              map[string]string
	}{
		{"shop", "", false, map[string]string{"A": "repository", "B": "repository any"}},
		{"shop", "", true, map[string]string{"A": "repository", "B": "repository any", "P": "protected"}},
		{"shop", "review/x", false, map[string]string{"A": "reviews", "B": "repository any"}},
		{"shop", "review/fix-2", false, map[string]string{"A": "fixes", "B": "repository any"}},
		{"shop", "review/fix-1", false, map[string]string{"A": "this one", "B": "repository any"}},
		{"shop", "production", false, map[string]string{"A": "repository", "B": "repository any"}},
		{"other", "production", true, map[string]string{"A": "namespace", "B": "namespace production", "O": "others"}},
		{"third", "", true, map[string]string{"A": "namespace"}},
	} {
		if got := s.values(t, tt.repo, tt.environment, tt.protected); !maps.Equal(got, tt.want) {
			t.Errorf("%s in %q, protected %v: %v, want %v", tt.repo, tt.environment, tt.protected, got, tt.want)
		}
	}
}

// TestPlanCannotReachOtherSecrets: what a plan names is no right to read it.
func TestBranchScope(t *testing.T) {
	s := newStore(t)
	s.must(t, Variable{Name: "KEY", Repository: "shop"}, "everywhere")
	s.must(t, Variable{Name: "KEY", Repository: "shop", Branch: "release/*"}, "releases")
	s.must(t, Variable{Name: "KEY", Repository: "shop", Branch: "release/1"}, "first")
	s.must(t, Variable{Name: "KEY", Repository: "shop", Environment: "prod", Branch: "*"}, "production")
	s.must(t, Variable{Name: "ONLY", Branch: "release/*"}, "of the namespace")
	for ref, want := range map[string]string{
		"main": "everywhere", "": "everywhere", "release/2": "of the namespace releases", "release/1": "of the namespace first", "my/release/1": "everywhere",
	} {
		snapshot, err := s.Snapshot(t.Context(), "default", Run{Repository: "shop", Ref: ref})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range snapshot.For("") {
			got = append(got, v.Value)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("on %q: %q, want %q", ref, text, want)
		}
		for _, v := range snapshot.For("prod") {
			if v.Name == "KEY" && v.Value != "production" {
				t.Errorf("on %q: an environment's is %q", ref, v.Value)
			}
		}
	}
	// What a plan names is looked at again: the run's commit may have left the branch.
	snapshot, err := s.Snapshot(t.Context(), "default", Run{Repository: "shop", Ref: "release/1"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Values(t.Context(), Job{Namespace: "default", Run: Run{Repository: "shop"}, Refs: snapshot.Refs()})
	if err != nil || len(got.Vars) != 1 || got.Vars[0].Value != "everywhere" {
		t.Errorf("%+v %v", got.Vars, err)
	}
	if err := s.Delete(t.Context(), "default", Variable{Name: "KEY", Repository: "shop", Branch: "release/1"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(t.Context(), "default", Variable{Name: "KEY", Branch: "a b"}, []byte("value")); !apierrors.IsBadRequest(err) {
		t.Errorf("%v", err)
	}
}

func TestPlanCannotReachOtherSecrets(t *testing.T) {
	s := newStore(t)
	s.must(t, Variable{Name: "O", Repository: "other"}, "others")
	s.must(t, Variable{Name: "P", Repository: "shop", Protected: true}, "protected")
	plain := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "database"}, Data: map[string][]byte{key: []byte("planted")}}
	if err := s.Create(t.Context(), plain); err != nil {
		t.Fatal(err)
	}
	refs := []plan.SecretRef{
		{Variable: "O", Secret: secretName(Variable{Name: "O", Repository: "other"}), Key: key},
		{Variable: "P", Secret: secretName(Variable{Name: "P", Repository: "shop"}), Key: key},
		{Variable: "D", Secret: "database", Key: key},
	}
	got, err := s.Values(t.Context(), Job{Namespace: "default", Run: Run{Repository: "shop"}, Refs: refs})
	if err != nil || len(got.Vars) != 0 {
		t.Errorf("%+v %v", got.Vars, err)
	}
}

func TestListNeverHasValues(t *testing.T) {
	s := newStore(t)
	s.must(t, Variable{Name: "A", Repository: "shop", Visible: true, By: "ann"}, "planted value")
	s.must(t, Variable{Name: "A", Repository: "shop", File: true, Raw: true, Protected: true, By: "bob"}, "planted value 2")
	list, err := s.List(t.Context(), "default", "shop")
	if err != nil || len(list) != 1 || list[0].By != "bob" || list[0].Visible || !list[0].File || !list[0].Raw || !list[0].Protected || list[0].At.IsZero() {
		t.Fatalf("%+v %v", list, err)
	}
	b, err := json.Marshal(list)
	if err != nil || strings.Contains(string(b), "planted") {
		t.Errorf("%s %v", b, err)
	}
	if err := s.Delete(t.Context(), "default", Variable{Repository: "shop", Name: "A", Environment: "*"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "default", Variable{Repository: "shop", Name: "A"}); !apierrors.IsNotFound(err) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	s := newStore(t)
	for want, tt := range map[string]struct {
		v     Variable
		value string
	}{
		"a name has letters":  {Variable{Name: "1A"}, "planted"},
		"at most 65536":       {Variable{Name: "A"}, strings.Repeat("planted", 10000)},
		"NUL byte":            {Variable{Name: "A"}, "planted\x00"},
		"cannot be masked":    {Variable{Name: "A"}, " ab "},
		"environment scope":   {Variable{Name: "A", Environment: "a\nb"}, "planted"},
		`"nowhere" not found`: {Variable{Name: "A", Repository: "nowhere"}, "planted"},
	} {
		err := s.Set(t.Context(), "default", tt.v, []byte(tt.value))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestMask(t *testing.T) {
	v := Values{masked: []string{"KEY", "PW"}, Vars: []plan.Variable{
		{Name: "KEY", Value: "-----BEGIN-----\nabcdefgh\nxy\n"}, {Name: "PW", Value: "pa$$word"}, {Name: "SHOWN", Value: "shown"},
	}}
	mask := v.Mask(plan.Resolve(v.Vars))
	for _, want := range []string{"-----BEGIN-----\nabcdefgh\nxy", "abcdefgh", "pa$$word", "pa$word"} {
		if !slices.Contains(mask, want) {
			t.Errorf("%q is not masked: %q", want, mask)
		}
	}
	if slices.Contains(mask, "shown") || slices.Contains(mask, "xy") {
		t.Errorf("masked too much: %q", mask)
	}
}
