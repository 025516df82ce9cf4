# shellcheck shell=bash
# shellcheck disable=SC2154 # they come from those who source it
# For scripts that run the core in user space, behind the shims of this folder: sourced
# after lib.sh.

native=$root/harness/native

# Headers of the base that are used as they are; all others are empty, see shim.h
headers=(interval_tree interval_tree_generic list llist log2 poison rbtree rbtree_augmented
	rbtree_types rculist)

# The files of one side, as they are, and the headers that they ask for
gather() { # <folder> <base|rework> [<folder with mm and include instead of ours>]
	local to=$1 from file name
	case $2 in
	base) from=$src ;;
	rework) from=${3:-$root} ;;
	esac
	rm -rf "$to"
	mkdir -p "$to/mm" "$to/lib" "$to/include/linux"
	for name in "${headers[@]}"; do
		cp "$src/include/linux/$name.h" "$to/include/linux"
	done
	cp "$src"/lib/{interval_tree,rbtree,llist}.c "$to/lib"
	cp "$from/include/linux/mmu_notifier.h" "$to/include/linux"
	for file in "$from"/mm/mmu_notifier.c "$from"/mm/mmu_{interval_notifier.c,notifier_internal.h}; do
		[ ! -f "$file" ] || cp "$file" "$to/mm"
	done
	traces "$to" "$from/include/trace/events/mmu_notifier.h"
	while read -r name; do
		[ ! -f "$to/include/$name" ] || continue
		mkdir -p "$(dirname "$to/include/$name")"
		: >"$to/include/$name"
	done < <(find "$to" -type f -exec sed -n 's|^#include <\([a-z].*\)>.*|\1|p' {} + | sort -u)
	: >"$to/mm/internal.h"
	: >"$to/mm/vma.h"
}

# The tracepoints that a header declares, as shim.h has them
traces() { # <folder> <trace header>
	[ -f "$2" ] || return 0
	mkdir -p "$1/include/trace/events"
	sed -nE 's/^(TRACE_EVENT\(|DEFINE_EVENT\(.*, *)([a-z_]*),$/\2/p' "$2" |
		while read -r name; do
			echo "#define trace_$name(...) SHIM_TRACE(__VA_ARGS__)"
			echo "#define trace_${name}_enabled() shim_static_branch()"
		done >"$1/include/trace/events/mmu_notifier.h"
}

# As the kernel compiles, without what asks for its own tools
kernel_flags=(-std=gnu11 -O2 -g -fno-strict-aliasing -fno-common -fno-delete-null-pointer-checks
	-fno-allow-store-data-races -fno-strict-overflow -fno-stack-protector -fno-pie
	-fno-asynchronous-unwind-tables -Wall -Wno-unused -Wno-pointer-sign
	-Wno-address-of-packed-member)

# Compiles a file of ours or of one side, which gather() has laid out
compile() { # <folder> <file.c> <file.o> <flag>...
	local to=$1 file=$2 object=$3
	shift 3
	gcc "${kernel_flags[@]}" "$@" -I"$native" -I"$to/include" -include "$native/shim.h" \
		-c "$file" -o "$object" || die "${file#"$root/"} does not compile"
}

# One side with its shims, which exports nothing but side_base or side_rework
link_side() { # <folder> <base|rework> <output.o> <flag>...
	local to=$1 side=$2 output=$3 file
	shift 3
	# The kernel has no floating point and vectors
	for file in "$to"/mm/*.c "$to"/lib/*.c; do
		compile "$to" "$file" "${file%.c}.o" -mgeneral-regs-only -mno-red-zone "$@"
	done
	compile "$to" "$native/shim.c" "$to/shim.o" "$@"
	compile "$to" "$native/cases.c" "$to/cases.o" "$@"
	ld -r -o "$to/all.o" "$to"/mm/*.o "$to"/lib/*.o "$to/shim.o" "$to/cases.o"
	objcopy --redefine-sym "side=side_$side" "$to/all.o"
	objcopy --keep-global-symbol="side_$side" "$to/all.o" "$output"
}

# A program with one core
link_stress() { # <folder> <program> <stress|litmus> <flag>...
	local to=$1 program=$2 main=$3 file objects=()
	shift 3
	for file in "$to"/mm/*.c "$to"/lib/*.c "$native/shim.c" "$native/$main.c"; do
		objects+=("$program-$(basename "$file" .c).o")
		compile "$to" "$file" "${objects[-1]}" -fno-omit-frame-pointer "$@"
	done
	gcc -pthread -no-pie "$@" -o "$program" "${objects[@]}" || die "${program#"$root/"} does not link"
}
