# shellcheck shell=bash disable=SC2034 # those who source it use them
# What the harness scripts share: sourced by them, does nothing by itself.

set -euo pipefail
export LC_ALL=C
# kunit.py must not leave byte code in the tree, where it would look like a change
export PYTHONDONTWRITEBYTECODE=1
# what was said to this make is not meant for the kernel's make
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
export -n M SUITE CASE TEST

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$root/out
base=${BASE-6.12}

# Debian packages, by the script that needs them; what fetch needs any command does
declare -A needs=(
	[fetch]='bc bison cpio flex gcc git kmod libelf-dev libssl-dev make patch perl python3
		qemu-system-data qemu-system-x86 shellcheck xz-utils'
	[vm]='busybox-static'
	[gates]='sparse clang-19 gcc-aarch64-linux-gnu gcc-powerpc64le-linux-gnu gcc-s390x-linux-gnu'
	[docs]='python3-sphinx'
	[cocci]='coccinelle make python3'
	[module]='gcc make patch pahole'
	[models]='spin gcc libc6-dev'
	[native]='binutils gcc libc6-dev linux-libc-dev'
	[arm64]='gcc-aarch64-linux-gnu qemu-system-arm'
)

said=3 # the status of what has said itself why it failed
say() { echo "${0##*/}: $*"; }
die() { echo "${0##*/}: $*" >&2; exit $said; }

# No script ends without a word: what fails and is not expected to is told, with the log
# that the script writes, in $log, if it has one. What is to be done in any case, scripts
# add to at_exit.
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

# A kernel that Debian 12 does not have by itself comes from a suite that has it; once it
# has left there the newest of the others is tried.
case $base in
6.12) kernel_package=linux-source-6.12 kernel_suite='' ;;
7.3) kernel_package=linux-source-7.3 kernel_suite=trixie-backports kernel_others='linux-source-7\.[0-9]+' ;;
*) die "unknown BASE=$base (known: 6.12 7.3; 6.12 where none is given)" ;;
esac
configs() { (cd "$root/harness/kunit/configs" && echo *.config | sed 's/\.config//g'); }
[[ ${CONFIG:-} =~ ^[a-z0-9]*$ ]] || die "unknown CONFIG=$CONFIG (known: $(configs))"

case $root in
*[[:space:]:]*) die "a kernel does not build below a path with spaces or colons: $root" ;;
esac

# The first line. It reads them all, as whoever writes them must not fail for that.
first() { sed -n 1p; }

# For kunit.py. On a loaded machine QEMU's emulated timer comes too late for the
# kernel's test of it, which then panics. Plans and results are looked for where lines begin.
# shellcheck disable=SC2034 # for those who source this
boot_args=(--qemu_args='-smp 2' --kernel_args=no_timer_check --kernel_args=printk.time=0)

# From Linux 7 on it prefers KVM. A machine can have a /dev/kvm that carries no kernel
# through its boot, so give it a QEMU that always emulates.
kunit_py() { # <argument of kunit.py>... in a kernel tree
	mkdir -p "$out/bin"
	ln -sfn "$root/harness/common/qemu-tcg" "$out/bin/qemu-system-x86_64"
	ln -sfn "$root/harness/common/qemu-tcg" "$out/bin/qemu-system-aarch64"
	PATH=$out/bin:$PATH python3 tools/testing/kunit/kunit.py "$@"
}

[ -n "$kernel_suite" ] || needs[fetch]+=" $kernel_package"

src=$out/src/$base      # the base kernel as Debian ships it, never written to
tree=$out/tree/$base    # the same with the rework laid over it
touched=$tree.files     # the files in which the two differ, one a line

# Two commands in one checkout must not write the same folder: the later one waits.
one_at_a_time() { # <what is written>
	mkdir -p "$out"
	exec 9>"$out/$1.lock"
	flock -n 9 || { say "waiting for another command that writes out/$1"; flock 9; }
}

# Our files, as paths below the repo. What editors leave behind is not ours.
our_files() {
	local dir
	(
		cd "$root"
		for dir in Documentation include lib mm scripts tools; do
			[ ! -d $dir ] || find $dir -type f ! -name '*~' ! -name '.*.sw?' \
				! -name '*.orig' ! -name '*.rej' ! -name '*.pyc'
		done
		[ ! -f Kconfig ] || echo Kconfig
	) | sort
}

# Where a file of ours goes in a kernel tree
kernel_path() {
	case $1 in
	Kconfig) echo mm/Kconfig.mmu_notifier ;;
	*) echo "$1" ;;
	esac
}

# The edits of this base, as paths below the repo
our_edits() {
	(cd "$root" && find "series/edits/$base" -name '*.diff' 2>/dev/null) | sort
}

# The steps of this base, see harness/series/series, as paths below the repo
our_steps() {
	(cd "$root" && find series/steps -name '*.diff' \
		\( -path "series/steps/$base/*" -o ! -path 'series/steps/*/*' \)) | sort
}

# The recipes of this base, see harness/series/compose, as paths below the repo
our_recipes() {
	(cd "$root" && find series/recipes -type f \
		\( -path "series/recipes/$base/*" -o ! -path 'series/recipes/*/*' \)) | sort
}

