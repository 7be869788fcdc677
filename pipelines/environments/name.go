package environments

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// States of an environment.
const (
	Available = "available"
	Stopping  = "stopping"
	Stopped   = "stopped"
)

// MaxName of an environment, as GitLab has it.
const MaxName = 255

// ObjectName of the Environment of that repository and name: readable, and different
// for names that differ only in characters that an object's name cannot have.
func ObjectName(repository, name string) string {
	sum := sha256.Sum256([]byte(repository + "\x00" + name))
	var b strings.Builder
	for _, c := range []byte(strings.ToLower(name)) {
		switch {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			b.WriteByte(c)
		case b.Len() > 0 && b.String()[b.Len()-1] != '-':
			b.WriteByte('-')
		}
		if b.Len() == 40 {
			break
		}
	}
	slug := strings.Trim(b.String(), "-")
	if slug == "" {
		slug = "env"
	}
	return slug + "-" + hex.EncodeToString(sum[:4])
}

var tiers = []struct {
	tier string
	name *regexp.Regexp
}{
	{"development", regexp.MustCompile(`(?i)dev|review|trunk`)},
	{"testing", regexp.MustCompile(`(?i)test|tst|int|acc?e?pt|qa|qc|control|quality`)},
	{"staging", regexp.MustCompile(`(?i)sta?g|mode?l|pre|demo|non`)},
	{"production", regexp.MustCompile(`(?i)pro?d|live`)},
}

// Tier as its author says, or else by the name, as GitLab guesses it.
func Tier(given, name string) string {
	if given != "" {
		return given
	}
	for _, t := range tiers {
		if t.name.MatchString(name) {
			return t.tier
		}
	}
	return "other"
}
