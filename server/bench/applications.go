package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
)

// published is how long Flux says that it takes for so many applications of four objects,
// in seconds, on two cores with its apiserver elsewhere.
var published = map[int]float64{100: 26, 500: 120, 1000: 253}

// applications measures a server with ever more applications: each time all of them are
// made, then all of them changed by one push. The whole server runs on this machine, its
// apiserver and etcd too.
func (b *bench) applications(ctx context.Context) (err error) {
	in, err := b.started(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.remove(ctx)) }()
	solo, err := newFleet(ctx, in, "solo")
	if err != nil {
		return err
	}
	if err := b.installed(ctx, solo, 1); err != nil {
		return err
	}
	if err := b.alone(ctx, solo, solo, "1 application"); err != nil {
		return err
	}
	many, err := newFleet(ctx, in, "fleet")
	if err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	idle := memories{all: memoryOf(in.dir)}
	idle.server, idle.files = serverMemory(in)
	for _, n := range b.Applications {
		if err := b.installed(ctx, many, n); err != nil {
			return err
		}
		if err := b.changed(ctx, many, idle); err != nil {
			return err
		}
	}
	what := fmt.Sprintf("%d applications", len(many.names))
	if err := b.unchanged(ctx, many, what); err != nil {
		return err
	}
	return b.alone(ctx, solo, many, what)
}

// installed makes applications until there are n.
func (b *bench) installed(ctx context.Context, f *fleet, n int) error {
	from := len(f.names)
	if n <= from {
		return nil
	}
	if err := f.grow(ctx, n); err != nil {
		return err
	}
	began := time.Now()
	if err := f.create(ctx, from); err != nil {
		return err
	}
	what := fmt.Sprintf("%d applications made, to all healthy", n-from)
	if err := f.until(ctx, b, what, f.names[from:], f.released); err != nil {
		return err
	}
	if n > 1 {
		b.report.add(what, "s", time.Since(began).Seconds())
	}
	return f.note(ctx)
}

// changed pushes a change of all applications at once.
func (b *bench) changed(ctx context.Context, f *fleet, idle memories) error {
	if _, err := f.write(ctx, f.names); err != nil {
		return err
	}
	n := len(f.names)
	what := fmt.Sprintf("full reconcile of %d applications, push to all healthy", n)
	most, before := watchMemories(f.in), processorTime(f.in.dir)
	began := time.Now()
	if err := f.push(ctx); err != nil {
		most()
		return err
	}
	done := b.profile(ctx, f.in, fmt.Sprintf("reconcile-%d", n))
	err := f.until(ctx, b, what, f.names, f.released)
	took := time.Since(began)
	peak, used := most(), processorTime(f.in.dir)-before
	if err = errors.Join(err, done()); err != nil {
		return err
	}
	if flux := published[n]; flux > 0 {
		b.report.beside(what, "s", took.Seconds(), flux, "Flux's published")
	} else {
		b.report.add(what, "s", took.Seconds())
	}
	b.report.add(fmt.Sprintf("full reconcile of %d applications, processor time of everything", n), "s", used)
	b.report.add(fmt.Sprintf("memory over idle at %d applications, most of the server (apiserver and etcd in it)", n), "MiB", float64(peak.server-idle.server)/1024)
	b.report.add(fmt.Sprintf("memory over idle at %d applications, files mapped by the server (etcd's)", n), "MiB", float64(peak.files-idle.files)/1024)
	b.report.add(fmt.Sprintf("memory over idle at %d applications, most of everything", n), "MiB", float64(peak.all-idle.all)/1024)
	return f.note(ctx)
}

