package runjob

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/pipelines/jobapi/wire"
)

func TestServiceAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if fault := answers(t.Context(), []int{1, port}, time.Minute); fault != "" {
		t.Error(fault)
	}
	l.Close()
	if fault := answers(t.Context(), []int{port}, 100*time.Millisecond); !strings.Contains(fault, "no answer") {
		t.Errorf("%q", fault)
	}
}

// A service that ends is not waited for until its time is over.
func TestServiceThatEndsIsNotWaitedFor(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"services":[{"image":"a","state":"running"},{"image":"b","state":"ended","message":"it ended with exit code 9"}],"done":true}`+"\n")
	}))
	defer srv.Close()
	a := &attempt{Client: &Client{URL: srv.URL, HTTP: srv.Client(), Patience: time.Second}}
	ended, stop := a.endings(t.Context(), 2)
	if fault := answers(ended[1], []int{1}, time.Minute); fault != "it ended with exit code 9" {
		t.Errorf("%q", fault)
	}
	if ended[0].Err() != nil {
		t.Error("the other service ended too")
	}
	stop()
	if ended[0].Err() == nil {
		t.Error("the look goes on")
	}
}

func TestServicesAreReadToTheirEnd(t *testing.T) {
	list, err := readServices(strings.NewReader("{}\n{\"services\":[{\"image\":\"a\",\"state\":\"waiting\"}]}\n{\"services\":[{\"image\":\"a\",\"state\":\"running\"}],\"done\":true}\n"))
	if err != nil || len(list) != 1 || list[0].State != wire.ServiceRunning {
		t.Errorf("%+v %v", list, err)
	}
	for _, text := range []string{"", "{}\n", "no\n", "{\"done\":true,\"error\":\"gone\"}\n"} {
		if _, err := readServices(strings.NewReader(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestNamesThatAreNoDNSNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte("127.0.0.1\tlocalhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := addHosts(file, []wire.Service{
		{Names: []string{"db", "tutum__wordpress", "evil\n10.0.0.1 front", "a b", "x#y"}},
		{Names: []string{"left__out"}, State: wire.ServiceLeftOut},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "127.0.0.1\tlocalhost\n127.0.0.1\ttutum__wordpress\n" {
		t.Errorf("%q", got)
	}
	if err := addHosts(filepath.Join(t.TempDir(), "none"), []wire.Service{{Names: []string{"a_b"}}}); err == nil {
		t.Error("nobody knows that the name is missing")
	}
}

func TestUserOfAnImage(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nnode:x:1000:1001:Node:/home/node:/bin/sh\nbad:x:a:b::/:\n"
	const group = "root:x:0:\nnode:x:1001:\nvideo:x:44:other,node\n"
	find := func(name string) (account, error) {
		return findUser(name, strings.NewReader(passwd), strings.NewReader(group))
	}
	a, err := find("node")
	if err != nil || a.uid != 1000 || a.gid != 1001 || a.home != "/home/node" || len(a.groups) != 2 || a.groups[0] != 44 {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := find("node:video"); err != nil || a.gid != 44 {
		t.Errorf("%+v %v", a, err)
	}
	for _, name := range []string{"nobody", "bad", "node:none", "", "broken"} {
		if _, err := find(name); err == nil {
			t.Errorf("%q was found", name)
		}
	}
}

func TestEntrypoint(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"wrap.sh": "#!/bin/sh\nexec \"$@\"\n", "program": "\x7fELF"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		entry []string
		image bool
		want  string
	}{
		{nil, false, ""}, {[]string{""}, false, ""}, {[]string{"wrap.sh"}, true, "wrap.sh"}, {[]string{"program"}, true, ""},
		{[]string{"program", "x"}, false, "program x"}, {[]string{"none"}, true, ""}, {[]string{"/bin/sh", "-c"}, true, ""},
	} {
		if got := strings.Join(through(&wire.Job{Entrypoint: c.entry, ImageEntrypoint: c.image}, dir), " "); got != c.want {
			t.Errorf("%q %v: %q", c.entry, c.image, got)
		}
	}
}

func TestEntrypointThatIsAShell(t *testing.T) {
	for want, entry := range map[string][]string{
		"/bin/sh -c '/bin/bash' '/b/s'": {"/bin/sh", "-c"}, "bash -lc '/bin/bash' '/b/s'": {"bash", "-lc"},
		"tini -- /bin/bash /b/s": {"tini", "--"}, "/bin/bash /b/s": nil,
	} {
		if got := strings.Join(commandLine(entry, "/bin/bash", "/b/s"), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
