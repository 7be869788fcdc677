package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/tektoncd/pipeline/pkg/entrypoint"
)

// maxResult bounds one result, as upstream's default for results from logs does.
const maxResult = 4096

// result is one line of what Tekton's controller reads from this sidecar's log.
type result struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Type  string `json:"type"`
}

// sidecarLogResults waits for the steps to end and writes each result as a line of
// JSON. Slipway takes results from termination messages and does not ask for this
// sidecar; it serves PipelineRuns of a Tekton that was told to.
func sidecarLogResults(args []string, out io.Writer) int {
	fs := flag.NewFlagSet("sidecarlogresults", flag.ContinueOnError)
	dir := fs.String("results-dir", "/tekton/results", "directory of the task's results")
	names := fs.String("result-names", "", "comma-separated names of the results")
	stepResults := fs.String("step-results", "", "step name to result names, in JSON")
	fs.String("step-names", "", "comma-separated names of the steps")
	stay := fs.Bool("kubernetes-sidecar-mode", false, "wait for a signal after the results")
	if fs.Parse(args) != nil {
		return 2
	}
	if err := writeResults(context.Background(), out, "/tekton/run", "/tekton/steps", *dir, *names, *stepResults); err != nil {
		log.Printf("results: %v", err)
		return 1
	}
	if *stay {
		return nop([]string{"tekton_run_indefinitely"})
	}
	return 0
}

func writeResults(ctx context.Context, out io.Writer, runDir, stepsDir, resultsDir, names, stepResults string) error {
	steps, err := os.ReadDir(runDir)
	if err != nil {
		return err
	}
	w := &fileWaiter{}
	for _, s := range steps {
		err := w.Wait(ctx, filepath.Join(runDir, s.Name(), "out"), false, true)
		if err != nil && !errors.Is(err, entrypoint.ErrSkipPreviousStepFailed) {
			return err
		}
	}
	enc := json.NewEncoder(out)
	emit := func(path, name, kind string) error {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxResult+1))
		if err != nil {
			return err
		}
		if len(data) > maxResult {
			return fmt.Errorf("result %q is larger than %d bytes", name, maxResult)
		}
		return enc.Encode(result{Name: name, Value: string(data), Type: kind})
	}
	for name := range strings.SplitSeq(names, ",") {
		if name == "" || !filepath.IsLocal(name) {
			continue
		}
		if err := emit(filepath.Join(resultsDir, name), name, "task"); err != nil {
			return err
		}
	}
	byStep := map[string][]string{}
	if stepResults != "" {
		if err := json.Unmarshal([]byte(stepResults), &byStep); err != nil {
			return fmt.Errorf("step results: %w", err)
		}
	}
	for step, list := range byStep {
		for _, name := range list {
			if !filepath.IsLocal(name) || !filepath.IsLocal(step) {
				continue
			}
			if err := emit(filepath.Join(stepsDir, step, "results", name), step+"."+name, "step"); err != nil {
				return err
			}
		}
	}
	return nil
}
