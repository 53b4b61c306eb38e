#!/bin/sh
# Makes a machine fit to grade: installs what is missing and builds the kit, as root and with the
# network. Grading needs neither network nor compiler caches of its own afterwards. Gradescope runs
# this once, when it makes the image.
set -eu
umask 022 # submissions run as another user, who reads what is made here
root=${AUTOGRADER:-/autograder}
source=$root/source

# Go from 1.21 on fetches the one that go.mod names.
modern() {
	case $(go env GOVERSION 2>/dev/null) in
	'' | go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.20*) return 1 ;;
	esac
}

# Program and the package that has it.
missing=
for need in make:make gcc:gcc ps:procps python3:python3 bwrap:bubblewrap; do
	command -v "${need%%:*}" >/dev/null || missing="$missing ${need##*:}"
done
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
if ! modern; then
	apt-get update
	# Distributions keep newer ones beside their golang-go: golang-1.23-go, in /usr/lib/go-1.23.
	go=$(apt-cache search --names-only '^golang-1\.[0-9]+-go$' | cut -d ' ' -f 1 | sort -V | tail -n 1)
	missing="$missing ca-certificates ${go:=golang-go}"
	version=${go#golang-}
	PATH=/usr/lib/go-${version%-go}/bin:$PATH
fi
if [ -n "$missing" ]; then
	apt-get update
	# shellcheck disable=SC2086 # a list of packages
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
fi
if ! modern; then
	echo "setup.sh: no Go from 1.21 on is to be had here: choose a newer base image" >&2
	exit 1
fi

# The kit is no secret, and must be read by the user that submissions run as; the rest stays in source.
rm -rf "$root/kit"
cp -R "$source/kit" "$root/kit"
mkdir -p "$root/cache" "$root/results"
export GOCACHE="$root/cache/build" GOMODCACHE="$root/cache/mod" GOTOOLCHAIN=auto GOFLAGS=-modcacherw
cd "$root/kit"
CGO_ENABLED=0 go build -buildvcs=false -o .build/labs ./labs
go env GOROOT >"$root/cache/goroot"

# One scenario on the reference, behind the wall that submissions will be behind: actor and reference
# are built on the way, and what does not work here is seen now.
PATH=$(go env GOROOT)/bin:$PATH .build/labs check -lang {{.Lang}} -reference -sandbox lifecycle
chmod -R go+rX "$root/kit" # as it was unpacked; the umask saw to the rest
chmod go+x "$root"
chmod 700 "$source" "$root/results" # what is hidden, and what a student gets
