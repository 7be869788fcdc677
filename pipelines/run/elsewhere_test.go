package run

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

func TestRunOfAnotherRepository(t *testing.T) {
	ask := func(allowed bool, err error) MayStart {
		return func(_ context.Context, ns, user string) (bool, error) {
			if ns != "default" || user != "ann" {
				return false, fmt.Errorf("asked for %s in %s", user, ns)
			}
			return allowed, err
		}
	}
	branch := func(name string) func(*plan.Trigger) { return func(t *plan.Trigger) { t.Branch = name } }
	for name, c := range map[string]struct {
		job  plan.Job
		may  MayStart
		repo func(*v1alpha1.Repository)
		by   func(*v1alpha1.RefStatus)
		want string // the message of a job that fails, else nothing
		ref  string
	}{
		"who may":             {job: trigger("cart", project("cart")), may: ask(true, nil), ref: "refs/heads/main"},
		"branch":              {job: trigger("cart", project("cart"), branch("stable")), may: ask(true, nil), ref: "refs/heads/stable"},
		"branch of variables": {job: trigger("cart", project("cart"), branch("$WHICH")), may: ask(true, nil), ref: "refs/heads/stable"},
		"who may not":         {job: trigger("cart", project("cart")), may: ask(false, nil), want: "ann may not start runs of repository cart; a role that allows it, or shop in spec.triggeredBy of that repository, would"},
		"nobody is asked":     {job: trigger("cart", project("cart")), want: "ann may not start runs of repository cart"},
		"let by the other":    {job: trigger("cart", project("cart")), repo: func(r *v1alpha1.Repository) { r.Spec.TriggeredBy = []string{"shop"} }, ref: "refs/heads/main"},
		"let all":             {job: trigger("cart", project("cart")), repo: func(r *v1alpha1.Repository) { r.Spec.TriggeredBy = []string{"*"} }, ref: "refs/heads/main"},
		"let another":         {job: trigger("cart", project("cart")), repo: func(r *v1alpha1.Repository) { r.Spec.TriggeredBy = []string{"shops"} }, want: "ann may not start"},
		"polled":              {job: trigger("cart", project("cart")), may: ask(true, nil), by: func(s *v1alpha1.RefStatus) { s.By, s.Via = "", "poll" }, want: "nobody that this server knows caused run shop-1"},
		"no repository":       {job: trigger("cart", project("basket")), may: ask(true, nil), want: "repository basket is not there"},
		"no branch":           {job: trigger("cart", project("cart"), branch("nope")), may: ask(true, nil), want: `repository cart: "nope" not found; known: main, stable`},
		"secret branch":       {job: trigger("cart", project("cart"), branch("$PASSWORD")), may: ask(true, nil), want: `the branch "$PASSWORD" of repository cart refers to a secret`},
	} {
		t.Run(name, func(t *testing.T) {
			c.job.Variables = []plan.Variable{{Name: "WHICH", Value: "stable"}}
			c.job.Secrets = []plan.SecretRef{{Variable: "PASSWORD", Secret: "s", Key: "value"}}
			c.job.Trigger.Inputs = map[string]json.RawMessage{"n": []byte("3")}
			w := newWorld(t, c.job)
			if w.MayStart = c.may; c.repo == nil {
				c.repo = func(*v1alpha1.Repository) {}
			}
			w.repository("cart", c.repo)
			w.compiles("shop-1-cart-c1", plan.Job{Name: "a"})
			if c.by != nil {
				repo := &v1alpha1.Repository{}
				if err := w.Get(t.Context(), repoKey, repo); err != nil {
					t.Fatal(err)
				}
				s := repo.Status.Refs["refs/heads/main"]
				c.by(&s)
				repo.Status.Refs["refs/heads/main"] = s
				if err := w.Status().Update(t.Context(), repo); err != nil {
					t.Fatal(err)
				}
			}
			w.push()
			js := w.rest("shop-1", "shop-1-cart-c1").Status.Jobs[0]
			if c.want != "" {
				if js.Phase != v1alpha1.Failed || !strings.Contains(js.Message, c.want) || js.Child != "" || js.Reason != reasonChild || len(w.runNames()) != 1 {
					t.Errorf("job %+v, runs %v", js, w.runNames())
				}
				return
			}
			s := w.runOf("shop-1-cart-c1")
			if js.Phase != v1alpha1.Succeeded || s.Spec.Repository != "cart" || s.Spec.Ref != c.ref || s.Spec.Cause != v1alpha1.RunCausePipeline || s.Spec.By != "ann" ||
				s.Spec.Before != "" || s.Spec.Inputs["n"] != "3" || sourceOf(s) != "pipeline" || s.Labels[v1alpha1.LabelRepository] != "cart" {
				t.Errorf("job %+v, run %+v", js, s.Spec)
			}
			if o := s.OwnerReferences; len(o) != 1 || o[0].Name != "cart" {
				t.Errorf("owners %+v", o)
			}
			if of := w.compiler.origins[s.Name]; of == nil || len(of.Files) != 0 {
				t.Errorf("origin %+v", of)
			}
		})
	}
}

