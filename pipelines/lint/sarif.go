package lint

import (
	"net/url"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/gitlab"
)

// sourceRoot is what paths are relative to: the root of the repository.
const sourceRoot = "%SRCROOT%"

// sarifReport is a SARIF 2.1.0 log of the problems, as forges and editors read it.
func sarifReport(problems []v1alpha1.Problem) *sarif.Report {
	run := sarif.NewRunWithInformationURI("slipway pipeline lint", "https://slipway.dev").WithColumnKind("unicodeCodePoints")
	for _, x := range problems {
		if run.GetRuleIndex(x.Rule) < 0 {
			description := gitlab.Rules[x.Rule]
			if description == "" {
				description = x.Rule
			}
			run.AddRule(x.Rule).WithDescription(description)
		}
		message := x.Message
		if x.Hint != "" {
			message += "; " + x.Hint
		}
		place := sarif.NewPhysicalLocation().WithArtifactLocation(location(x.File))
		if x.Line > 0 {
			place.WithRegion(sarif.NewRegion().WithStartLine(x.Line).WithStartColumn(max(1, x.Column)))
		}
		run.CreateResultForRule(x.Rule).WithLevel("error").WithMessage(sarif.NewTextMessage(message)).
			AddLocation(sarif.NewLocationWithPhysicalLocation(place))
	}
	return sarif.NewReport().AddRun(run)
}

// location of a file: a path of the repository, or the address that it came from.
func location(file string) *sarif.ArtifactLocation {
	if strings.HasPrefix(file, "https://") || strings.HasPrefix(file, "http://") {
		return sarif.NewArtifactLocation().WithURI(file)
	}
	return sarif.NewArtifactLocation().WithURI((&url.URL{Path: file}).EscapedPath()).WithURIBaseID(sourceRoot)
}

func sarifText(problems []v1alpha1.Problem) (string, error) {
	var b strings.Builder
	if err := sarifReport(problems).PrettyWrite(&b); err != nil {
		return "", err
	}
	return b.String() + "\n", nil
}
