// Command mkseed makes the base images of the build. It runs at build time only
// and never needs a network. Start at seed.Make.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"slipway.dev/cluster/images/seed"
	"slipway.dev/cluster/payload"
)

func main() {
	var from seed.Sources
	payloadDir := flag.String("payload", "", "directory of built daemons, for busybox")
	out := flag.String("out", "", "OCI layout to write")
	flag.StringVar(&from.Debian, "debian", "", "tar of a Debian root file system")
	flag.StringVar(&from.GoRoot, "goroot", "", "installed Go tree")
	flag.StringVar(&from.GoCache, "gocache", "", "build cache that this Go has filled")
	flag.Parse()
	if err := run(*out, *payloadDir, from); err != nil {
		fmt.Fprintln(os.Stderr, "mkseed:", err)
		os.Exit(1)
	}
}

func run(out, payloadDir string, from seed.Sources) (err error) {
	if from.Payload, err = payload.OpenDirectory(payloadDir); err != nil {
		return err
	}
	version, err := os.ReadFile(filepath.Join(from.GoRoot, "VERSION"))
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(version), "\n")
	from.GoVersion = strings.TrimPrefix(line, "go")
	if err := seed.Make(out, from); err != nil {
		return err
	}
	names, err := seed.Names(out)
	if err != nil {
		return err
	}
	fmt.Println("   " + strings.Join(names, "\n   "))
	return nil
}
