#!/usr/bin/env bash
# Makes the root file system of a small Debian as a tar: debian.sh OUT.tar
# Needs root, mmdebstrap and a Debian mirror.
set -euo pipefail
out=$1
export SOURCE_DATE_EPOCH=946684800
mmdebstrap --quiet --variant=minbase --include=ca-certificates,tzdata \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-include=/usr/share/doc/*/copyright' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/info/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/lintian/*' \
	bookworm "$out.new.tar"
mv "$out.new.tar" "$out"
