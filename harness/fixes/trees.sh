# shellcheck shell=bash
# shellcheck disable=SC2154 # they come from those who source it
# To which tree a fix goes, and to whom: sourced after patches.sh.

# The tree that takes a fix, by series/fixes/trees
tree_of() { # <edit>
	local name prefixes prefix first
	first=$(patched_files "$root/series/fixes/$1" | first)
	while read -r name prefixes; do
		for prefix in $prefixes; do
			[[ $first != "$prefix"* ]] || { echo "$name"; return; }
		done
	done < <(grep -v '^#' "$root/series/fixes/trees")
	die "series/fixes/trees has no tree for $first"
}

# A cover letter for mm only; the others are a patch or two that say all themselves
format_fixes() { # <repository> <where the patches go>
	local patch line args
	format_patches "$1" series/fixes/cover-letter.txt "$2"
	[ "${2##*/}" = mm ] || rm "$2"/*cover-letter.txt
	for patch in "$2"/*.patch; do
		args=()
		while read -r line; do
			args+=("To: $line")
		done < <(maintainers --nol --nor "$patch")
		while read -r line; do
			args+=("Cc: $line")
		done < <(maintainers --nom "$patch")
		# after the subject, which can go on in lines that begin with a space
		awk -v add="$(printf '%s\n' "${args[@]}")" '{ ends = subject && !/^ / }
			ends { print add; subject = 0 }
			{ print }
			!seen && /^Subject: / { subject = seen = 1 }' "$patch" >"$patch.new"
		mv "$patch.new" "$patch"
	done
}

maintainers() { # <option of get_maintainer.pl>... <patch>
	(cd "$src" && scripts/get_maintainer.pl --nogit --nogit-fallback --norolestats "$@")
}