# The files that an edit or patch changes
patched_files() { sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$1" | sort -u; }

# Those of them that the base does not have
added_files() { sed -n '\|^--- /dev/null|{n; s|^+++ b/\([^[:space:]]*\).*|\1|p}' "$1"; }

# The patches of the series in order, one file of ours, edit or step of this base a
# line: "<message file> <path>". Patches without anything for this base are left out.
manifest() {
	local line message=none
	while read -r line; do
		case $line in
		'' | '#'*) ;;
		stage\ *) ;;
		patch\ *) message=series/messages/${line#patch } ;;
		series/*/"$base"/*) echo "$message $line" ;;
		series/edits/* | series/steps/*/* | series/recipes/*/*) ;;
		*/) our_files | sed -n "s|^$line|$message &|p" ;;
		*) echo "$message $line" ;;
		esac
	done <"$root/series/manifest"
}

# The stages of the series in order, and the patches of this base in each:
# "<stage> <message file>"
stages() {
	local stage=none verb word present
	present=$(manifest | cut -d' ' -f1)
	while read -r verb word; do
		case $verb in
		stage) stage=$word ;;
		patch) ! grep -qx "series/messages/$word" <<<"$present" || echo "$stage series/messages/$word" ;;
		esac
	done <"$root/series/manifest"
}

# A message or cover letter as it reads for this base. A paragraph that begins with a line
# like "6.12:" is for that base only.
text() { # <file>
	awk -v mine="$base:" 'BEGIN { RS = "" }
		match($0, /^[0-9]+\.[0-9]+:\n/) {
			if (substr($0, 1, RLENGTH - 1) != mine)
				next
			$0 = substr($0, RLENGTH + 1)
		}
		{ print between $0; between = "\n" }' "$1"
}

# Configurations and lists as they read for this base. A line that begins with one like
# "6.12:" is for that base only.
lines() { # <file>...
	sed -E "s/^${base//./\\.}:[[:space:]]*//; /^[0-9]+\.[0-9]+:/d" "$@"
}

put_file() { # <directory> <file of ours>
	local to
	to=$1/$(kernel_path "$2")
	mkdir -p "${to%/*}"
	cp "$root/$2" "$to"
}

# Applies an edit in a directory, where files of ours have to be already; those of the base
# are brought in
put_edit() { # <directory> <edit>
	local file answer
	while read -r file; do
		[ ! -f "$src/$file" ] || die "$2 adds $file, which Linux $base has"
	done < <(added_files "$root/$2")
	while read -r file; do
		[ -f "$src/$file" ] || [ -f "$1/$file" ] ||
			die "$2 changes $file, which neither Linux $base nor the rework has"
		[ -f "$1/$file" ] || { mkdir -p "$(dirname "$1/$file")"; cp "$src/$file" "$1/$file"; }
	done < <(patched_files "$root/$2" | grep -vxFf <(added_files "$root/$2"))
	if ! answer=$(patch -p1 -f --fuzz=0 --dry-run -d "$1" <"$root/$2" 2>&1); then
		file=$(awk '/^checking file/ { f = $3 } /FAILED|ignored/ { print f; exit }' <<<"$answer")
		[ -n "$file" ] || die "$2 is no proper diff: $(grep -m1 '\*\*\*\*' <<<"$answer" || tail -n1 <<<"$answer")"
		die "$2 does not apply to $file of Linux $base"
	fi
	patch -s -p1 -f --fuzz=0 --no-backup-if-mismatch -d "$1" <"$root/$2"
}

# Somebody else's apt, that of a machine which updates itself for one
apt_locks=(/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock)
apt_is_busy() {
	local file
	for file in "${apt_locks[@]}"; do
		[ ! -e "$file" ] || ! grep -q ":$(stat -c %i "$file") " /proc/locks || return 0
	done
	return 1
}
apt_patience=900 # seconds
wait_for_apt() {
	local waited
	! apt_is_busy || say "waiting for another apt on this machine to end, up to $((apt_patience / 60)) min"
	for ((waited = 0; waited < apt_patience; waited++)); do
		apt_is_busy || break
		sleep 1
	done
}

# Installs those of the packages that are missing
need() { # <package>...
	local package there missing=() sudo=()
	command -v dpkg-query >/dev/null || die "this is no Debian system; it needs what Debian calls: $*"
	there=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null) || :
	for package; do
		grep -qxF "$package installed" <<<"$there" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || die "to be installed first, by root: ${missing[*]}"
		sudo=(sudo)
	fi
	wait_for_apt
	say "installing Debian packages: ${missing[*]}"
	mkdir -p "$out/log"
	# The lists may be old or not there at all. When they cannot be updated those at hand may do.
	{
		"${sudo[@]}" apt-get update || :
		"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
			-o DPkg::Lock::Timeout=$apt_patience "${missing[@]}"
	} </dev/null >"$out/log/apt.log" 2>&1 || die "apt-get could not install ${missing[*]}, see out/log/apt.log"
}

need_for() { # <script>...: all packages that these need, at once
	local script words all=()
	for script; do
		read -rd '' -a words <<<"${needs[$script]}" || :
		all+=("${words[@]}")
	done
	need "${all[@]}"
}

# Before anything is written that would not fit
room() { # <megabytes> <what for>
	local free
	mkdir -p "$out"
	free=$(df -Pm "$out" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] || die "$2 takes $1 MB below out/, where $free MB are free"
}
