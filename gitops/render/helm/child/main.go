// Command slipway-render-helm is the rendering child that can render charts too. It is
// a program of its own because it takes three times as long to start as slipway-render.
// It never does anything but render. Start at render.Main, then helm.Render.
package main

import (
	"fmt"
	"os"

	"slipway.dev/gitops/render"
	"slipway.dev/gitops/render/helm"
)

func main() {
	if err := render.Main(os.Stdin, os.Stdout, helm.Render); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