func TestRunsThatStartOneAnotherAreLimited(t *testing.T) {
	up := func(list ...string) (out []v1alpha1.Upstream) { // "repository cause"
		for i, text := range list {
			repo, cause, _ := strings.Cut(text, " ")
			out = append(out, v1alpha1.Upstream{Run: fmt.Sprintf("%s-%d", repo, i+1), Repository: repo, Ref: "refs/heads/main", Cause: cause})
		}
		return out
	}
	long := []string{"r0 push"}
	for i := range maxUpstream {
		long = append(long, fmt.Sprintf("r%d pipeline", i+1))
	}
	for name, c := range map[string]struct {
		up    []v1alpha1.Upstream
		cause string
		want  string
	}{
		"child":                    {up("shop push"), v1alpha1.RunCauseChild, ""},
		"child of a child":         {up("shop push", "shop child"), v1alpha1.RunCauseChild, ""},
		"and of that one":          {up("shop push", "shop child", "shop child"), v1alpha1.RunCauseChild, "a child of shop-3 would be nested more than 2 deep"},
		"from another repository":  {up("cart push", "cart child", "cart child", "shop pipeline"), v1alpha1.RunCauseChild, ""},
		"once back":                {up("shop push", "cart pipeline"), v1alpha1.RunCausePipeline, ""},
		"twice back":               {up("shop push", "cart pipeline", "shop pipeline", "cart pipeline"), v1alpha1.RunCausePipeline, "in a loop: shop main -> cart main -> shop main -> cart main -> shop main"},
		"through children":         {up("shop push", "shop child", "cart pipeline", "shop pipeline", "shop child", "cart pipeline"), v1alpha1.RunCausePipeline, "in a loop: ... -> shop main"},
		"many in a row":            {up(long...), v1alpha1.RunCausePipeline, "more than 20 runs in a row"},
		"many in a row, and child": {up(long...), v1alpha1.RunCauseChild, "more than 20 runs in a row"},
	} {
		child := &v1alpha1.Run{Spec: v1alpha1.RunSpec{Repository: "shop", Ref: "refs/heads/main", Cause: c.cause}}
		err := tooDeep(c.up, child)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestFamilyIsLimited: one run leads to so many others, whatever starts them.
func TestFamilyIsLimited(t *testing.T) {
	for family, want := range map[int]v1alpha1.Phase{maxFamily - 1: v1alpha1.Succeeded, maxFamily: v1alpha1.Failed} {
		w := newWorld(t, trigger("kids"))
		w.compiles(kids, plan.Job{Name: "a"})
		w.Controller.Client = interceptor.NewClient(w.Controller.Client.(client.WithWatch), interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				runs, ok := list.(*v1alpha1.RunList)
				if ok && slices.ContainsFunc(opts, func(o client.ListOption) bool { return fmt.Sprint(o) == "map[slipway.dev/root-run:shop-1]" }) {
					runs.Items = make([]v1alpha1.Run, family)
					return nil
				}
				return c.List(ctx, list, opts...)
			},
		})
		w.push()
		if js := w.rest("shop-1", kids).Status.Jobs[0]; js.Phase != want || want == v1alpha1.Failed && !strings.Contains(js.Message, "more than 1000 are not allowed") {
			t.Errorf("%d runs: job %+v", family, js)
		}
	}
}

