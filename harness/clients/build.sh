# shellcheck shell=bash disable=SC2154,SC2034,SC2031 # they come from vm.sh, and go there
# The kernels and programs of make clients. Sourced after vm.sh.

. "$root/harness/clients/debian.sh"
needs[clients]='libcap-dev libnuma-dev iproute2 memtester numactl'
selftests=$src/tools/testing/selftests

# The configuration of the debug kernel, without what only the rework has
base_fragment() { # <file>
	lines "${fragments[@]}" | grep -v MMU_NOTIFIER >"$1"
}

# The tests of KVM load themselves into their guests, by the name by which they are run
build_kvm() { # <program>...
	mkdir -p "$build/kvm"
	logged "compiling the tests of KVM" make -C "$selftests/kvm" -j"$(nproc)" ARCH=x86_64 \
		OUTPUT="$build/kvm" KHDR_INCLUDES="-isystem $build/usr/include" \
		LDFLAGS='-pthread -no-pie -static' "${@/#/"$build/"}"
}

# Those of hmm are as they are, those of mm get a VM and a mirror attached. khugepaged of 6.12
# uses what it does not include.
build_mm() { # <hmm|mm> <program>...
	local dir=$build/$1 flags=-static
	shift
	mkdir -p "$dir"
	if [ "${dir##*/}" = mm ]; then
		gcc -O2 -Wall -c -o "$dir/attach.o" "$root/harness/clients/attach.c"
		flags="$dir/attach.o -static"
	fi
	# which its makefile would write into the tree: without liburing
	echo 'IOURING_EXTRA_LIBS =' >"$dir/local_config.mk"
	: | tee "$dir/local_config.h" >"$dir/local_config.h_gen"
	logged "compiling the tests of mm" make -C "$selftests/mm" -I "$dir" -j"$(nproc)" ARCH=x86_64 \
		OUTPUT="$dir" LOCAL_HDRS="$(echo "$selftests"/*.h "$selftests"/mm/*.h)" \
		KHDR_INCLUDES="-isystem $build/usr/include" \
		USERCFLAGS="-I$dir -include $selftests/kselftest.h" USERLDFLAGS="$flags" "${@/#/"$build/"}"
}

build_figures() {
	mkdir -p "$build/figures"
	gcc -O2 -Wall -static -pthread -o "$build/figures/vms" "$root/harness/clients/figures.c"
}

# For both kernels, from the sources of the base
build_others() { # <program>...
	local program group programs dir=$build/root
	for group in kvm hmm mm figures; do
		mapfile -t programs < <(printf '%s\n' "$@" | grep "^$group/")
		[ ${#programs[@]} -gt 0 ] || continue
		say "compiling ${#programs[@]} programs of $group"
		case $group in
		kvm) build_kvm "${programs[@]}" ;;
		figures) build_figures ;;
		*) build_mm $group "${programs[@]}" ;;
		esac
	done
	rm -rf "$dir"
	put_busybox "$dir" "$root/harness/common/vm-init"
	for program; do
		mkdir -p "$dir/programs/${program%/*}"
		case $program in
		guest/run) build_guest "$dir" ;;
		rdma/run) put_rdma "$dir" ;;
		*) strip -o "$dir/programs/$program" "$build/$program" ;;
		esac
	done
	archive "$dir" >"$initramfs"
}

# Leaves both kernels, and the programs that "wanted" has, in a folder
build_clients() { # <directory>
	local programs
	need_for fetch vm clients
	mapfile -t programs < <(awk '{ print $2 }' "$1/wanted" | sort -u)
	fragments+=("$root/harness/clients/clients.config")
	builds_in "$out/build/clients-$base-rework"
	debug_kernel "$1/kernel"
	mv "$kernel" "$1/rework-bzImage"
	rm -r "$1/kernel"
	(
		builds_in "$out/build/clients-$base-base"
		mkdir -p "$build"
		tree=$src
		base_fragment "$build/base.config"
		fragments=("$build/base.config")
		build_kernel
		cp "$kernel" "$1/base-bzImage"
		build_others "${programs[@]}"
		cp "$initramfs" "$1/programs.cpio"
	)
}

with_list() { # <directory> <lines of a limit, a program and arguments>: an initramfs
	local dir=$1/list
	mkdir -p "$dir"
	echo "$2" >"$dir/list"
	{ cat "$results/programs.cpio"; archive "$dir"; } >"$1/initramfs"
	rm -r "$dir"
}
