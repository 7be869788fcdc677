package clients

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"slipway.dev/observability/logs"
)

// debian is where `make clients` unpacks what Debian has.
func debian(t *testing.T, file string) (dir, path string) {
	t.Helper()
	dir, err := filepath.Abs("../../../build/tools/shippers")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, file)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not there; `make clients` fetches it, as `make test` does", path)
	}
	return dir, path
}

func TestPythonClient(t *testing.T) {
	s := serve(t)
	_, modules := debian(t, "usr/lib/python3/dist-packages")
	cmd := exec.CommandContext(t.Context(), "python3", "-W", "ignore", "python/elastic.py", s.URL+"/elastic")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+modules, "PYTHONDONTWRITEBYTECODE=1", "PYTHONIOENCODING=utf-8")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	want := `{"version":"8.19.0","ping":true,"bulk":[1000,[]],"parallel":1000,"total":225,"first":["row 897 ünï","row 893 ünï"],` +
		`"hosts":[{"doc_count":225,"key":"h1","top":{"value":897}}],"msearch":[250,1000],"get":"row 7 ünï","caps":["keyword"],"mapping":"keyword",` +
		`"policy":"python","cat":["2000"],"health":"green","conflict":"version_conflict_engine_exception","refused":[400,"parsing_exception"]}`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRsyslog has rsyslog follow a file and write its lines, each once, to a store that
// goes away three times.
func TestRsyslog(t *testing.T) {
	s := serve(t)
	root, program := debian(t, "usr/sbin/rsyslogd")
	libraries := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	if found, _ := filepath.Glob(filepath.Join(root, "usr/lib/*/rsyslog")); len(found) == 1 {
		libraries = filepath.Dir(found[0])
	}
	var refused, asked atomic.Int64
	behind := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "x" || password != "token" {
			t.Errorf("%s: no credentials", r.URL.Path)
		}
		if strings.HasSuffix(r.URL.Path, "/_bulk") {
			if asked.Add(1) <= 3 {
				refused.Add(1)
				panic(http.ErrAbortHandler) // the connection ends without an answer
			}
		}
		behind.ServeHTTP(w, r)
	})
	dir := t.TempDir()
	const n = 2000
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "line %d of rsyslog \"quoted\" \\ ünï\n", i)
	}
	file, conf := filepath.Join(dir, "app.log"), filepath.Join(dir, "rsyslog.conf")
	config := fmt.Sprintf(`global(workDirectory=%q)
module(load="imfile" mode="inotify")
module(load="omelasticsearch")
template(name="doc" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timegenerated" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
}
template(name="id" type="string" string="app.%%$!metadata!fileoffset%%")
input(type="imfile" file=%q tag="app" addMetadata="on")
action(type="omelasticsearch" server=%q uid="x" pwd="token" template="doc" searchIndex="logs-rsyslog-default" searchType=""
  bulkmode="on" writeoperation="create" bulkid="id" dynbulkid="on" errorFile=%q action.resumeRetryCount="-1" action.resumeInterval="1"
  queue.type="linkedList" queue.dequeueBatchSize="200")
`, dir, file, s.URL+"/elastic", filepath.Join(dir, "errors"))
	for path, text := range map[string]string{file: lines.String(), conf: config} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"), "-M", filepath.Join(libraries, "rsyslog"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(dir, "errors"))
			t.Logf("rsyslog: %s\n%.2000s", said.String(), b)
		}
	})
	seen := map[string]int{}
	for end := time.Now().Add(2 * time.Minute); len(seen) < n && time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		s.store.Flush()
		seen = map[string]int{}
		err := s.store.Select(t.Context(), logs.Selection{Namespaces: []string{"default"}, Text: `_index:="logs-rsyslog-default" host:* | stats by (_msg) count() n`}, func(fields []logs.Field) {
			for _, f := range fields {
				if f.Name == "_msg" {
					seen[strings.Clone(f.Value)]++
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != n || seen[`line 77 of rsyslog "quoted" \ ünï`] != 1 || refused.Load() != 3 {
		t.Errorf("%d of %d lines, refused %d times", len(seen), n, refused.Load())
	}
	total := 0
	if err := s.store.Select(t.Context(), logs.Selection{Namespaces: []string{"default"}, Text: `_index:="logs-rsyslog-default"`}, func([]logs.Field) { total++ }); err != nil || total != n {
		t.Errorf("%d lines in all, want %d: %v", total, n, err)
	}
}
