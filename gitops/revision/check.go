package revision

import (
	"errors"
	"fmt"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

// Check says what is wrong with what an application follows, as far as that is known
// without its repository.
func Check(spec *v1alpha1.ApplicationSpec) error {
	s := &spec.Source
	if err := checkSource(s); err != nil {
		return err
	}
	if !s.Fixed() {
		return nil
	}
	switch w := spec.WriteBack; {
	case s.Repository == "":
		return fmt.Errorf("spec.source follows %s, and has no repository; a chart of elsewhere is followed by source.helm.version", s.Followed())
	case spec.Promotion != nil:
		return fmt.Errorf("spec.source follows %s, and spec.promotion says that releases of %s are promoted to it; leave one of them out", s.Followed(), spec.Promotion.From)
	case w != nil && (w.Images || w.Rollback) && w.Branch == "":
		return fmt.Errorf("%s", NoBranch(s))
	}
	return nil
}

// NoBranch says that nothing can be written back to what a source follows.
func NoBranch(s *v1alpha1.Source) string {
	return fmt.Sprintf("spec.writeBack: %s is followed, to which nothing can be committed; name the branch in spec.writeBack.branch", s.Followed())
}

func checkSource(s *v1alpha1.Source) error {
	var given []string
	for _, part := range [...]struct{ name, value string }{{"branch", s.Branch}, {"tag", s.Tag}, {"semver", s.Semver}, {"commit", s.Commit}} {
		if part.value != "" {
			given = append(given, part.name)
		}
	}
	if len(given) > 1 {
		return fmt.Errorf("spec.source names %s; give one of branch, tag, semver and commit", strings.Join(given, " and "))
	}
	switch {
	case s.Semver != "":
		_, err := parseRange(s.Semver)
		return err
	case s.Commit != "" && !hexadecimal(s.Commit):
		return fmt.Errorf("spec.source.commit %.60q: want the 40 hexadecimal digits of a commit, or at least the first 7 of them, in lower case", s.Commit)
	case strings.HasPrefix(s.Tag, tags):
		return fmt.Errorf("spec.source.tag %.100q: want its short name, %s", s.Tag, strings.TrimPrefix(s.Tag, tags))
	case strings.ContainsFunc(s.Tag, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("spec.source.tag: a tag has neither spaces nor control characters")
	}
	return nil
}

func hexadecimal(s string) bool {
	return len(s) >= 7 && len(s) <= 40 && strings.Trim(s, "0123456789abcdef") == ""
}