// unchanged has all applications compared with the cluster, and pushes what is none of
// their business.
func (b *bench) unchanged(ctx context.Context, f *fleet, what string) error {
	began, again := time.Now(), fmt.Sprint("again-", f.round)
	if err := f.patch(ctx, map[string]any{"resync": again}); err != nil {
		return err
	}
	name := "no-change reconcile of " + what + ": all objects compared"
	if err := f.until(ctx, b, name, f.names, func(s state) bool { return s.resynced == again && s.sync == "Synced" }); err != nil {
		return err
	}
	b.report.add(name, "s", time.Since(began).Seconds())
	commit, err := f.write(ctx, nil)
	if err != nil {
		return err
	}
	began = time.Now()
	if err := f.push(ctx); err != nil {
		return err
	}
	name = "no-change reconcile of " + what + ": a push that concerns none of them"
	if err := f.until(ctx, b, name, f.names, func(s state) bool { return s.same == commit }); err != nil {
		return err
	}
	b.report.add(name, "s", time.Since(began).Seconds())
	return nil
}

// aloneRounds of what is done with one application.
const aloneRounds = 5

// alone is what one application costs while there are others: pushed to, in a repository
// of its own and in the one of all, and put right.
func (b *bench) alone(ctx context.Context, solo, many *fleet, what string) error {
	for i := range aloneRounds {
		if err := b.pushedOne(ctx, solo, solo.names[0], "push with "+what+" present"); err != nil {
			return err
		}
		if many != solo {
			if err := b.pushedOne(ctx, many, many.names[len(many.names)/2], "push of one change to a repository of "+what); err != nil {
				return err
			}
		}
		if err := b.healed(ctx, solo, i, what); err != nil {
			return err
		}
		if err := b.seen(ctx, solo, i, what); err != nil {
			return err
		}
	}
	return nil
}

// pushedOne changes one application and tells when it begins to be applied, and when it
// is healthy.
func (b *bench) pushedOne(ctx context.Context, f *fleet, name, where string) error {
	if err := f.note(ctx); err != nil {
		return err
	}
	if _, err := f.write(ctx, []string{name}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	w, err := f.apps.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return err
	}
	defer w.Stop()
	began := time.Now()
	if err := f.push(ctx); err != nil {
		return err
	}
	started := time.Duration(0)
	for event := range w.ResultChan() {
		o, ok := event.Object.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		s := stateOf(o)
		if started == 0 && s.current > f.last[name] {
			started = time.Since(began)
			b.report.add(where+", to apply started", "s", started.Seconds())
		}
		if f.released(s) {
			b.report.add(where+", to healthy", "s", time.Since(began).Seconds())
			return nil
		}
	}
	return fmt.Errorf("application %s was pushed and is not healthy: %w", name, context.Cause(ctx))
}

// profile writes where the server's time goes for a while, if it was asked for.
func (b *bench) profile(ctx context.Context, in *instance, name string) (done func() error) {
	if b.Profiles == "" {
		return func() error { return nil }
	}
	cfg, err := in.config()
	if err != nil {
		return func() error { return err }
	}
	kube, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return func() error { return err }
	}
	got, ended := make(chan error, 2), make(chan struct{})
	go func() {
		get := func(path, ext, key, value string) error {
			body, err := kube.Discovery().RESTClient().Get().AbsPath(path).Param(key, value).DoRaw(ctx)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(b.Profiles, name+ext), body, 0o644)
		}
		got <- errors.Join(get("/metrics", ".before", "", ""), get("/debug/pprof/profile", ".cpu", "seconds", "20"))
		<-ended
		// What is in use then, all of it: with seconds it would be what was added.
		got <- errors.Join(get("/metrics", ".after", "", ""), get("/debug/pprof/heap", ".heap", "gc", "1"))
	}()
	return func() error {
		close(ended)
		return errors.Join(<-got, <-got)
	}
}

// memories in KiB; files are those that the server has mapped, its part of them in
// memory: the kernel takes them back when it needs the room.
type memories struct{ server, files, all int }

func serverMemory(in *instance) (all, files int) {
	all, files, _ = shares(in.server.Process.Pid) // 0 if it has ended, which shows elsewhere
	return all, files
}

// watchMemories follows an instance; most stops it and gives the most of each.
func watchMemories(in *instance) (most func() memories) {
	var top memories
	all := mostOf(time.Second, func() int {
		if all, files := serverMemory(in); all > top.server {
			top.server, top.files = all, files
		}
		return memoryOf(in.dir)
	})
	return func() memories {
		top.all = all()
		return top
	}
}
