# shellcheck shell=bash
# shellcheck disable=SC2154 # they come from those who source it
# For scripts that make patches of diffs and messages: sourced after lib.sh. Reads SIGNOFF,
# TRAILERS and V.

# The submitter signs off and is then the author. Without SIGNOFF the author is a placeholder.
author='mmu_notifier rework <mmu-notifier-rework@localhost>'
signoff=${SIGNOFF:-}
trailers=${TRAILERS:-}
if [ -n "$signoff" ]; then
	[[ $signoff =~ ^[^\<\>]+\ \<[^\<\>@\ ]+@[^\<\>@\ ]+\>$ ]] ||
		die "SIGNOFF is not of the form 'Name <mail@host>': $signoff"
	author=$signoff
	trailers=${trailers:+$trailers$'\n'}"Signed-off-by: $signoff"
fi
while read -r line; do
	[ -z "$line" ] || [[ $line =~ ^[A-Z][A-Za-z-]*:\ . ]] || die "TRAILERS: not of the form 'Key: value': $line"
done <<<"$trailers"

# A later version says its number, and what is new in each version
version=${V:-1}
[[ $version =~ ^[1-9][0-9]?$ ]] || die "V is no version from 1 to 99: $version"

# git, without the settings of this machine and user
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME="${author% <*}" GIT_COMMITTER_NAME="${author% <*}"
email=${author##*<}
export GIT_AUTHOR_EMAIL="${email%>}" GIT_COMMITTER_EMAIL="${email%>}"
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

check_message() { # <message file>
	[ -f "$root/$1" ] || die "$1 is not there"
	if [ -z "$(head -n1 "$root/$1")" ] || [ -n "$(sed -n 2p "$root/$1")" ]; then
		die "$1: wants a subject and then an empty line"
	fi
}

# A repository with the base's version of the files that a series touches
repository() { # <directory>, the files on stdin
	local file
	git init -q -b base "$1"
	while read -r file; do
		[ ! -f "$src/$file" ] || (cd "$src" && cp --parents "$file" "$1")
	done
	git -C "$1" add -A -f
	commit "$1" -m "Linux $base"
	git -C "$1" checkout -q -b series
}

seconds=1767225600 # a day like any other, so that the same input gives the same patches
commit() { # <directory> <git commit's arguments>...
	local dir=$1
	shift
	seconds=$((seconds + 60))
	GIT_AUTHOR_DATE="$seconds +0000" GIT_COMMITTER_DATE="$seconds +0000" \
		git -C "$dir" commit -q --allow-empty "$@"
}

# Commits what is in a repository, with the submitter's trailers
commit_patch() { # <directory> <message file>
	local line args=()
	git -C "$1" add -A -f
	while read -r line; do
		[ -z "$line" ] || args+=(--trailer "$line")
	done <<<"$trailers"
	text "$root/$2" | git interpret-trailers "${args[@]}" >"$1.message"
	commit "$1" -F "$1.message"
}

# The end of a cover letter: the changes of each version, the newest first
changes() { # <folder of v2.txt, v3.txt...>
	local n
	for ((n = version; n > 1; n--)); do
		printf '\nChanges in v%d:\n\n' "$n"
		text "$1/v$n.txt"
	done
}

# Called before anything is made
check_changes() { # <folder>
	local n
	for ((n = version; n > 1; n--)); do
		[ -s "$root/$1/v$n.txt" ] || die "$1/v$n.txt is not there: what is new in version $n?"
	done
}

format_patches() { # <directory> <cover letter> <where the patches go> [<from>..<branch>]
	local cover reroll=() range=${4:-base..series}
	[ "$version" = 1 ] || reroll=(-v "$version")
	git -C "$1" config "branch.${range#*..}.description" "$(text "$root/$2"; changes "$root/${2%/*}/changes")"
	# -B: a file that is rewritten shows as all lines removed and added, without matching braces
	git -C "$1" format-patch -q --cover-letter --cover-from-description=subject --no-renames -B \
		--zero-commit --no-signature "${reroll[@]}" -o "$3" "$range"
	cover=$(echo "$3"/*0000-cover-letter.patch)
	# the cover letter is dated by the clock, the patches are not
	sed -i "s/^Date: .*/Date: $(date -R -u -d "@$seconds")/" "$cover"
	# git am would take the cover letter for a patch if it were called *.patch
	mv "$cover" "${cover%.patch}.txt"
}
