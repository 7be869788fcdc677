#!/usr/bin/env bash
# Fills a Go build cache with what programs usually import, so that a job in the golang
# image compiles only the program: gocache.sh GOROOT DIRECTORY. The cache is
# DIRECTORY/cache. It needs no network, about 80 seconds, and is done once for each Go.
set -euo pipefail
goroot=$1 out=$2
version=$(head -1 "$goroot/VERSION")
rm -rf "$out"
mkdir -p "$out"
cd "$out"
out=$PWD

# As in the image: no C compiler, and nothing of the one who builds.
export GOROOT=$goroot PATH=$goroot/bin:$PATH GOCACHE=$out/cache CGO_ENABLED=0 GOENV=off \
	GOFLAGS= GOTOOLCHAIN=local GOPROXY=off GOWORK=off GOEXPERIMENT= GOAMD64= GOARM64= GODEBUG=

packages="archive/tar archive/zip bufio bytes cmp compress/gzip context crypto/ed25519 crypto/hmac crypto/rand
	crypto/sha256 crypto/sha512 crypto/tls crypto/x509 database/sql embed encoding/base64 encoding/binary
	encoding/csv encoding/hex encoding/json encoding/pem encoding/xml errors expvar flag fmt hash/crc32 hash/fnv
	html/template io io/fs iter log log/slog maps math math/big math/rand math/rand/v2 mime mime/multipart net
	net/http net/http/cookiejar net/http/httputil net/http/pprof net/mail net/netip net/smtp net/url os os/exec
	os/signal os/user path path/filepath reflect regexp runtime runtime/debug slices sort strconv strings sync
	sync/atomic syscall text/tabwriter text/template time unicode unicode/utf8 unsafe"
testing="net/http/httptest os testing testing/fstest testing/iotest testing/quick testing/synctest"

imports() { # imports PACKAGE...: the head of a file of package main
	echo "package main"
	printf 'import _ "%s"\n' "$@"
}

work() ( # work DIRECTORY: what pipelines do, on a program there that imports all of them
	mkdir "$1"
	cd "$1"
	printf 'module program\n\ngo %s\n' "${version#go}" >go.mod
	{ imports $packages; echo 'func main() {}'; } >main.go
	{ imports $testing; echo 'func TestNothing(*testing.T) {}'; } | sed 's/_ "testing"/"testing"/' >main_test.go
	go vet .
	go test -count=1 . >/dev/null
	go build -o /dev/null .
	# With -trimpath everything is compiled apart.
	go build -trimpath -o /dev/null .
)

# What the same work uses again in another directory is the standard library's; what
# it does not is the program's own and would differ from build to build.
work "$out/first"
find cache -type f ! -name README -exec touch -d 2000-01-01 {} +
find cache -type f ! -newermt 2000-01-02 | sort >before
work "$out/second"
find cache -type f ! -newermt 2000-01-02 -delete
find cache -type f | sort | comm -13 before - | xargs rm -f
rm -rf first second before
