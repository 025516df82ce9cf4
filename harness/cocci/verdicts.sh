# shellcheck shell=bash disable=SC2154 # they come from cocci, which sources it
# Compares the lists of verdicts with what harness/cocci/cocci has found.

# Each ops structure of the base as "<file> <ops> <yes|no>": whether it promises never to sleep
promises() { # <directory>
	local file
	grep -rlE 'mmu_(interval_)?notifier_ops' --include='*.c' "$1" | while read -r file; do
		awk -v file="${file#"$1/"}" '
			match($0, /struct mmu_(interval_)?notifier_ops [a-z0-9_]+ = \{/) {
				split(substr($0, RSTART, RLENGTH), word, " ")
				ops = word[3]
				flag = "no"
			}
			ops && /MMU_NOTIFIER_NEVER_SLEEPS/ { flag = "yes" }
			ops && /^\};/ { print file, ops, flag; ops = "" }' "$file"
	done | grep -v '^lib/test_mmu_notifier\.c ' | sort
}

# The same by harness/cocci/never-sleeps.list
promised() {
	local bases file ops verdict why
	while read -r bases file ops verdict why; do
		case $bases in '' | '#'*) continue ;; esac
		[ -n "$why" ] || die "harness/cocci/never-sleeps.list: $file $ops: not said why"
		case $verdict in yes | no) ;; none) verdict=no ;; *) die "harness/cocci/never-sleeps.list: $file $ops: no verdict" ;; esac
		case ,$bases, in *,"$base",*) echo "$file $ops $verdict" ;; esac
	done <"$root/harness/cocci/never-sleeps.list" | sort
}

# The verdicts on this base as "<file> <function> <rule> <verdict> <why>"
judged() {
	local bases file function rule verdict why
	while read -r bases file function rule verdict why; do
		case $bases in '' | '#'*) continue ;; esac
		case $verdict in true | false) ;; *) die "harness/cocci/cocci.findings: $file $function $rule: no verdict" ;; esac
		[ -n "$why" ] || die "harness/cocci/cocci.findings: $file $function $rule: not said why"
		case ,$bases, in *,"$base",*) echo "$file $function $rule $verdict $why" ;; esac
	done <"$verdicts"
}

# Prints the table; fails where findings and verdicts do not go together
judge() { # <findings> <verdicts>
	awk '
	FILENAME == ARGV[1] {
		key = $1 " " $2 " " $3
		if (key in verdict) { print "two verdicts: " key; bad = 1 }
		verdict[key] = $4
		why[key] = substr($0, length(key " " $4 " ") + 1)
		next
	}
	{
		key = $1 " " $3 " " $4
		if (!(key in verdict)) { print "NO VERDICT: " $1 ":" $2 " " $3 " " $4; bad = 1; next }
		if (!(key in seen)) count[verdict[key]]++
		seen[key] = 1
		printf "%-5s %-11s %s:%d %s: %s\n", verdict[key], $4, $1, $2, $3, why[key]
	}
	END {
		for (key in verdict)
			if (!(key in seen)) { print "NOT FOUND: " key; bad = 1 }
		printf "%d places, %d of them true, %d false\n", count["true"] + count["false"], count["true"], count["false"]
		exit bad
	}' "$2" "$1"
}
