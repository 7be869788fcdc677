package order

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

// graph reads "a: b c" lines.
func graph(text string) func(string) ([]string, error) {
	m := map[string][]string{}
	for _, line := range strings.Split(text, "\n") {
		name, needs, _ := strings.Cut(line, ":")
		m[name] = strings.Fields(needs)
	}
	return func(n string) ([]string, error) { return m[n], nil }
}

func TestCycle(t *testing.T) {
	for _, c := range []struct{ name, graph, want string }{
		{"none", "a: b c\nb: d\nc: d\nd:", ""},
		{"itself", "a: a", "a -> a"},
		{"two", "a: b\nb: a", "a -> b -> a"},
		{"three, by the longer way", "a: x b\nx:\nb: c\nc: a", "a -> b -> c -> a"},
		{"leads into one", "a: b\nb: c\nc: b", "b -> c -> b"},
		{"what is not there", "a: gone", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cycle, err := Cycle("a", graph(c.graph))
			require.NoError(t, err)
			require.Equal(t, c.want, strings.Join(cycle, " -> "))
		})
	}
	_, err := Cycle("a", func(string) ([]string, error) { return nil, errors.New("away") })
	require.ErrorContains(t, err, "away")
	_, err = Cycle("a", func(n string) ([]string, error) { return []string{n + "x"}, nil })
	require.ErrorContains(t, err, "more than")
}

func TestCheck(t *testing.T) {
	err := Check("a", v1alpha1.Lifecycle{Needs: []string{"b"}}, graph("a:\nb: c\nc: a"))
	require.EqualError(t, err, "needs form a cycle: a -> b -> c -> a; take one of them out of spec.needs")
	require.NoError(t, Check("a", v1alpha1.Lifecycle{Needs: []string{"b"}}, graph("b: c")))
	err = Check("a", v1alpha1.Lifecycle{Windows: []v1alpha1.Window{{Kind: "allow", Schedule: "0 9 * * *"}}}, nil)
	require.EqualError(t, err, "window 1: duration 0s: want a minute to 31 days")
}

func TestSortPutsTheNeededFirst(t *testing.T) {
	app := func(name string, needs ...string) v1alpha1.Application {
		return v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ApplicationSpec{Lifecycle: v1alpha1.Lifecycle{Needs: needs}}}
	}
	apps := []v1alpha1.Application{app("web", "api", "elsewhere"), app("x", "y"), app("api", "db"), app("y", "x"), app("db"), app("free")}
	Sort(apps)
	var names []string
	for _, a := range apps {
		names = append(names, a.Name)
	}
	at := func(n string) int { return strings.Index(" "+strings.Join(names, " ")+" ", " "+n+" ") }
	require.Less(t, at("db"), at("api"))
	require.Less(t, at("api"), at("web"))
	require.Len(t, names, 6)
}

func TestWindows(t *testing.T) {
	w := func(kind, schedule string, d time.Duration, zone string, manual bool) v1alpha1.Window {
		return v1alpha1.Window{Kind: kind, Schedule: schedule, Duration: metav1.Duration{Duration: d}, TimeZone: zone, Manual: manual}
	}
	office := w("allow", "0 9 * * 1-5", 8*time.Hour, "", false)
	officeLenient := w("allow", "0 9 * * 1-5", 8*time.Hour, "", true)
	freeze := w("deny", "0 12 * * 5", 60*time.Hour, "", false) // Friday noon to Monday
	freezeLenient := w("deny", "0 12 * * 5", 60*time.Hour, "", true)
	for _, c := range []struct {
		name, at string
		windows  []v1alpha1.Window
		manual   bool
		until    string // "" for open, "never" for no end
	}{
		{"no windows", "2026-03-02T03:00:00Z", nil, false, ""},
		{"within", "2026-03-02T09:00:00Z", []v1alpha1.Window{office}, false, ""},
		{"last moment", "2026-03-02T16:59:59Z", []v1alpha1.Window{office}, false, ""},
		{"its end is outside", "2026-03-02T17:00:00Z", []v1alpha1.Window{office}, false, "2026-03-03T09:00:00Z"},
		{"weekend", "2026-03-06T18:00:00Z", []v1alpha1.Window{office}, false, "2026-03-09T09:00:00Z"},
		{"manual is held too", "2026-03-06T18:00:00Z", []v1alpha1.Window{office}, true, "2026-03-09T09:00:00Z"},
		{"manual passes", "2026-03-06T18:00:00Z", []v1alpha1.Window{officeLenient}, true, ""},
		{"automatic does not", "2026-03-06T18:00:00Z", []v1alpha1.Window{officeLenient}, false, "2026-03-09T09:00:00Z"},
		{"deny wins", "2026-03-06T13:00:00Z", []v1alpha1.Window{office, freeze}, false, "2026-03-09T09:00:00Z"},
		{"deny alone ends", "2026-03-06T13:00:00Z", []v1alpha1.Window{freeze}, false, "2026-03-09T00:00:00Z"},
		{"both must let a person through", "2026-03-07T10:00:00Z", []v1alpha1.Window{office, freezeLenient}, true, "2026-03-09T09:00:00Z"},
		{"both do", "2026-03-07T10:00:00Z", []v1alpha1.Window{officeLenient, freezeLenient}, true, ""},
		{"zone", "2026-03-02T08:30:00Z", []v1alpha1.Window{w("allow", "0 9 * * *", time.Hour, "Europe/Berlin", false)}, false, ""},
		{"begins in the gap of the clock", "2026-03-29T01:10:00Z", []v1alpha1.Window{w("allow", "30 2 * * *", time.Hour, "Europe/Berlin", false)}, false, ""},
		{"deny without end", "2026-03-02T08:30:00Z", []v1alpha1.Window{w("deny", "0 0 * * *", 25*time.Hour, "", false)}, false, "never"},
		{"overlapping denies", "2026-03-02T08:30:00Z", []v1alpha1.Window{w("deny", "0 8 2 3 *", time.Hour, "", false), w("deny", "30 8 2 3 *", 2*time.Hour, "", false)}, false, "2026-03-02T10:30:00Z"},
		{"a long window with a beginning each minute", "2026-03-02T08:30:30Z", []v1alpha1.Window{w("allow", "* * * * *", 31*24*time.Hour, "", false)}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, c.at)
			require.NoError(t, err)
			ws, err := Parse(c.windows)
			require.NoError(t, err)
			why, until := ws.Closed(now, c.manual)
			got := ""
			if why != "" {
				if got = "never"; !until.IsZero() {
					got = until.UTC().Format(time.RFC3339)
				}
			}
			require.Equal(t, c.until, got, why)
		})
	}
}

func TestWindowsThatMeanNothing(t *testing.T) {
	for want, w := range map[string]v1alpha1.Window{
		`kind "maybe" is not known`:        {Kind: "maybe", Schedule: "0 9 * * *", Duration: metav1.Duration{Duration: time.Hour}},
		"want five fields":                 {Kind: "allow", Schedule: "@daily", Duration: metav1.Duration{Duration: time.Hour}},
		`time zone "Moon/Crater": not`:     {Kind: "deny", Schedule: "0 9 * * *", TimeZone: "Moon/Crater", Duration: metav1.Duration{Duration: time.Hour}},
		"duration 1s: want a minute":       {Kind: "deny", Schedule: "0 9 * * *", Duration: metav1.Duration{Duration: time.Second}},
		"there is no such day within five": {Kind: "deny", Schedule: "0 9 31 2 *", Duration: metav1.Duration{Duration: time.Hour}},
	} {
		_, err := Parse([]v1alpha1.Window{w})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "window 1")
	}
}
