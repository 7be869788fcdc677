package git

import (
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
)

const (
	// relaxed is how many times rarer a repository is polled whose webhooks come.
	relaxed = 10
	// slowest is what that comes to at most, unless the interval itself is longer.
	slowest = time.Hour
	// trusted is how long webhooks are relied on after the last one.
	trusted = 7 * 24 * time.Hour
)

// interval of spec.pollInterval.
func interval(repo *v1alpha1.Repository) time.Duration {
	if p := repo.Spec.PollInterval; p != nil {
		return max(p.Duration, 5*time.Second)
	}
	return time.Minute
}

// polling is how the repository is to be polled after a look: rarely while webhooks come
// and tell of all that changes. One change that only polling found ends that, until a
// webhook comes again.
func polling(repo *v1alpha1.Repository, via string, changed bool, now time.Time) *v1alpha1.Polling {
	p := &v1alpha1.Polling{}
	if have := repo.Status.Polling; have != nil {
		p.Told = have.Told
	}
	missed := via == "poll" && changed && p.Told != nil
	switch {
	case via == "webhook":
		p.Told = &metav1.Time{Time: now}
	case missed || p.Told != nil && now.Sub(p.Told.Time) > trusted:
		p.Told = nil
	}
	p.Every = metav1.Duration{Duration: interval(repo)}
	switch {
	case p.Told != nil:
		p.Every.Duration = max(min(relaxed*p.Every.Duration, slowest), p.Every.Duration)
		p.Message = "webhooks come, so that it is polled less often"
	case missed:
		p.Message = "polling found a change that no webhook told of"
	case repo.Spec.WebhookSecret == "":
		p.Message = "it has no webhook secret, so that polling finds what changes"
	default:
		p.Message = "no webhook came lately"
	}
	return p
}

// pause until the next look: every, with a tenth of jitter, doubled with every failure up
// to half an hour; and not before what the other side asked for.
func pause(every time.Duration, failures int, later time.Duration) time.Duration {
	d := every
	for range min(failures, 10) {
		if d < 30*time.Minute {
			d = min(2*d, 30*time.Minute)
		}
	}
	d += time.Duration((rand.Float64() - 0.5) * 0.2 * float64(d))
	if later > 0 {
		d = max(d, later+time.Duration(rand.Float64()*0.1*float64(later)))
	}
	return d
}
