package logs

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// receiveOwn takes what collectors in dir send, until stop is called.
func receiveOwn(t *testing.T, store *Store, dir string) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, "forward.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&Receiver{Own: true, Keep: store.Receive, Log: quiet()}).Serve(ctx, l) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTraces(t *testing.T) {
	row := func(stream, text string) Row {
		return NewRow(1, map[string]string{"stream": stream}).with("_msg", text)
	}
	for name, c := range map[string]struct{ in, want []string }{
		"java": {
			[]string{"starting", "java.lang.IllegalStateException: no", "\tat a.B.c(B.java:1)", "\tat a.D.e(D.java:2)", "Caused by: java.io.IOException", "\tat x.Y.z(Y.java:3)", "\t... 2 more", "next"},
			[]string{"starting", "java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n\tat a.D.e(D.java:2)\nCaused by: java.io.IOException\n\tat x.Y.z(Y.java:3)\n\t... 2 more", "next"},
		},
		"python": {
			[]string{"Traceback (most recent call last):", `  File "a.py", line 1, in <module>`, "    f()", "ValueError: no", "next"},
			[]string{"Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nValueError: no", "next"},
		},
		"go": {
			[]string{"panic: no", "", "goroutine 1 [running]:", "main.f(0x1)", "\t/a/b.go:3 +0x1d", "next line"},
			[]string{"panic: no\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/a/b.go:3 +0x1d", "next line"},
		},
		"no trace": {[]string{"a", "  b: c", "  - d", "{", "}"}, []string{"a", "  b: c", "  - d", "{", "}"}},
	} {
		var rows []Row
		for _, l := range c.in {
			rows = append(rows, row("stderr", l))
		}
		var got []string
		for _, r := range joinTraces(rows) {
			got = append(got, r.Get("_msg"))
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
	mixed := joinTraces([]Row{row("stderr", "Error: x"), row("stdout", "in between"), row("stderr", "    at f (a.js:1:2)")})
	if len(mixed) != 2 || mixed[0].Get("_msg") != "Error: x\n    at f (a.js:1:2)" {
		t.Errorf("two streams: %v", mixed)
	}
}

// with adds a field behind the others.
func (r Row) with(name, v string) Row {
	r.Fields = append(r.Fields, Field{Name: name, Value: v})
	return r
}

func TestFilesOfTheNode(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, filepath.Join(dir, "store"))
	defer runStore(t, store)()
	defer receiveOwn(t, store, dir)()
	c := testCollector(dir)
	c.Sources = []Source{
		{Pattern: filepath.Join(dir, "own", "*.log"), Fields: map[string]string{"namespace": "kube-system", IndexField: "logs-slipway-kube-system"}},
		{Pattern: filepath.Join(dir, "audit", "audit.log"), Audit: true, Fields: map[string]string{"namespace": "kube-system", IndexField: "logs-audit-kube-system", "container": "apiserver"}},
	}
	own, audit := filepath.Join(dir, "own", "kubelet.log"), filepath.Join(dir, "audit", "audit.log")
	for _, f := range []string{own, audit} {
		if err := os.MkdirAll(filepath.Dir(f), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() { cancel(); <-done }()
	at := time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)
	write := func(file, text string, flag int) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	write(own, fmt.Sprintf("time=%s level=INFO msg=\"first own line\"\nno time in this own line\n", at.Format(time.RFC3339Nano)), os.O_APPEND)
	write(audit, fmt.Sprintf(`{"kind":"Event","auditID":"a-1","stage":"ResponseComplete","verb":"delete","requestURI":"/api/v1/namespaces/default/secrets/x","user":{"username":"dev","groups":["g"]},"impersonatedUser":{"username":"deployer"},"objectRef":{"resource":"secrets","namespace":"default","name":"x"},"responseStatus":{"code":200},"stageTimestamp":%q}`+"\nnot json\n", at.Format(time.RFC3339Nano)), os.O_APPEND)
	eventually(t, "own lines", func() bool { return count(t, store, "kube-system", `container:="kubelet"`) == 2 })
	eventually(t, "the audit event", func() bool {
		return count(t, store, "kube-system", `"dev as deployer delete secrets default/x 200" audit.verb:=delete audit.name:=x`) == 1
	})
	if row := search(t, store, "kube-system", `"first own line"`)[0]; row["_time"] != at.Format(time.RFC3339Nano) {
		t.Errorf("the line's own time %s became %s", at.Format(time.RFC3339Nano), row["_time"])
	}
	if n := count(t, store, "default", ""); n != 0 {
		t.Errorf("%d lines of the node are shown to a tenant", n)
	}
	// As rotation by copy does it.
	write(own, "after truncation\n", os.O_TRUNC)
	eventually(t, "a truncated file", func() bool { return count(t, store, "kube-system", `"after truncation"`) == 1 })
}

func TestFilesThatWereRotatedWhileNobodyLooked(t *testing.T) {
	dir := t.TempDir()
	container := filepath.Join(dir, "pods", "default_shop-1_uid", "web")
	if err := os.MkdirAll(container, 0o755); err != nil {
		t.Fatal(err)
	}
	store := openStore(t, filepath.Join(dir, "store"))
	defer runStore(t, store)()
	defer receiveOwn(t, store, dir)()
	collect := func(want int) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- testCollector(dir).Run(ctx) }()
		eventually(t, fmt.Sprint(want, " lines"), func() bool { return count(t, store, "default", "") == want })
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	file := filepath.Join(container, "0.log")
	write := func(text string) {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString(record("F", text))
		_ = f.Close()
	}
	write("one")
	collect(1)
	write("two")
	if err := os.Rename(file, file+".20260102-030405"); err != nil {
		t.Fatal(err)
	}
	write("three")
	collect(3)
	collect(3)
	if err := os.WriteFile(file+".20260101-000000.gz", []byte("compressed"), 0o644); err != nil {
		t.Fatal(err)
	}
	write("four")
	collect(4)
}
