// Command slipway-render is the rendering child on its own: the same work as the
// verb `slipway render`, but for charts, in a program small enough to start in
// milliseconds. It never does anything but render and decrypt. Start at render.Main.
package main

import (
	"fmt"
	"os"

	"slipway.dev/gitops/render"
)

func main() {
	if err := render.Main(os.Stdin, os.Stdout, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
