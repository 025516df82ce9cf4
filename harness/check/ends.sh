# shellcheck shell=bash disable=SC2154,SC2317,SC2034 # variables come from those who source it
# For harness/check/check-commands and check-install, which set $work: a checkout in which to
# run commands, and functions that check how they end.

# In this checkout nothing is fetched or built
repo=$work/repo
rm -rf "$work"
mkdir -p "$repo/out/log" "$work/fake"
cp -r "$root"/{harness,Makefile,mm} "$repo"
for name in series/series common/fetch common/overlay; do
	printf '#!/bin/sh\n' >"$repo/harness/$name"
done
for name in src tree series; do
	ln -s "$out/$name" "$repo/out/$name"
done
fake() { # <program> <script>: one in the place of the real one
	printf '#!/bin/sh\n%s\n' "$2" >"$work/fake/$1"
	chmod +x "$work/fake/$1"
}
with_fakes() { PATH=$work/fake:$PATH "$@"; }

failed=0
count=0
wrong() { # <what> <output>
	say "$1: is not as it should be:" >&2
	tail -n 5 <<<"$2" | sed 's/^/    /' >&2
	failed=1
}

# The last line, that of make aside, has to match
ends() { # <fails|succeeds> <what> <expression> <command>...
	local how=$1 what=$2 expression=$3 output status=succeeds
	shift 3
	count=$((count + 1))
	output=$("$@" 2>&1 </dev/null) || status=fails
	if [ $status != "$how" ] || ! grep -v '^make: ' <<<"$output" | tail -n 1 | grep -qE -- "$expression"; then
		wrong "$what" "$status: $output"
	fi
}

our_make() { make --no-print-directory -C "$repo" "$@"; }
