package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/lint"
	"slipway.dev/pipelines/lint/checkout"
	"slipway.dev/pipelines/plan"
)

// pipelineVerb works on files and needs no server.
func pipelineVerb() *cobra.Command {
	pipeline := &cobra.Command{Use: "pipeline", Short: "Check pipeline files, without a server"}
	pipeline.AddCommand(pipelineLint(), pipelineShow())
	return pipeline
}

const fileHelp = `The file is compiled as if what is in its work tree were pushed: files that it
includes, rules:exists and rules:changes see the files as they are now. What changed is
what differs from the parent of the commit that is checked out.`

func pipelineLint() *cobra.Command {
	var f fileContext
	cmd := &cobra.Command{
		Use: "lint FILE", Short: "Say all that is wrong with a pipeline file, and where", Args: cobra.ExactArgs(1),
		Long: fileHelp + "\n\nThe exit status is 0 if the file is right, 1 if it has problems, 2 if it cannot be looked at.",
		Example: `  slipway pipeline lint .gitlab-ci.yml
  slipway pipeline lint .gitlab-ci.yml --ref v1.2 --format sarif > lint.sarif`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.look(cmd, args[0], lint.Lint) },
	}
	f.flags(cmd, "text, json or sarif")
	return cmd
}

func pipelineShow() *cobra.Command {
	var f fileContext
	var only []string
	cmd := &cobra.Command{
		Use: "show FILE", Short: "Print the jobs that a pipeline file compiles to, each in its final form", Args: cobra.ExactArgs(1),
		Long: fileHelp,
		Example: `  slipway pipeline show .gitlab-ci.yml --ref dev
  slipway pipeline show .gitlab-ci.yml --source schedule --var TARGET=staging --job deploy`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.look(cmd, args[0], func(file string, content []byte, in gitlab.Context, format string) (string, bool, error) {
				return lint.Show(file, content, in, format, only)
			})
		},
	}
	f.flags(cmd, "text, json or yaml")
	cmd.Flags().StringArrayVar(&only, "job", nil, "show the final form of this job only, may be repeated")
	return cmd
}

// fileContext is what a file is looked at for.
type fileContext struct {
	ref, source, target, format string
	vars, inputs                []string
}

// sources that a pipeline can have, in GitLab's words.
var sources = []string{"push", "web", "api", "schedule", "trigger", "pipeline", "parent_pipeline", "merge_request_event"}

func (f *fileContext) flags(cmd *cobra.Command, formats string) {
	fs := cmd.Flags()
	fs.StringVar(&f.ref, "ref", "", "branch or tag that the pipeline would run for (default the branch that is checked out)")
	fs.StringVar(&f.source, "source", "push", "what would start it: "+strings.Join(sources, ", "))
	fs.StringVar(&f.target, "target", "", "branch that a merge_request_event is to be merged into (default the default branch)")
	fs.StringArrayVar(&f.vars, "var", nil, "variable NAME=VALUE given to the run, may be repeated")
	fs.StringArrayVar(&f.inputs, "input", nil, "input NAME=VALUE of the file, may be repeated; a value that is JSON is taken as such")
	fs.StringVar(&f.format, "format", "text", formats)
}

// look at the file and print what is made of it; exit status 1 if it has problems.
func (f *fileContext) look(cmd *cobra.Command, file string, report func(file string, content []byte, in gitlab.Context, format string) (string, bool, error)) error {
	tree, path, err := checkout.Open(file)
	if err != nil {
		return usageError{err}
	}
	defer tree.Close()
	content, err := tree.File(path)
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{fmt.Errorf("%s: no such file; give the path of a pipeline file, such as .gitlab-ci.yml", file)}
	}
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", file, err)}
	}
	in := tree.Context(f.ref)
	if err := f.apply(&in); err != nil {
		return usageError{err}
	}
	text, good, err := report(path, content, in, f.format)
	if err != nil {
		return usageError{err}
	}
	fmt.Fprint(cmd.OutOrStdout(), text)
	if !good {
		return errSilent
	}
	return nil
}

func (f *fileContext) apply(in *gitlab.Context) error {
	if !slices.Contains(sources, f.source) {
		return fmt.Errorf("--source %q: want %s", f.source, strings.Join(sources, ", "))
	}
	in.Source, in.Target = f.source, f.target
	if f.source != "push" && f.source != "merge_request_event" {
		in.Before = "" // nothing was pushed
	}
	for _, text := range f.vars {
		name, value, ok := strings.Cut(text, "=")
		if !ok || !plan.ValidName(name) {
			return fmt.Errorf("--var %q: want NAME=VALUE", text)
		}
		in.Variables = append(in.Variables, plan.Variable{Name: name, Value: value, Raw: true})
	}
	in.Inputs = map[string]json.RawMessage{}
	for _, text := range f.inputs {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--input %q: want NAME=VALUE", text)
		}
		in.Inputs[name] = inputValue(value)
	}
	return nil
}
