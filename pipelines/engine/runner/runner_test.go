package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tektoncd/pipeline/pkg/entrypoint"
)

func TestWaiterSeesAFileAtOnce(t *testing.T) {
	for _, late := range []bool{false, true} { // late: the directory comes later too
		dir := filepath.Join(t.TempDir(), "run")
		if !late {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan error, 1)
		go func() { done <- (&fileWaiter{}).Wait(t.Context(), filepath.Join(dir, "out"), true, false) }()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "out"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(2 * time.Minute):
			t.Fatal("the file was not seen")
		}
	}
}

func TestWaiterSkipsAfterAFailedStepAndEndsWithItsContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&fileWaiter{}).Wait(ctx, file, false, false); !errors.Is(err, entrypoint.ErrContextCanceled) {
		t.Errorf("err %v", err)
	}
	if err := os.WriteFile(file+".err", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&fileWaiter{}).Wait(t.Context(), file, false, false); !errors.Is(err, entrypoint.ErrSkipPreviousStepFailed) {
		t.Errorf("err %v", err)
	}
}

func TestEntrypointKeepsTheExitCodeAndWritesThePostFile(t *testing.T) {
	dir := t.TempDir()
	post := filepath.Join(dir, "post", "out")
	run := func(script string) int {
		return entrypointMain([]string{"-post_file", post, "-termination_path", filepath.Join(dir, "termination"),
			"-step_metadata_dir", filepath.Join(dir, "meta"), "-entrypoint", "/bin/sh", "--", "-c", script})
	}
	if code := run("exit 7"); code != 7 {
		t.Errorf("code %d", code)
	}
	if _, err := os.Stat(post + ".err"); err != nil {
		t.Error(err)
	}
	if code := run("true"); code != 0 {
		t.Errorf("code %d", code)
	}
	if _, err := os.Stat(post); err != nil {
		t.Error(err)
	}
	if code := run("kill -9 $$"); code != 137 {
		t.Errorf("code %d", code)
	}
}

func TestSidecarLogResults(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"run/0/out": "", "results/digest": "sha256:1"} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	err := writeResults(t.Context(), &b, filepath.Join(dir, "run"), filepath.Join(dir, "steps"), filepath.Join(dir, "results"), "digest,none", "")
	if want := `{"name":"digest","value":"sha256:1","type":"task"}` + "\n"; err != nil || b.String() != want {
		t.Errorf("%q, err %v", b.String(), err)
	}
}
