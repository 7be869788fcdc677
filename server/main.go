// Command slipway is the whole of Slipway in one binary: the server, the
// daemons that it starts of itself, and the verbs of its users.
package main

import (
	"os"

	"slipway.dev/server/cli"
)

func main() { os.Exit(cli.Main()) }
