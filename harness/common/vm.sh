# shellcheck shell=bash
# shellcheck disable=SC2154 # they come from those who source it
# For scripts that boot the debug kernel, the reworked one with all checks on: it serves
# the KUnit suites, the torture test, and the selftests and the shell, which have a user
# space. Sourced after lib.sh, which sets $root, $out, $base and $tree.

# ours, and those of the kernel that use the notifiers
ours=(mmu_notifier mmu_notifier_threads)
theirs=(hmm-tests)
# shellcheck disable=SC2034 # for those who source this
known=("${ours[@]}" "${theirs[@]}")

# Where the kernel is built, from which fragments, with which variables for its make
builds_in() { # <directory> <variable>...
	build=$1
	# shellcheck disable=SC2034 # for those who source this
	kernel=$build/arch/x86/boot/bzImage
	initramfs=$build/initramfs
	shift
	variables=("$@")
}
fragments=("$root/mm/tests/.kunitconfig" "$root/harness/common/debug.config")
builds_in "$out/build/debug-$base"

kbuild() { make -C "$tree" O="$build" ARCH=x86_64 ${variables[@]+"${variables[@]}"} "$@"; }

logged() { # <what it does> <command>...
	local what=$1
	shift
	"$@" >"$build/build.log" 2>&1 && return 0
	grep -E '(error|warning): |\*\*\*' "$build/build.log" >&2 || tail -n 20 "$build/build.log" >&2
	die "$what failed, see ${build#"$root/"}/build.log"
}

configure_kernel() {
	local fragment=$build/fragment missed
	mkdir -p "$build"
	# of an option that is there twice the last one counts
	lines "${fragments[@]}" | awk -F'[= ]' '/CONFIG_/ { option = $1 == "#" ? $2 : $1; line[option] = $0 }
		END { for (option in line) print line[option] }' | sort >"$fragment"
	# each time, since an option may be new in the tree
	logged "configuring the kernel" kbuild -s KCONFIG_ALLCONFIG="$fragment" allnoconfig
	missed=$(grep '^CONFIG_' "$fragment" | grep -vxFf "$build/.config" | tr '\n' ' ' || :)
	[ -z "$missed" ] || die "${fragments[*]#"$root/"}: not in effect: $missed"
}

build_kernel() {
	[ -d "$build" ] || room 500 "building the kernel"
	configure_kernel
	say "building the kernel (the first time takes some minutes), log in ${build#"$root/"}/build.log"
	logged "building the kernel" kbuild -j"$(nproc)" bzImage headers modules
}

# The debug kernel of the tree as it is now, and a machine with these programs if there are
# any, in a folder of the caller's: what boots must not keep others from building.
debug_kernel() { # <directory> [<program>]...
	local dir=$1
	shift
	(
		one_at_a_time debug
		"$root/harness/common/fetch"
		"$root/harness/common/overlay"
		if [ $# = 0 ]; then build_kernel; else build_machine "$@"; fi
		# where kunit.py looks for it
		mkdir -p "$dir/arch/x86/boot"
		cp "$kernel" "$dir/arch/x86/boot/bzImage"
		[ $# = 0 ] || cp "$initramfs" "$dir/initramfs"
	)
	# shellcheck disable=SC2034 # for those who source this
	kernel=$dir/arch/x86/boot/bzImage initramfs=$dir/initramfs
}

# By the kernel's makefile, but with nothing written into the tree: it would like
# to leave local_config.* there, which is about a library that none of these uses.
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

# A panic has to end QEMU, and after an oops nothing that follows is worth anything.
# The RAM from 2 GB on is no RAM to the kernel, but what devices would have on board:
# the tests of hmm want 256 MB for each of two.
# shellcheck disable=SC2016 # there is no variable
cmdline=(console=ttyS0 no_timer_check numa=fake=2 hugepages=32 printk.devkmsg=on
	panic=-1 oops=panic 'memmap=512M$0x80000000'
	test_hmm.spm_addr_dev0=0x80000000 test_hmm.spm_addr_dev1=0x90000000)
machine=(qemu-system-x86_64 -accel 'tcg,thread=multi' -cpu max -smp 2 -m 2560
	-nodefaults -display none -no-reboot -device virtio-serial)

# Adds a channel from the guest to a file, which is emptied
port() { # <name> <file>
	: >"$2"
	machine+=(-chardev "file,id=$1,path=${2//,/,,}" -device "virtserialport,chardev=$1,name=$1")
}

# The command line of QEMU, in machine
boots() { # <kernel> <initramfs> <console: what -serial takes> <more for the kernel command line>...
	local console=$3
	machine+=(-kernel "$1" -initrd "$2" -serial "$console")
	shift 3
	machine+=(-append "${cmdline[*]} $*")
}
