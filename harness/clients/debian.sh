# shellcheck shell=bash disable=SC2154,SC2034 # they come from build.sh, which sources it
# What make clients brings into its machine from Debian's packages.

# A program of Debian, with the libraries that it loads
put_debian() { # <directory> <program> [<its name there>]
	local program
	program=$(command -v "$2") || die "$2 is not in PATH"
	mkdir -p "$1/bin"
	cp -L "$program" "$1/bin/${3:-${2##*/}}"
	ldd "$program" | grep -oE '/[^ ]+' | while read -r library; do
		mkdir -p "$1${library%/*}"
		cp -Lu "$library" "$1$library"
	done
}

# Packages that are not installed here, as ibverbs-utils would replace udev
put_packages() { # <directory> <package>...
	local debs dir=$1
	shift
	debs=$(mktemp -d)
	(cd "$debs" && logged "downloading $*" apt-get download "$@")
	for deb in "$debs"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -C "$dir" -x
	done
	rm -r "$debs"
}

put_busybox() { # <directory> <its init>
	mkdir -p "$1/bin"
	cp "$(command -v busybox)" "$1/bin/busybox"
	ln -s busybox "$1/bin/sh"
	cp "$2" "$1/init"
}

# A Linux that runs memtester, as a guest of KVM on QEMU's smallest machine
build_guest() { # <directory of the machine>
	local to=$1/programs/guest guest
	say "building the guest of KVM"
	(
		builds_in "$out/build/guest-$base"
		tree=$src fragments=("$root/harness/clients/guest.config")
		mkdir -p "$build"
		configure_kernel
		logged "building the guest of KVM" kbuild -j"$(nproc)" bzImage
		cp "$kernel" "$to/bzImage"
	)
	guest=$(mktemp -d)
	put_busybox "$guest" "$root/harness/clients/guest-init"
	put_debian "$guest" memtester
	archive "$guest" >"$to/initramfs"
	rm -r "$guest"
	put_debian "$1" qemu-system-x86_64-microvm qemu
	put_debian "$1" migratepages
	cp -L /usr/share/qemu/{qboot.rom,linuxboot_dma.bin,bios-microvm.bin} "$to"
	cp "$root/harness/clients/guest-run" "$to/run"
}

# The tests of rdma-core are among the documents of its package for Python
put_rdma() { # <directory of the machine>
	local program tests=$1/usr/share/doc/rdma-core/tests
	put_packages "$1" ibverbs-utils ibverbs-providers libibverbs1 librdmacm1 libnl-3-200 \
		libnl-route-3-200 python3-pyverbs python3.11-minimal libpython3.11 \
		libpython3.11-minimal libpython3.11-stdlib libexpat1 libffi8 zlib1g
	gunzip "$tests"/*.gz
	mv "$tests" "$1/programs/rdma"
	rm -r "${1:?}/usr/share"
	for program in ip rdma migratepages "$1/usr/bin/python3.11"; do
		put_debian "$1" "$program"
	done
	cp "$root/harness/clients/rdma-run" "$1/programs/rdma/run"
}
