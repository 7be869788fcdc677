#!/bin/sh
# Checks the playbook and runs it twice on this machine, below a temporary
# directory: the first run installs, the second changes nothing, a changed binary
# is installed again. Needs ansible-playbook; touches nothing else.
set -eu
cd "$(dirname "$0")"
if ! command -v ansible-playbook >/dev/null; then
	echo "ansible-playbook is not here; install it (Debian: apt-get install ansible-core)" >&2
	exit 1
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# Fixed, so that a user's own configuration has no part in it.
export ANSIBLE_CONFIG="$PWD/ansible.cfg" ANSIBLE_LOCAL_TEMP="$root/tmp" ANSIBLE_REMOTE_TEMP="$root/tmp" ANSIBLE_NOCOWS=1 LC_ALL=C.UTF-8
printf 'one' >"$root/binary"

play() {
	ansible-playbook --connection=local -i 'localhost,' site.yml \
		-e slipway_hosts=localhost -e slipway_become=false -e slipway_install_packages=false \
		-e slipway_prefix="$root/machine" -e slipway_binary="$root/binary" \
		-e '{"slipway_server_args": ["--log-level", "debug"]}' "$@"
}

expect() { # expect <what> <text> <file>
	if ! grep -q -- "$2" "$3"; then
		echo "FAIL: $1: no \"$2\" in:" >&2
		cat "$3" >&2
		exit 1
	fi
	echo "ok: $1"
}

play --syntax-check >"$root/syntax"
expect "syntax" "playbook: site.yml" "$root/syntax"
play >"$root/first"
expect "first run installs" "changed=[1-9].*failed=0" "$root/first"
expect "binary" one "$root/machine/usr/local/bin/slipway"
expect "unit" "^ExecStart=/usr/local/bin/slipway server --data-dir /var/lib/slipway --log-level debug$" "$root/machine/etc/systemd/system/slipway.service"
expect "unit leaves pods alone" "^KillMode=process$" "$root/machine/etc/systemd/system/slipway.service"
play >"$root/second"
expect "second run changes nothing" "changed=0.*failed=0" "$root/second"
printf 'two' >"$root/binary"
play >"$root/third"
expect "new binary is installed" "changed=1.*failed=0" "$root/third"
expect "binary" two "$root/machine/usr/local/bin/slipway"
