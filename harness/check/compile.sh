# shellcheck shell=bash disable=SC2154,SC2034 # they come from gates, which sources it
# Configures and compiles in the builds of harness/check/gates.

where() { # <build>
	echo "$out/build/gates-$base-$1"
}

kbuild() { # <build> <make arguments>
	local build=$1 from=$tree args=(ARCH=x86_64)
	shift
	case $build in
	base) from=$src ;;
	clang) args+=(CC=clang-19) ;;
	i386) args=(ARCH=i386) ;;
	arm64) args=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-) ;;
	powerpc) args=(ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu-) ;;
	s390) args=(ARCH=s390 CROSS_COMPILE=s390x-linux-gnu-) ;;
	esac
	make -C "$from" O="$(where "$build")" "${args[@]}" KCFLAGS=-fstack-usage "$@"
}

fragment() { # <build>
	case $1 in
	base | plain) lines "$root/harness/check/gates-plain.config"; return ;;
	gcc | clang) echo CONFIG_64BIT=y ;;
	powerpc) printf '%s\n' CONFIG_PPC64=y CONFIG_CPU_LITTLE_ENDIAN=y ;;
	esac
	lines "$tree/mm/tests/.kunitconfig" "$root/harness/check/gates.config"
}

configure() { # <build>
	local build fragment missed
	build=$(where "$1")
	mkdir -p "$build"
	fragment=$(fragment "$1")
	if [ -f "$build/fragment" ] && [ "$fragment" = "$(cat "$build/fragment")" ]; then
		return
	fi
	{
		kbuild "$1" -s allnoconfig && echo "$fragment" >>"$build/.config" && kbuild "$1" -s olddefconfig
	} >"$build/log" 2>&1 || { cat "$build/log" >&2; die "$1: cannot be configured"; }
	# an option that a dependency keeps unset would hide files of ours
	missed=$(grep '^CONFIG_' <<<"$fragment" | grep -vxFf "$build/.config" | tr '\n' ' ' || :)
	[ -z "$missed" ] || die "$1: these options are not in effect: $missed"
	echo "$fragment" >"$build/fragment"
}

# Compiles C files, and succeeds if there is no message about one of ours. A file with
# messages is compiled again the next time, so that they are printed again.
compile() { # <build> <C file>...
	local build=$1 log=$logs/$gate.log failed=0 others
	shift
	configure "$build"
	kbuild "$build" -k -j"$(nproc)" W=1 "${check[@]}" "${@/%.c/.o}" >"$log" 2>&1 || failed=1
	if grep -E "$complaints" "$log" >"$log.ours"; then
		head -n 10 "$log.ours" >&2
		failed=1
	fi
	others=$(grep -vE "$complaints" "$log" | grep -cE ':[0-9]+:.*(warning|error):' || :)
	[ "$others" = 0 ] || note=", $others messages about files that are not ours"
	[ "$failed" = 1 ] || return 0
	(cd "$(where "$build")" && rm -f "${@/%.c/.o}")
	[ -s "$log.ours" ] || tail -n 5 "$log" >&2
	return 1
}

# Compiles stdin with the command by which kbuild compiled mm/mmu_notifier.c
compile_stdin() { # <build>
	local build command
	build=$(where "$1")
	command=$(sed -nE 's/-Wp,-MMD,[^ ]*//; s/^savedcmd_[^ ]* := (.*) -c -o .*/\1/p' "$build/mm/.mmu_notifier.o.cmd")
	[ -n "$command" ] || die "$1: no command in mm/.mmu_notifier.o.cmd"
	(cd "$build" && eval "$command -Werror -x c -c -o $logs/stdin.o -") >>"$logs/$gate.log" 2>&1
}
