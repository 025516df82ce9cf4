# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # they come from lib.sh, and are for those who source this
# For scripts that look at the base with the first patch of the series, with the first two,
# and so on: sourced after lib.sh. The tree is $scratch, and the patches are ${patches[@]}.

[ -d "$out/series/$base" ] || die "out/series/$base is not there: make series"

begin_prefixes() { # <directory>
	work=$1
	scratch=$work/tree
	rm -rf "$work"
	mkdir -p "$work/patched"
	# copies, since somebody may make the series anew meanwhile
	cp -r "$out/series/$base" "$work/patches"
	patches=("$work"/patches/*/*.patch)
	unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
	git init -q "$work/patched"
	cp -al "$src" "$scratch"
}

# git changes a copy of the files of a patch, which then take the places of those in the
# tree: that is in hard links
add_patch() { # <patch>
	local file
	while read -r file; do
		[ ! -f "$scratch/$file" ] || (cd "$scratch" && cp --parents "$file" "$work/patched")
	done < <(patched_files "$1")
	git -C "$work/patched" apply "$1" || die "${1##*/} does not apply to what those before it leave"
	while read -r file; do
		mkdir -p "$(dirname "$scratch/$file")"
		cp "$work/patched/$file" "$scratch/$file.new"
		mv "$scratch/$file.new" "$scratch/$file"
	done < <(patched_files "$1")
}

# The stage and the number of a patch
name_of() { # <patch>
	local name=${1#"$work/patches/"}
	name=${name%.patch}
	echo "${name/\//-}"
}
