# shellcheck shell=bash disable=SC2154 # they come from vm.sh, which sources it
# The programs that run in the machine, and the initramfs that has them.

# Uses the kernel's makefile, but writes nothing into the tree: the makefile would create
# local_config.* there, about a library that none of these uses.
compile() { # <CFLAGS> <program>...
	local flags=$1 selftests=$tree/tools/testing/selftests program headers
	shift
	headers=("$selftests"/*.h "$selftests"/mm/*.h "$tree"/lib/test_*_uapi.h
		"$root/harness/selftests/patience.h")
	for program; do
		[ -f "$selftests/mm/$program.c" ] || die "there is no tools/testing/selftests/mm/$program.c"
	done
	mkdir -p "$build/programs"
	echo 'IOURING_EXTRA_LIBS =' >"$build/programs/local_config.mk"
	logged "compiling $*" make -C "$selftests/mm" -I "$build/programs" ARCH=x86_64 \
		OUTPUT="$build/programs" LOCAL_HDRS="${headers[*]}" \
		KHDR_INCLUDES="-isystem $build/usr/include" \
		USERCFLAGS="$flags" USERLDFLAGS=-static "${@/#/"$build/programs/"}"
}

build_programs() { # <program>...
	local program mine=() foreign=()
	for program; do
		if [[ " ${ours[*]} " = *" $program "* ]]; then mine+=("$program"); else foreign+=("$program"); fi
	done
	say "compiling $*"
	if [ ${#mine[@]} -gt 0 ]; then compile -Werror "${mine[@]}"; fi
	if [ ${#foreign[@]} -gt 0 ]; then compile "-include $root/harness/selftests/patience.h" "${foreign[@]}"; fi
}

build_initramfs() { # <program>...
	local dir=$build/root busybox program
	busybox=$(command -v busybox) || die "busybox is not in PATH (Debian package busybox-static)"
	rm -rf "$dir"
	mkdir -p "$dir/bin" "$dir/programs"
	cp "$busybox" "$dir/bin/busybox"
	ln -s busybox "$dir/bin/sh"
	cp "$root/harness/common/vm-init" "$dir/init"
	cp "${@/#/"$build/programs/"}" "$dir/programs"
	for program; do
		[ -f "$root/harness/selftests/$program-$base" ] || continue
		mv "$dir/programs/$program" "$dir/programs/$program.whole"
		cp "$root/harness/selftests/$program-$base" "$dir/programs/$program"
	done
	archive "$dir" >"$initramfs.new"
	mv "$initramfs.new" "$initramfs"
}

archive() { # <directory>: as an archive that the kernel unpacks at boot
	(cd "$1" && find . | cpio --quiet -o -H newc -R 0:0)
}

build_machine() { # <program>...
	need_for vm
	build_kernel
	build_programs "$@"
	build_initramfs "$@"
}
