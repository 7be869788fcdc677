package git

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestPollingAfterWebhooks(t *testing.T) {
	told := func(minutes int) *v1alpha1.Polling {
		at := after(minutes)
		return &v1alpha1.Polling{Told: &at}
	}
	for _, c := range []struct {
		name     string
		interval time.Duration
		have     *v1alpha1.Polling
		via      string
		changed  bool
		every    time.Duration
		trusted  bool
		message  string
	}{
		{"at first", 0, nil, "poll", true, time.Minute, false, "webhook"},
		{"a webhook came", 0, nil, "webhook", true, 10 * time.Minute, true, "webhooks come"},
		{"and polling finds nothing more", 0, told(0), "poll", false, 10 * time.Minute, true, "webhooks come"},
		{"polling found what no webhook told", 0, told(0), "poll", true, time.Minute, false, "no webhook told of"},
		{"a person looked", 0, told(0), "manual", true, 10 * time.Minute, true, "webhooks come"},
		{"none for long", 0, told(-8 * 24 * 60), "poll", false, time.Minute, false, "webhook"},
		{"a short interval", 5 * time.Second, told(0), "poll", false, 50 * time.Second, true, "webhooks come"},
		{"a long interval", 30 * time.Minute, told(0), "poll", false, time.Hour, true, "webhooks come"},
		{"a very long interval", 3 * time.Hour, told(0), "poll", false, 3 * time.Hour, true, "webhooks come"},
	} {
		repo := &v1alpha1.Repository{Status: v1alpha1.RepositoryStatus{Polling: c.have}}
		if c.interval > 0 {
			repo.Spec.PollInterval = &metav1.Duration{Duration: c.interval}
		}
		got := polling(repo, c.via, c.changed, noon.Time)
		if got.Every.Duration != c.every || (got.Told != nil) != c.trusted || !strings.Contains(got.Message, c.message) {
			t.Errorf("%s: every %v, %q, %v", c.name, got.Every.Duration, got.Message, got.Told)
		}
	}
}

func TestPause(t *testing.T) {
	for _, c := range []struct {
		every    time.Duration
		failures int
		later    time.Duration
		from, to time.Duration
	}{
		{time.Minute, 0, 0, 54 * time.Second, 66 * time.Second},
		{time.Minute, 1, 0, 108 * time.Second, 132 * time.Second},
		{time.Minute, 50, 0, 27 * time.Minute, 33 * time.Minute},
		{time.Hour, 50, 0, 54 * time.Minute, 66 * time.Minute},
		{time.Minute, 1, time.Hour, time.Hour, 66 * time.Minute},
		{time.Minute, 1, -time.Hour, 108 * time.Second, 132 * time.Second},
	} {
		for range 100 {
			if got := pause(c.every, c.failures, c.later); got < c.from || got > c.to {
				t.Fatalf("%+v: %v", c, got)
			}
		}
	}
}

func TestAsksForPatience(t *testing.T) {
	now := noon.Time
	for _, c := range []struct {
		name   string
		status int
		header map[string]string
		want   time.Duration // 0: none
	}{
		{"seconds", 429, map[string]string{"Retry-After": "120"}, 2 * time.Minute},
		{"a date", 503, map[string]string{"Retry-After": now.Add(time.Hour).Format(http.TimeFormat)}, time.Hour},
		{"429 without a word", 429, nil, time.Minute},
		{"503 without a word", 503, nil, 0},
		{"GitHub's limit", 403, map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1767358800"}, time.Hour},
		{"GitHub's second limit", 403, map[string]string{"Retry-After": "60"}, time.Minute},
		{"forbidden", 403, map[string]string{"X-Ratelimit-Remaining": "10", "X-Ratelimit-Reset": "1767358800"}, 0},
		{"for ever", 429, map[string]string{"Retry-After": "99999999"}, longest},
		{"a date gone by", 503, map[string]string{"Retry-After": "Mon, 02 Jan 2006 15:04:05 GMT"}, 0},
		{"nonsense", 503, map[string]string{"Retry-After": "-5"}, 0},
		{"fine", 200, map[string]string{"Retry-After": "5"}, 0},
	} {
		res := &http.Response{StatusCode: c.status, Header: http.Header{}}
		for k, v := range c.header {
			res.Header.Set(k, v)
		}
		got := asksForPatience(res, now)
		if (got == nil) != (c.want == 0) || got != nil && got.until.Sub(now) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestBusyForgeIsLeftAlone: neither polling nor a webhook asks again before it is time.
func TestBusyForgeIsLeftAlone(t *testing.T) {
	asked := 0
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Retry-After", "900")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer busy.Close()
	b := newBench(t, &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "copy"}, Spec: v1alpha1.RepositorySpec{URL: busy.URL + "/git/w.git"}})
	r := &Reconciler{Host: b.host, Remote: Remote{Private: true}}
	for i := range 3 {
		res, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key})
		if err != nil || res.RequeueAfter < 14*time.Minute || res.RequeueAfter > 17*time.Minute || asked != 1 {
			t.Fatalf("look %d: again in %v, asked %d times, %v", i, res.RequeueAfter, asked, err)
		}
		r.Kick("default", "copy")
	}
	if c := condition(&v1alpha1.Repository{Status: b.status("copy")}); c.Reason != "RateLimited" || !strings.Contains(c.Message, "fewer requests") {
		t.Errorf("%+v", c)
	}
	// When it is time, what was told of is looked for as such.
	r.mu.Lock()
	p := r.state(key)
	p.next, p.later = time.Now(), time.Time{}
	r.mu.Unlock()
	if _, err := r.Reconcile(context.Background(), ctrl.Request{NamespacedName: key}); err != nil || asked != 2 || p.owed != "webhook" {
		t.Errorf("asked %d times, %q is owed, %v", asked, p.owed, err)
	}
}
