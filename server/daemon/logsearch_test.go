package daemon

import (
	"testing"

	"slipway.dev/observability/observe"
	"slipway.dev/server/api"
)

func TestQueriesAreInTheWordsOfWhereTheyGo(t *testing.T) {
	for _, c := range []struct {
		text      string
		lucene    bool
		elsewhere bool
		want      string
	}{
		{`application:="shop" boom`, false, false, `application:="shop" boom`},
		{`level:error`, true, false, `"level":="error"`},
		{`level:error OR (a AND b)`, true, true, `level:error OR (a AND b)`},
		{`application:="shop" boom`, false, true, `(+application:"shop" +message:"boom")`},
		{``, false, true, ``},
		{`* | stats count()`, false, true, `!`},
		{`a:(b`, true, false, `!`},
	} {
		q, err := inOwnWords(api.LogQuery{Query: c.text, Lucene: c.lucene}, c.elsewhere)
		if got := q.Text; err == nil && got != c.want || (err != nil) != (c.want == "!") {
			t.Errorf("%s, lucene %t, elsewhere %t: %q %v, want %q", c.text, c.lucene, c.elsewhere, got, err, c.want)
		}
	}
}

func TestWhereLinesAreRead(t *testing.T) {
	for _, c := range []struct {
		read, from      string
		follow, already bool
	}{
		{"store", "", false, false}, {"store", "elasticsearch", false, true}, {"elasticsearch", "", false, true},
		{"elasticsearch", "store", false, false}, {"elasticsearch", "", true, false}, {"store", "elasticsearch", true, true},
	} {
		if _, got := (logSearch{observe.NewClient("", ""), c.read}).from(c.from, c.follow); got != c.already {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
