// Command pack makes the archive of daemons and joins it with the program. It
// is used by the build alone and never runs on a node. Start at payload.Write.
//
//	pack archive DIR OUT.zip
//	pack append PROGRAM ARCHIVE.zip OUT
package main

import (
	"errors"
	"fmt"
	"os"

	"slipway.dev/cluster/payload"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "archive":
		return archive(args[1], args[2])
	case len(args) == 4 && args[0] == "append":
		return payload.Append(args[3], args[1], args[2])
	}
	return errors.New("usage: pack archive DIR OUT.zip | pack append PROGRAM ARCHIVE.zip OUT")
}

// archive writes beside out and renames, so that an interrupted build leaves no half archive.
func archive(dir, out string) error {
	f, err := os.Create(out + ".new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	hash, err := payload.Write(f, dir)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Printf("payload %s\n", hash[:16])
	return os.Rename(f.Name(), out)
}
