# shellcheck shell=bash
# shellcheck disable=SC2154 # they come from those who source it
# For scripts that boot the debug kernel, the reworked one with all checks on: it serves
# the KUnit suites, the torture test, and the selftests and the shell, which have a user
# space. Sourced after lib.sh, which sets $root, $out, $base and $tree.

. "$root/harness/common/programs.sh"

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

# KASAN knows what anybody frees, and checks the accesses of what is in these folders of the
# kernel: the notifiers, what they are made of, and the tests; and of modules. In all of the
# kernel it would take much longer to build and to boot: make kunit CONFIG=kasan.
# shellcheck disable=SC2016 # kbuild expands it for each folder
checked='KASAN_SANITIZE=$(if $(filter mm mm/tests lib kernel kernel/rcu . /%,$(obj)),y,n)'

kbuild() { make -C "$tree" O="$build" ARCH=x86_64 "$checked" ${variables[@]+"${variables[@]}"} "$@"; }

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
	# if an option is there twice, the last one counts
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

# Builds the debug kernel of the present tree, and a machine with the programs if there are
# any, and copies them to a folder of the caller, so that others can build while it boots.
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

# A panic has to end QEMU, and after an oops no result counts.
# 2 GB of the RAM are below 4 GB, the rest is above. The first 512 MB of the rest are hidden from
# the kernel and stand for memory of devices: the tests of hmm need 256 MB for each of two. From
# Linux 7 on these tests also move 256 MB at once, which needs room for four copies.
# shellcheck disable=SC2016 # there is no variable
cmdline=(console=ttyS0 no_timer_check numa=fake=2 hugepages=32 printk.devkmsg=on
	panic=-1 oops=panic 'memmap=512M$0x100000000'
	test_hmm.spm_addr_dev0=0x100000000 test_hmm.spm_addr_dev1=0x110000000)
# q35: to route interrupts the other one has a loop of AML, which takes seconds
machine=(qemu-system-x86_64 -M q35 -accel 'tcg,thread=multi' -cpu max -smp 2 -m 3584
	-nodefaults -display none -no-reboot -device virtio-serial)

# Adds a channel from the guest to a file, and empties the file
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
