package logs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// Memory is what the store's caches, and what a query keeps, are sized by: a query may
// keep a fifth of it in rows and two fifths in groups.
const Memory = 512 << 20

// LimitMemory is for the process that opens a store, before it does: the library reads its
// limits from the command line's flags.
func LimitMemory() error {
	return flag.CommandLine.Parse([]string{fmt.Sprintf("-memory.allowedBytes=%d", Memory)})
}

// ErrTooLarge is what a search says that would keep more than it may.
var ErrTooLarge = errors.New("the query needs too much memory; narrow it")

// tooLarge tells that error of the library's from others.
func tooLarge(err error) error {
	if err != nil && strings.Contains(err.Error(), "MB of memory") {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

// maxQueries is how many searches run at a time: each may keep memory, and more of them
// are no faster.
const maxQueries = 4

// place waits for a place among the searches; done gives it back.
func (s *Store) place(ctx context.Context) (done func(), err error) {
	select {
	case s.places <- struct{}{}:
		return func() { <-s.places }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("log store: %d searches run already: %w", maxQueries, ctx.Err())
	}
}

// MaxPatterns is how many steps all regular expressions of a search may have together.
// Each step may be taken for each character of each line, and a search is not stopped
// before it is through with a block of them.
const MaxPatterns = 1000

// PatternCost is how many steps a regular expression has.
func PatternCost(re string) (int, error) {
	parsed, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return 0, err
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, err
	}
	return len(prog.Inst), nil
}

var (
	quoted = regexp.MustCompile("~?\\s*(?:\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`[^`]*`)")
	// patternWords are those of filters and pipes that take an expression in quotes.
	patternWords = regexp.MustCompile(`_regexp\b|\bre\s*\(|\bpattern_match`)
)

// affordable refuses LogsQL whose regular expressions cost too much.
func affordable(text string) error {
	every, total := patternWords.MatchString(text), 0
	for _, q := range quoted.FindAllString(text, -1) {
		re, isPattern := strings.CutPrefix(q, "~")
		if !isPattern && !every {
			continue
		}
		re = strings.TrimSpace(re)
		if s, err := strconv.Unquote(re); err == nil {
			re = s
		} else {
			re = re[1 : len(re)-1]
		}
		n, err := PatternCost(re)
		if err != nil {
			n = len(re) // the library says what is wrong with it
		}
		if total += n; total > MaxPatterns {
			return fmt.Errorf("%w: its regular expressions have more than %d steps", ErrQuery, MaxPatterns)
		}
	}
	return nil
}