func TestForward(t *testing.T) {
	secrets := []plan.SecretRef{{Variable: "PASSWORD", Secret: "s", Key: "value"}}
	job := func(yaml, given bool) plan.Job {
		return plan.Job{Name: "kids", ID: "kids", Secrets: secrets, Without: []string{"MINE"}, Needs: []plan.Need{{Job: "before", Artifacts: true}},
			Trigger:   &plan.Trigger{ForwardVariables: yaml, ForwardGiven: given},
			Variables: []plan.Variable{{Name: "A", Value: "job $CI_COMMIT_REF_NAME $VERSION"}, {Name: "RAW", Value: "$PASSWORD", Raw: true}, {Name: "URL", Value: "https://$$x:$PASSWORD@$B"}, {Name: "ID", Value: "$CI_JOB_ID"}}}
	}
	p := &plan.Plan{
		Predefined: []plan.Variable{{Name: "CI_COMMIT_REF_NAME", Value: "main", Raw: true}},
		Variables:  []plan.Variable{{Name: "A", Value: "pipeline"}, {Name: "B", Value: "b"}, {Name: "MINE", Value: "1"}},
		Given:      []plan.Variable{{Name: "B", Value: "given $PASSWORD", Raw: true}, {Name: "C", Value: "of $PASSWORD"}},
		Jobs:       []plan.Job{{Name: "before", ID: "before", Artifacts: &plan.Artifacts{Reports: plan.Reports{Dotenv: []string{"env"}}}}},
	}
	artifacts := jobapi.Dir(t.TempDir())
	if err := artifacts.Put(t.Context(), "default", "shop-1", jobapi.DotenvName("before"), strings.NewReader(`[{"name":"VERSION","value":"1.2","raw":true}]`), 1<<20); err != nil {
		t.Fatal(err)
	}
	c := &Controller{Artifacts: artifacts}
	run := &v1alpha1.Run{Spec: v1alpha1.RunSpec{Repository: "shop", Actions: []v1alpha1.RunAction{{Variables: map[string]string{"PLAYED": "$PASSWORD"}}}}}
	run.Namespace, run.Name = "default", "shop-1"
	yaml := map[string]string{"A": "job main 1.2", "B": "b", "RAW": "$PASSWORD", "URL": "expand:https://$$x:${PASSWORD}@given $$PASSWORD", "ID": "shop-1-kids-1"}
	given := map[string]string{"B": "given $PASSWORD", "C": "expand:of ${PASSWORD}", "VERSION": "1.2"}
	both := maps.Clone(yaml)
	maps.Copy(both, given)
	played := maps.Clone(yaml)
	played["PLAYED"] = "$PASSWORD"
	for name, tt := range map[string]struct {
		yaml, given bool
		played      int
		want        map[string]string
	}{
		"as usual": {true, false, 0, yaml}, "given ones": {false, true, 0, given}, "both": {true, true, 0, both}, "none": {false, false, 0, map[string]string{}},
		"played": {true, false, 1, played},
	} {
		j := job(tt.yaml, tt.given)
		list, _, err := c.forward(t.Context(), run, p, &j, &v1alpha1.JobStatus{Name: "kids", Attempt: 1, Played: tt.played})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, v := range list {
			if _, twice := got[v.Name]; twice {
				t.Errorf("%s: %s is there twice", name, v.Name)
			}
			got[v.Name] = v.Value
			if v.Expand {
				got[v.Name] = "expand:" + v.Value
			}
		}
		if !maps.Equal(got, tt.want) {
			t.Errorf("%s:\n%v, want\n%v", name, got, tt.want)
		}
	}
	big := job(true, false)
	for i := range 10 {
		big.Variables = append(big.Variables, plan.Variable{Name: fmt.Sprintf("V%d", i), Value: strings.Repeat("x", 20<<10)})
	}
	var refused refusedError
	if _, _, err := c.forward(t.Context(), run, p, &big, &v1alpha1.JobStatus{Name: "kids", Attempt: 1}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "at most 1000 of 131072 bytes") {
		t.Errorf("err %v", err)
	}
}

// TestFileOfAJob: the archive is what a job's pod sent, and so may be anything.
func TestFileOfAJob(t *testing.T) {
	archive := func(add func(*zip.Writer) error) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		if err := errors.Join(add(w), w.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	file := func(name string, mode fs.FileMode, body string) []byte {
		return archive(func(w *zip.Writer) error {
			h := &zip.FileHeader{Name: name, Method: zip.Deflate}
			h.SetMode(mode)
			out, err := w.CreateHeader(h)
			if err == nil {
				_, err = out.Write([]byte(body))
			}
			return err
		})
	}
	const child = "shop-1-kids-c1"
	for name, c := range map[string]struct {
		archive []byte
		content string
		says    string
	}{
		"good":        {file("out/c.yml", 0o644, "a: {script: echo}"), "a: {script: echo}", ""},
		"nothing":     {nil, "", ""},
		"another":     {file("out/d.yml", 0o644, "x"), "", ""},
		"link":        {file("out/c.yml", fs.ModeSymlink|0o777, "/etc/passwd"), "", `the pipeline file that job "make" made cannot be read: out/c.yml: not a regular file`},
		"directory":   {file("out/c.yml/", fs.ModeDir|0o755, ""), "", "not a regular file"},
		"bomb":        {file("out/c.yml", 0o644, strings.Repeat("a", maxMade+1)), "", "more than 5242880 bytes"},
		"no archive":  {[]byte("PK\x03\x04 nothing of the kind"), "", `the artifacts of job "make" cannot be read`},
		"cut archive": {file("out/c.yml", 0o644, "x")[:40], "", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, plan.Job{Name: "make"}, trigger("kids", func(t *plan.Trigger) {
				t.Files = []plan.TriggerFile{{Path: "out/c.yml", Job: "make", Inputs: map[string]json.RawMessage{"n": []byte("2")}}}
				t.Inputs = map[string]json.RawMessage{"n": []byte("1"), "m": []byte("1")}
			}))
			w.compiler.Plan.Jobs[1].Needs = needs("make")
			w.compiles(child, plan.Job{Name: "a"})
			w.push()
			w.settle("shop-1")
			if c.archive != nil {
				if err := w.Artifacts.Put(t.Context(), "default", "shop-1", jobapi.ArtifactName("make"), bytes.NewReader(c.archive), 1<<30); err != nil {
					t.Fatal(err)
				}
			}
			w.end("shop-1-make-1", true, 0, "Succeeded")
			js := w.rest("shop-1", child).Status.Jobs[1]
			if c.says != "" {
				if js.Phase != v1alpha1.Failed || !strings.Contains(js.Message, c.says) {
					t.Errorf("job %+v", js)
				}
				return
			}
			of := w.compiler.origins[child]
			if js.Phase != v1alpha1.Succeeded || of == nil || string(of.Files[0].Content) != c.content || (of.Files[0].Content == nil) != (c.content == "") {
				t.Errorf("job %+v, origin %+v", js, of)
			}
			if in := of.Files[0].Inputs; string(in["n"]) != "2" || string(in["m"]) != "1" {
				t.Errorf("inputs %v", in)
			}
		})
	}
}

