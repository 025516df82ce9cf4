# shellcheck shell=bash disable=SC2154 # they come from lib.sh, which sources it
# Packages and disk space that the commands need.

# Debian packages, by the script that needs them; every command needs those of fetch
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
[ -n "$kernel_suite" ] || needs[fetch]+=" $kernel_package"

# Whether another apt is running, such as that of a machine which updates itself
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
	# The lists may be old or missing. If the update fails, the present ones may do.
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

# Called before anything is written that might not fit
room() { # <megabytes> <what for>
	local free
	mkdir -p "$out"
	free=$(df -Pm "$out" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] || die "$2 takes $1 MB below out/, where $free MB are free"
}
