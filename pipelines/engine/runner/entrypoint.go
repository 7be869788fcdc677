package main

import (
	"encoding/json"
	"errors"
	"flag"
	"log"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"github.com/tektoncd/pipeline/cmd/entrypoint/subcommands"
	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1/types"
	"github.com/tektoncd/pipeline/pkg/entrypoint"
	"github.com/tektoncd/pipeline/pkg/termination"

	"slipway.dev/pipelines/engine/runner/runjob"
	"slipway.dev/pipelines/jobapi/wire"
)

// entrypointMain is Tekton's entrypoint: the same flags, subcommands, exit codes and
// messages as upstream's cmd/entrypoint. Credentials helpers are absent because the
// engine runs with disable-creds-init.
func entrypointMain(args []string) int {
	own, command := splitArgs(args)
	fs := flag.NewFlagSet("entrypoint", flag.ContinueOnError)
	var e entrypoint.Entrypointer
	ep := fs.String("entrypoint", "", "program to execute")
	waitFiles := fs.String("wait_file", "", "comma-separated paths to wait for")
	fs.BoolVar(&e.WaitFileContent, "wait_file_content", false, "wait for content too")
	fs.StringVar(&e.PostFile, "post_file", "", "file to write on completion")
	fs.StringVar(&e.TerminationPath, "termination_path", "/tekton/termination", "file to write on termination")
	results := fs.String("results", "", "names of files that may hold results")
	stepResults := fs.String("step_results", "", "names of step results")
	when := fs.String("when_expressions", "", "when expressions in JSON")
	e.Timeout = fs.Duration("timeout", 0, "limit of the step")
	var r runner
	fs.StringVar(&r.stdout, "stdout_path", "", "file to copy stdout to")
	fs.StringVar(&r.stderr, "stderr_path", "", "file to copy stderr to")
	fs.BoolVar(&e.BreakpointOnFailure, "breakpoint_on_failure", false, "stop for a person on failure")
	fs.BoolVar(&e.DebugBeforeStep, "debug_before_step", false, "stop for a person before the step")
	fs.StringVar(&e.OnError, "on_error", "", "continue or stopAndFail")
	fs.StringVar(&e.StepMetadataDir, "step_metadata_dir", "", "directory of the step's metadata")
	fs.StringVar(&e.ResultExtractionMethod, "result_from", entrypoint.ResultExtractionMethodTerminationMessage, "where results are read from")
	fs.BoolVar(&e.CompressTerminationMessage, "compress_termination_message", false, "compress the termination message")
	if fs.Bool("enable_spire", false, "not in this build"); fs.Parse(own) != nil {
		return 1
	}
	if err := subcommands.Process(fs.Args()); err != nil {
		log.Println(err)
		if ok := (subcommands.OK{}); errors.As(err, &ok) {
			return 0
		}
		return 1
	}
	program, err := programs(*ep, os.Getenv("TEKTON_PLATFORM_COMMANDS"))
	if err != nil {
		log.Println(err)
		return 1
	}
	if *when != "" {
		var list v1.StepWhenExpressions
		if err := json.Unmarshal([]byte(*when), &list); err != nil {
			log.Println(err)
			return 1
		}
		e.StepWhenExpressions = list
	}
	if len(command) == 1 && command[0] == runjob.AheadCommand {
		// It lets the next step begin before its own end.
		if err := os.Setenv(wire.EnvPost, e.PostFile); err != nil {
			log.Println(err)
			return 1
		}
	}
	e.Command = append(program, command...)
	e.WaitFiles = strings.Split(*waitFiles, ",")
	e.Results = strings.Split(*results, ",")
	e.StepResults = strings.Split(*stepResults, ",")
	e.Waiter, e.Runner, e.PostWriter = &fileWaiter{}, &r, postWriter{}
	return exitCode(e, e.Go())
}

// splitArgs at the first "--" that is not the first argument.
func splitArgs(args []string) (own, command []string) {
	for i, a := range args {
		if a == "--" && i > 0 {
			return args[:i], args[i+1:]
		}
	}
	return args, nil
}

func programs(ep, byPlatform string) ([]string, error) {
	if ep != "" {
		return []string{ep}, nil
	}
	var commands map[string][]string
	if err := json.Unmarshal([]byte(byPlatform), &commands); err != nil {
		return nil, errors.New("neither -entrypoint nor TEKTON_PLATFORM_COMMANDS says what to execute")
	}
	if c, ok := commands[runtime.GOOS+"/"+runtime.GOARCH]; ok {
		return c, nil
	}
	return nil, errors.New("no command for platform " + runtime.GOOS + "/" + runtime.GOARCH)
}

func exitCode(e entrypoint.Entrypointer, err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	var skip entrypoint.SkipError
	var debug entrypoint.DebugBeforeStepError
	var long termination.MessageLengthError
	var ctx entrypoint.ContextError
	switch {
	case errors.As(err, &debug):
		log.Println("Skipping execute step script because before step breakpoint fail-continue")
	case errors.As(err, &skip):
		log.Println("Skipping step because a previous step failed")
	case errors.As(err, &long):
		log.Println(err)
	case errors.As(err, &ctx):
		if entrypoint.IsContextCanceledError(err) {
			log.Println("Step was cancelled")
			return int(syscall.SIGKILL)
		}
		log.Println(err)
	case errors.As(err, &exit):
		e.CheckForBreakpointOnFailure()
		if e.OnError == entrypoint.ContinueOnError {
			return 0
		}
		if code := exit.ExitCode(); code >= 0 {
			return code
		}
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return 128 + int(s.Signal())
		}
	default:
		e.CheckForBreakpointOnFailure()
		log.Printf("Error executing command: %v", err)
	}
	return 1
}
