# shellcheck shell=bash
# shellcheck disable=SC2154 # they come from those who source it
# For scripts that boot one suite on two kernels, the unmodified base and the rework
# mostly: sourced after lib.sh, which sets $root, $out and $base, with $work set to the
# name of the folders of the script.

where() { # <base|rework>: its build directory
	echo "$out/build/$work-$base-$1"
}

# A copy of a tree in hard links, with a suite in it that the tree does not have. A
# file that changes is a new one with the time stamp of the old one, so that
# nothing is compiled again.
lay() { # <tree> <base|rework> <C file> <option>
	local object scratch=$out/$work/$2
	[ -f "$1/mm/mmu_notifier.c" ] || die "${1#"$root/"} is not there: make $work lays it"
	rm -rf "$scratch"
	mkdir -p "$out/$work"
	cp -al "$1" "$scratch"
	mkdir -p "$scratch/mm/tests"
	object=$(basename "$3" .c)
	! grep -qs "$4" "$scratch/mm/tests/Makefile" || return 0
	cp -p "$3" "$scratch/mm/tests/"
	append "$scratch/mm/Makefile" <<-END

		obj-\$(CONFIG_$4) += tests/$object.o
	END
	append "$scratch/mm/Kconfig" <<-END

		config $4
			bool "The suite of make $work"
			select MMU_NOTIFIER
	END
}

append() { # <file>
	cat "$1" - >"$1.new"
	touch -r "$1" "$1.new"
	mv "$1.new" "$1"
}

kunit() { # <base|rework> <kunit.py command and arguments of its own>
	local kernel=$1
	shift
	(cd "$out/$work/$kernel" && kunit_py "$@" \
		--arch=x86_64 --build_dir="$(where "$kernel")")
}

build() { # <base|rework> <kunitconfig> [argument of kunit.py build]...
	local kernel=$1 config=$2 build
	shift 2
	build=$(where "$kernel")
	mkdir -p "$build"
	say "building the $kernel kernel, log in ${build#"$root/"}/build.log"
	lines "$config" >"$build/kunitconfig"
	kunit "$kernel" build --kunitconfig="$build/kunitconfig" --jobs="$(nproc)" "$@" \
		>"$build/build.log" 2>&1 && return 0
	tail -n 20 "$build/build.log" >&2
	say "the $kernel kernel does not build" >&2
	exit 1
}

# "passes", "fails", or what else became of a case
outcome() { # <log of a boot> <case>
	case $(tr -d '\r' <"$1" | grep -aE "^ *(not )?ok [0-9]+ $2( |\$)") in
	'') echo 'no result' ;;
	*'# SKIP'*) echo skipped ;;
	*'not ok'*) echo fails ;;
	*) echo passes ;;
	esac
}

cases_of() { sed -n 's/^\tKUNIT_CASE(\(.*\)),$/\1/p' "$1"; }

# Builds and boots a suite. It fails wherever a case fails; outcome() goes by the cases.
boot_suite() { # <base|rework> <kunitconfig> [argument of kunit.py exec]...
	local kernel=$1 config=$2 build log
	shift 2
	build=$(where "$kernel")
	log=${build#"$root/"}
	rm -f "$build/test.log"
	build "$kernel" "$config"
	say "booting the $kernel kernel, log in $log/test.log"
	kunit "$kernel" exec "${boot_args[@]}" --kernel_args=srcutree.convert_to_big=1 "$@" \
		>"$build/exec.log" 2>&1 || :
	if [ ! -f "$build/test.log" ]; then
		tail -n 5 "$build/exec.log" >&2
		say "the $kernel kernel does not boot" >&2
		exit 1
	fi
}

# the report of a failing case
found() { # <log of a boot> <case>
	tr -d '\r' <"$1" | sed -n "/# $2: EXPECTATION FAILED/,/ok [0-9]* $2/s/^ *found: //p" | first
}

# Prints a table, and exits unless each case fails on the base and passes on the other kernel
compare() { # <log of the base> <rework|fixes> <its log> <case>...
	local base_log=$1 other=$2 log=$3 name was is wrong=0 status=0 row='%-36s %-10s %-10s %s\n'
	shift 3
	# shellcheck disable=SC2059 # the format is the one above
	printf "$row" defect base "$other" 'what the base does'
	for name; do
		was=$(outcome "$base_log" "$name")
		is=$(outcome "$log" "$name")
		# shellcheck disable=SC2059
		printf "$row" "$name" "$was" "$is" "$(found "$base_log" "$name")"
		if [ "$was, $is" != 'fails, passes' ]; then
			wrong=$((wrong + 1))
			found "$log" "$name" | sed "s/^/    with the $other: /"
		fi
	done
	if [ $wrong != 0 ]; then
		say "$wrong cases do not fail on the base and pass with the $other" >&2
		status=1
	fi
	# other messages of the base do not count
	if ! "$root/harness/common/scan-log" "$log"; then
		say "the kernel with the $other complains" >&2
		status=1
	fi
	[ $status = 0 ] || exit $status
}
