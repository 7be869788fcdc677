package runjob

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"slipway.dev/pipelines/jobapi/wire"
)

// through is what is put before the shell: the entrypoint that the job asks for, or
// that of the image where it is a script, which prepares the environment and ends by
// executing what it was given. A program as the image's entrypoint (as git, or
// terraform) would not run a script, and is left out.
func through(job *wire.Job, path string) []string {
	entry := job.Entrypoint
	if len(entry) == 0 || len(entry) == 1 && entry[0] == "" {
		return nil
	}
	if job.ImageEntrypoint && !isScript(find(entry[0], path)) {
		return nil
	}
	return entry
}

// commandLine that runs a script by entry. One that ends in "-c" takes a single word.
func commandLine(entry []string, shell, script string) []string {
	if n := len(entry); n > 1 && shellWordRE.MatchString(entry[n-1]) {
		return append(slices.Clone(entry), quote(shell)+" "+quote(script))
	}
	return append(slices.Clone(entry), shell, script)
}

var shellWordRE = regexp.MustCompile(`^-[a-z]*c$`)

func find(name, path string) string {
	if filepath.IsAbs(name) {
		return name
	}
	for _, dir := range filepath.SplitList(path) {
		if p := filepath.Join(dir, name); dir != "" && executable(p) {
			return p
		}
	}
	return name
}

func isScript(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [2]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "#!"
}
