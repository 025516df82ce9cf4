# shellcheck shell=bash disable=SC2034 # those who source it use them
# What the harness scripts share: sourced by them, does nothing by itself.

set -euo pipefail
export LC_ALL=C
# kunit.py must not leave byte code in the tree, where it would look like a change
export PYTHONDONTWRITEBYTECODE=1
# what was said to this make is not meant for the kernel's make
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$root/out
base=${BASE:-6.12}

# every package that some command of ours needs
packages=(bc bison cpio flex gcc git kmod libelf-dev libssl-dev make patch perl
	python3 qemu-system-data qemu-system-x86 shellcheck xz-utils)

say() { echo "${0##*/}: $*"; }
die() { echo "${0##*/}: $*" >&2; exit 2; }

# A kernel that Debian 12 does not have by itself comes from a suite that has it; once it
# has left there the newest of the others is tried.
case $base in
6.12) kernel_package=linux-source-6.12 kernel_suite='' ;;
7.3) kernel_package=linux-source-7.3 kernel_suite=trixie-backports kernel_others='linux-source-7\.[0-9]+' ;;
*) die "unknown BASE=$base (known: 6.12 7.3)" ;;
esac

case $root in
*[[:space:]:]*) die "a kernel does not build below a path with spaces or colons: $root" ;;
esac

# For kunit.py. On a loaded machine QEMU's emulated timer comes too late for the
# kernel's test of it, which then panics.
# shellcheck disable=SC2034 # for those who source this
boot_args=(--qemu_args='-smp 2' --kernel_args=no_timer_check)

# From Linux 7 on it prefers KVM. A machine can have a /dev/kvm that carries no kernel
# through its boot, so give it a QEMU that always emulates.
kunit_py() { # <argument of kunit.py>... in a kernel tree
	mkdir -p "$out/bin"
	ln -sfn "$root/harness/qemu-tcg" "$out/bin/qemu-system-x86_64"
	ln -sfn "$root/harness/qemu-tcg" "$out/bin/qemu-system-aarch64"
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

# The steps of this base, see harness/series, as paths below the repo
our_steps() {
	(cd "$root" && find series/steps -name '*.diff' \
		\( -path "series/steps/$base/*" -o ! -path 'series/steps/*/*' \)) | sort
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
		patch\ *) message=series/messages/${line#patch } ;;
		series/edits/"$base"/* | series/steps/"$base"/*) echo "$message $line" ;;
		series/edits/* | series/steps/*/*) ;;
		*/) our_files | sed -n "s|^$line|$message &|p" ;;
		*) echo "$message $line" ;;
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

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Installs those of the packages that are missing
need() { # <package>...
	local package missing=() sudo=()
	command -v dpkg-query >/dev/null || die "this is no Debian system; it needs what Debian calls: $*"
	for package; do
		installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || die "to be installed first, by root: ${missing[*]}"
		sudo=(sudo)
	fi
	say "installing Debian packages: ${missing[*]}"
	mkdir -p "$out/log"
	# The lists may be old or not there at all. When they cannot be updated those at hand may do.
	{
		"${sudo[@]}" apt-get update || :
		"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y --no-install-recommends "${missing[@]}"
	} </dev/null >"$out/log/apt.log" 2>&1 || die "apt-get could not install ${missing[*]}, see out/log/apt.log"
}
