# shellcheck shell=bash disable=SC2154 # they come from bench, which sources it
# Turns what the kernels of harness/bench/bench print into figures: "<key>\t<value>" a line.

values() { # <log>
	local found
	found=$(tr -d '\r' <"$1" | sed -n 's/^.*bench: \([a-z0-9_]*\t-\?[0-9]*\)$/\1/p')
	if ! grep -q '^end' <<<"$found"; then
		tail -n 5 "$1" >&2
		die "the kernel did not come to the end, see ${1#"$root/"}"
	fi
	"$root/harness/common/scan-log" "$1" || die "the kernel complains"
	grep -v '^end' <<<"$found"
}

# Bytes of instructions in the core
text_of() { # <base|rework>
	local objects
	objects=$(find "$(where "$1")/mm" -maxdepth 1 -name 'mmu_notifier.o' -o -maxdepth 1 -name 'mmu_interval_notifier.o')
	# shellcheck disable=SC2086 # one or two, and no path of ours has spaces
	size -A $objects | awk '$1 ~ /^\.text/ { sum += $2 } END { print "text\t" sum }'
}

# The least value of each key
least() { # <values>
	awk '!($1 in value) || $2 < value[$1] { value[$1] = $2 }
		END { for (key in value) printf "%s\t%d\n", key, value[key] }' "$1"
}

# The memory for more CPUs, computed from the boots with 2 and 16: an amount for each slot, of
# which there are at most 64, and one for SRCU on each CPU. From 128 CPUs on SRCU has a tree
# from the beginning: 96 bytes for 16 CPUs and 96 once, which kmalloc() rounds up to 8 per CPU.
more_memory() { # <values>
	awk '{ value[$1] = $2 }
		function each(kind) { return (value[kind "_16"] - value[kind "_2"]) / 14 }
		END {
			slots = each("memory_interval")
			srcu = each("memory_hlist") - slots
			for (cpus = 64; cpus <= 512; cpus *= cpus == 64 ? 4 : 2) {
				more = slots * ((cpus < 64 ? cpus : 64) - 2)
				printf "memory_interval_%d\t%.0f\n", cpus, value["memory_interval_2"] + more
				more += srcu * (cpus - 2)
				if (cpus >= 128 && srcu > 1)
					more += 8 * cpus
				printf "memory_hlist_%d\t%.0f\n", cpus, value["memory_hlist_2"] + more
			}
		}' "$1"
}
