package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// painted is the line in which the console's browser test says how long it took.
var painted = regexp.MustCompile(`first paint (\d+) ms, a dashboard of (\d+) panels drawn after ([\d, ]+) ms`)

// browser opens a dashboard in Chromium: when the page has its first paint, and when the last
// panel is drawn.
func (b *bench) browser(ctx context.Context, in *instance) error {
	if _, err := exec.LookPath("npm"); err != nil || !exists(b.Console) {
		b.say("there is no npm or no %s here: the page is not measured", b.Console)
		return nil
	}
	token, err := in.client.Token()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "npm", "run", "--silent", "e2e", "--", "e2e/dashboards.test.ts", "-t", "how soon")
	cmd.Dir, cmd.Env = b.Console, append(os.Environ(), "SLIPWAY_URL="+in.client.Server, "SLIPWAY_TOKEN="+token)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("the console in a browser: %w\n%s", err, out)
	}
	m := painted.FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("the console in a browser: no figures in\n%s", out)
	}
	paint, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return err
	}
	b.report.add("the console, to its first paint", "ms", paint)
	for _, took := range strings.Split(string(m[3]), ", ") {
		ms, err := strconv.ParseFloat(took, 64)
		if err != nil {
			return err
		}
		b.report.add(fmt.Sprintf("a dashboard of %s panels in the browser, to the last one drawn", m[2]), "ms", ms)
	}
	return nil
}
