package grafana

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// many adds n dashboards in ten folders.
func many(w *world, n int) {
	for i := range 10 {
		w.want.Folders = append(w.want.Folders, Folder{fmt.Sprintf("slipway-f%d", i), fmt.Sprintf("Slipway / f%d", i)})
	}
	for i := range n {
		w.want.Dashboards = append(w.want.Dashboards, Dashboard{fmt.Sprintf("slipway-many-%d", i), fmt.Sprintf("Many %d", i), fmt.Sprintf("slipway-f%d", i%10), board("x")})
	}
}

// inBubble runs a test in whose time passes may take as long as they like.
func inBubble(t *testing.T, w *world, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.trigger, w.passes = make(chan struct{}, 1), make(chan struct{}, 1) // of the bubble
		f(t)
	})
}

// TestThousandsOfDashboards: a pass asks little, and yet everything is looked at within an hour.
func TestThousandsOfDashboards(t *testing.T) {
	w := newWorld(t, Overwrite)
	many(w, 1998) // and the two there are
	inBubble(t, w, func(t *testing.T) {
		begun := time.Now()
		if err := w.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 3*time.Minute || took > 4*time.Minute {
			t.Errorf("the first pass took %s: %d requests at %d a second are about three and a half minutes", took, w.Status().Requests, askRate)
		}
		if n := len(w.g.Wrote()); n != 1+12+2000 {
			t.Errorf("%d writes", n)
		}
		time.Sleep(Every)
		if w.pass(t); w.Status().Requests > 200 {
			t.Errorf("a pass with nothing to do made %d requests", w.Status().Requests)
		}
		// What a search shows is put right in the next pass.
		w.g.Delete("slipway-many-7")
		w.g.Move("slipway-many-8", "slipway-f0")
		w.g.Edit("slipway-many-9", titled("renamed"))
		time.Sleep(Every)
		w.pass(t, "POST /api/dashboards/db", "POST /api/dashboards/db", "POST /api/dashboards/db")
		if w.g.Title("slipway-many-7") != "Many 7" || w.g.Title("slipway-many-9") != "Many 9" {
			t.Error("they are not put right")
		}
		// What it does not show, within an hour.
		w.g.Edit("slipway-many-1234", func(m map[string]any) { m["description"] = "mine" })
		for range lookTurns {
			time.Sleep(Every)
			if err := w.Pass(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(w.g.Wrote()); n != 1 || w.g.Model("slipway-many-1234")["description"] != "x" {
			t.Errorf("%d writes; the edit is there still", n)
		}
		// At once where a person asks.
		w.g.Edit("slipway-many-1234", func(m map[string]any) { m["description"] = "mine" })
		if err := w.Sync(t.Context()); err != nil || len(w.g.Wrote()) != 1 {
			t.Errorf("%v; the edit is there still", err)
		}
		// An index that knows nothing yet makes us ask, not write.
		w.g.Behind(true)
		w.pass(t)
		w.g.Behind(false)
		// What we would write otherwise is one write.
		w.want.Dashboards[500].JSON = board("z")
		w.pass(t, "POST /api/dashboards/db")
	})
}

// TestGrafanaThatLimits: one that lets us ask 100 times a minute gets everything all the same.
func TestGrafanaThatLimits(t *testing.T) {
	w := newWorld(t, Keep)
	many(w, 400)
	inBubble(t, w, func(t *testing.T) {
		w.g.Limit(rate.NewLimiter(rate.Every(600*time.Millisecond), 100))
		begun := time.Now()
		if err := w.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		calls, refused := w.g.Calls()
		if len(w.g.Dashboards()) != 402 || refused*5 > calls {
			t.Errorf("%d dashboards, %d of %d requests refused", len(w.g.Dashboards()), refused, calls)
		}
		t.Logf("%d requests, %d refused, %s", calls, refused, time.Since(begun))
		// One that never lets us ask: the pass ends, and says why.
		w.g.Limit(rate.NewLimiter(0, 0))
		begun = time.Now()
		err := w.Pass(t.Context())
		if err == nil || !strings.Contains(err.Error(), "429") && !strings.Contains(err.Error(), "limits how often") {
			t.Errorf("%v", err)
		}
		if calls, _ := w.g.Calls(); calls > busyTries || time.Since(begun) > 5*time.Minute {
			t.Errorf("%d requests in %s", calls, time.Since(begun))
		}
	})
}

// TestRemovalEndsAPass: who asks for removal does not wait for what would be taken away again.
func TestRemovalEndsAPass(t *testing.T) {
	w := newWorld(t, Keep)
	many(w, 1000)
	inBubble(t, w, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(20 * time.Second)
		begun, some := time.Now(), len(w.g.Dashboards())
		if left, err := w.Remove(t.Context(), false); err != nil || len(left) > 0 {
			t.Fatal(left, err)
		}
		if took := time.Since(begun); some == 0 || took > time.Minute {
			t.Errorf("%d dashboards were gone after %s", some, took)
		}
		time.Sleep(time.Hour)
		if w.g.Dashboards() != nil || w.g.Sources() != nil || w.g.Folders() != nil || w.Status().Problem != "" {
			t.Errorf("left %d, %+v", len(w.g.Dashboards()), w.Status())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRemovalThatDoesNotGoThrough says so until it does.
func TestRemovalThatDoesNotGoThrough(t *testing.T) {
	w := newWorld(t, Keep)
	w.pass(t, everything...)
	w.g.Away(true)
	if _, err := w.Remove(t.Context(), false); err == nil {
		t.Fatal("it went through")
	}
	if s := w.Status(); !s.Removed || s.Dashboards != 2 || !strings.Contains(s.Problem, "slipway grafana remove") {
		t.Errorf("%+v", s)
	}
	w.g.Away(false)
	w.pass(t) // nothing is written meanwhile
	if left, err := w.Remove(t.Context(), false); err != nil || len(left) > 0 || len(w.g.Dashboards()) > 0 || w.Status().Problem != "" {
		t.Errorf("%v %v %+v", left, err, w.Status())
	}
}

// TestMostFail: one that refuses everything is not asked a thousand times, nor told of in a thousand lines.
func TestMostFail(t *testing.T) {
	w := newWorld(t, Keep)
	many(w, 1000)
	for i := range w.want.Dashboards {
		w.want.Dashboards[i].Folder = "nowhere" // 400
	}
	inBubble(t, w, func(t *testing.T) {
		err := w.Pass(t.Context())
		if err == nil || strings.Count(err.Error(), "\n") != toldErrors || !strings.Contains(err.Error(), "and 45 more") {
			t.Errorf("%v", err)
		}
		if calls, _ := w.g.Calls(); calls > 200 {
			t.Errorf("%d requests", calls)
		}
	})
}