// TestOnlyTheJobsOwnRunIsItsChild: a Run that somebody else made does not get the files
// of a job, which would run with what is kept for the ref that it names.
func TestOnlyTheJobsOwnRunIsItsChild(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha1.Run)
		says   string
	}{
		"another name":    {func(r *v1alpha1.Run) { r.Name = "mine" }, `job "kids" of run shop-1 did not start this run`},
		"another job":     {func(r *v1alpha1.Run) { r.Name, r.Spec.Parent.Job = "mine", "plain" }, "did not start this run"},
		"another attempt": {func(r *v1alpha1.Run) { r.Name, r.Spec.Parent.Attempt = "mine", 7 }, "did not start this run"},
		"no parent":       {func(r *v1alpha1.Run) { r.Name, r.Spec.Parent.Run = "mine", "shop-9" }, "run shop-9, which started this one, is gone"},
	} {
		w := newWorld(t, trigger("kids", depend), plan.Job{Name: "plain"})
		w.compiles(kids, plan.Job{Name: "a"})
		w.push()
		w.rest("shop-1", kids)
		forged := w.runOf(kids).DeepCopy()
		forged.ResourceVersion, forged.UID, forged.Status = "", "", v1alpha1.RunStatus{}
		c.change(forged)
		if err := w.Create(t.Context(), forged); err != nil {
			t.Fatal(err)
		}
		if run := w.settle("mine"); run.Status.Phase != v1alpha1.Failed || !strings.Contains(run.Status.Message, c.says) {
			t.Errorf("%s: %s %q", name, run.Status.Phase, run.Status.Message)
		}
	}
	// One that is there before, under the name that the child would have.
	for name, change := range map[string]func(*v1alpha1.Run){
		"plain":         func(r *v1alpha1.Run) { r.Spec.Cause = "push" },
		"other commit":  func(r *v1alpha1.Run) { r.Spec.Commit = strings.Repeat("f", 40) },
		"other ref":     func(r *v1alpha1.Run) { r.Spec.Ref = "refs/heads/other" },
		"other project": func(r *v1alpha1.Run) { r.Spec.Repository = "cart" },
	} {
		w := newWorld(t, trigger("kids", depend))
		w.compiles(kids, plan.Job{Name: "a"})
		forged := newRun(&v1alpha1.Repository{}, "refs/heads/main", v1alpha1.RefStatus{Commit: strings.Repeat("a", 40), Sequence: 1})
		forged.Namespace, forged.Name, forged.OwnerReferences = "default", kids, nil
		forged.Spec.Repository, forged.Spec.Cause = "shop", v1alpha1.RunCauseChild
		forged.Spec.Parent = &v1alpha1.RunParent{Run: "shop-1", Job: "kids", Attempt: 1}
		change(forged)
		if name == "plain" {
			forged.Spec.Parent = nil
		}
		if err := w.Create(t.Context(), forged); err != nil {
			t.Fatal(err)
		}
		w.push()
		js := w.settle("shop-1").Status.Jobs[0]
		if js.Phase != v1alpha1.Failed || !strings.Contains(js.Message, "a run shop-1-kids-c1 is there already that this job did not start") || js.Child != "" {
			t.Errorf("%s: job %+v", name, js)
		}
	}
}
