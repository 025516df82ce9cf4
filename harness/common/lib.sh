# shellcheck shell=bash disable=SC2034 # those who source it use them
# What the harness scripts share: sourced by them, does nothing by itself.

set -euo pipefail
export LC_ALL=C
# kunit.py must not leave byte code in the tree, where it would look like a change
export PYTHONDONTWRITEBYTECODE=1
# the arguments of our make are not meant for the kernel's make
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
export -n M SUITE CASE TEST

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$root/out
base=${BASE-6.12}

said=3 # the status after die(), which has said why
say() { echo "${0##*/}: $*"; }
die() { echo "${0##*/}: $*" >&2; exit $said; }

# No script fails without a message: an unexpected failure is reported with the log that
# the script writes, $log, if it has one. Scripts add to at_exit what they do at any exit.
at_exit=
failed_at=
set -E
trap 'failed_at=${BASH_SOURCE[0]#"$root/"}:$LINENO' ERR
trap 'ended $? "$BASH_COMMAND"' EXIT
ended() { # <status> <the last command>
	trap - EXIT ERR
	set +e
	eval "$at_exit"
	case $1,$2 in
	0,* | $said,* | *,exit*) ;;
	130,* | 143,*) echo "${0##*/}: interrupted" >&2 ;;
	*)
		[ -f "${log:-}" ] || log=
		echo "${0##*/}: FAILED with status $1 at $failed_at: $2${log:+, see ${log#"$root/"}}" >&2
		;;
	esac
	exit "$1"
}

# A kernel that Debian 12 does not have comes from a suite that has it; if it is no longer
# there, the newest of the others is tried.
case $base in
6.12) kernel_package=linux-source-6.12 kernel_suite='' ;;
7.3) kernel_package=linux-source-7.3 kernel_suite=trixie-backports kernel_others='linux-source-7\.[0-9]+' ;;
*) die "unknown BASE=$base (known: 6.12 7.3; 6.12 where none is given)" ;;
esac
configs() { (cd "$root/harness/kunit/configs" && echo *.config | sed 's/\.config//g'); }
[[ ${CONFIG-none} =~ ^[a-z0-9]+$ ]] || die "unknown CONFIG=$CONFIG (known: $(configs))"

case $root in
*[[:space:]:]*) die "a kernel does not build below a path with spaces or colons: $root" ;;
esac

# The first line. Reads all of them, so that the writer does not fail.
first() { sed -n 1p; }

# For kunit.py. On a loaded machine QEMU's emulated timer comes too late for the
# kernel's test of it, which then panics. Time stamps would hide plans and results, which
# have to begin a line.
# shellcheck disable=SC2034 # for those who source this
boot_args=(--qemu_args='-smp 2' --kernel_args=no_timer_check --kernel_args=printk.time=0)

# From Linux 7 on kunit.py prefers KVM. On some machines no kernel boots with /dev/kvm, so
# give it a QEMU that always emulates.
kunit_py() { # <argument of kunit.py>... in a kernel tree
	mkdir -p "$out/bin"
	ln -sfn "$root/harness/common/qemu-tcg" "$out/bin/qemu-system-x86_64"
	ln -sfn "$root/harness/common/qemu-tcg" "$out/bin/qemu-system-aarch64"
	PATH=$out/bin:$PATH python3 tools/testing/kunit/kunit.py "$@"
}

src=$out/src/$base      # the base kernel as Debian ships it, never written to
tree=$out/tree/$base    # the same with the rework laid over it
touched=$tree.files     # the files in which the two differ, one a line

# Two commands in one checkout must not write the same folder: the later one waits.
one_at_a_time() { # <what is written>
	mkdir -p "$out"
	exec 9>"$out/$1.lock"
	flock -n 9 || { say "waiting for another command that writes out/$1"; flock 9; }
}

. "$root/harness/common/packages.sh"
. "$root/harness/common/files.sh"
