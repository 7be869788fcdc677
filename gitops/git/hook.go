package git

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	envNoForce = "SLIPWAY_NO_FORCE"
	envMaxFile = "SLIPWAY_MAX_FILE"
)

// preReceive is the one hook there is. Git runs it when the objects of a push are there,
// apart from the others, and before any ref changes; it refuses the push as a whole. What
// it says is shown to the person who pushes. Names and paths of theirs stay in variables
// of the shell: only object names, which git gave it, become arguments.
const preReceive = `#!/bin/sh
lf='
'
refused=
tips=
while read -r old new ref; do
	case $new in
	*[!0]*) tips="$tips$new$lf" ;;
	esac
	case "$lf$` + envNoForce + `$lf" in
	*"$lf$ref$lf"*)
		if ! git merge-base --is-ancestor "$old" "$new"; then
			printf '%s is protected: a push may not take commits away from it (spec.protect)\n' "$ref" >&2
			refused=1
		fi
		;;
	esac
done
if [ -n "$` + envMaxFile + `" ] && [ -n "$tips" ]; then
	large=$(printf '%s' "$tips" | git rev-list --objects --stdin --not --all |
		git cat-file --batch-check='%(objecttype) %(objectsize) %(rest)' |
		while read -r kind size path; do
			if [ "$kind" = blob ] && [ "$size" -gt "$` + envMaxFile + `" ]; then
				printf 'file %s has %s bytes; spec.limits.file allows %s\n' "$path" "$size" "$` + envMaxFile + `"
			fi
		done)
	if [ -n "$large" ]; then
		printf '%s\n' "$large" >&2
		refused=1
	fi
fi
[ -z "$refused" ]
`

// hooks is the directory with our hook, which is made if it is not there.
func (s *Store) hooks() (string, error) {
	dir := filepath.Join(s.Dir, ".hooks")
	name := filepath.Join(dir, "pre-receive")
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, err := os.ReadFile(name); err == nil && string(have) == preReceive {
		return dir, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := writeWhole(name, preReceive); err != nil {
		return "", err
	}
	return dir, os.Chmod(name, 0o700)
}
