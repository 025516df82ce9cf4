# shellcheck shell=bash disable=SC2154,SC2164 # they come from lib.sh, which sources it
# Our files, the edits and steps of the series, and where each goes in a kernel tree.

# Our files, as paths below the repo. What editors leave behind is not ours.
our_files() {
	local dir
	(
		cd "$root"
		for dir in Documentation include lib mm scripts tools; do
			[ ! -d $dir ] || find $dir -type f ! -name '*~' ! -name '.*.sw?' \
				! -name '*.orig' ! -name '*.rej' ! -name '*.pyc'
		done
		[ ! -f Kconfig ] || echo Kconfig
	) | sort
}

# Where a file of ours goes in a kernel tree
kernel_path() {
	case $1 in
	Kconfig) echo mm/Kconfig.mmu_notifier ;;
	*) echo "$1" ;;
	esac
}

# The edits of this base, as paths below the repo: diffs, and where code would only go, recipes
our_edits() {
	(cd "$root" && find "series/edits/$base" series/edits/*.recipe -type f \
		\( -name '*.diff' -o -name '*.recipe' \)) | sort
}

# The steps of this base, see harness/series/series, as paths below the repo
our_steps() {
	(cd "$root" && find series/steps -name '*.diff' \
		\( -path "series/steps/$base/*" -o ! -path 'series/steps/*/*' \)) | sort
}

# The recipes of this base, see harness/series/compose, as paths below the repo
our_recipes() {
	(cd "$root" && find series/recipes -type f \
		\( -path "series/recipes/$base/*" -o ! -path 'series/recipes/*/*' \)) | sort
}

# The files that an edit or patch changes
patched_files() { sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' "$1" | sort -u; }

# Those of them that the base does not have
added_files() { sed -n '\|^--- /dev/null|{n; s|^+++ b/\([^[:space:]]*\).*|\1|p}' "$1"; }

# The patches of the series in order, one file of ours, edit or step of this base a
# line: "<message file> <path>". Patches without anything for this base are left out.
manifest() {
	local line message=none
	while read -r line; do
		case $line in
		'' | '#'*) ;;
		stage\ * | part\ *) ;;
		patch\ *) message=series/messages/${line#patch } ;;
		series/*/"$base"/*) echo "$message $line" ;;
		series/edits/*/* | series/steps/*/* | series/recipes/*/*) ;;
		*/) our_files | sed -n "s|^$line|$message &|p" ;;
		*) echo "$message $line" ;;
		esac
	done <"$root/series/manifest"
}

# What comes of files of ours before a later patch brings the rest:
# "<message file> <path> <the first line that is left out>"
parts() { awk '$1 == "patch" { message = $2 } $1 == "part" { $1 = "series/messages/" message; print }' "$root/series/manifest"; }

# The stages of the series in order, and the patches of this base in each:
# "<stage> <message file>"
stages() {
	local stage=none verb word present
	present=$(manifest | cut -d' ' -f1)
	while read -r verb word; do
		case $verb in
		stage) stage=$word ;;
		patch) ! grep -qx "series/messages/$word" <<<"$present" || echo "$stage series/messages/$word" ;;
		esac
	done <"$root/series/manifest"
}

# A message or cover letter as it reads for this base. A paragraph that begins with a line
# like "6.12:" is for that base only.
text() { # <file>
	awk -v mine="$base:" 'BEGIN { RS = "" }
		match($0, /^[0-9]+\.[0-9]+:\n/) {
			if (substr($0, 1, RLENGTH - 1) != mine)
				next
			$0 = substr($0, RLENGTH + 1)
		}
		{ print between $0; between = "\n" }' "$1"
}

# Configurations and lists as they read for this base. A line that begins with one like
# "6.12:" is for that base only.
lines() { # <file>...
	sed -E "s/^${base//./\\.}:[[:space:]]*//; /^[0-9]+\.[0-9]+:/d" "$@"
}

put_file() { # <directory> <file of ours>
	local to
	to=$1/$(kernel_path "$2")
	mkdir -p "${to%/*}"
	cp "$root/$2" "$to"
}

# Applies an edit in a directory, where files of ours have to be already; those of the base
# are brought in
put_edit() { # <directory> <edit>
	local file answer
	case $2 in
	*.recipe) edit_by_recipe "$@"; return ;;
	esac
	while read -r file; do
		[ ! -f "$src/$file" ] || die "$2 adds $file, which Linux $base has"
	done < <(added_files "$root/$2")
	while read -r file; do
		[ -f "$src/$file" ] || [ -f "$1/$file" ] ||
			die "$2 changes $file, which neither Linux $base nor the rework has"
		[ -f "$1/$file" ] || { mkdir -p "$(dirname "$1/$file")"; cp "$src/$file" "$1/$file"; }
	done < <(patched_files "$root/$2" | grep -vxFf <(added_files "$root/$2"))
	if ! answer=$(patch -p1 -f --fuzz=0 --dry-run -d "$1" <"$root/$2" 2>&1); then
		file=$(awk '/^checking file/ { f = $3 } /FAILED|ignored/ { print f; exit }' <<<"$answer")
		[ -n "$file" ] || die "$2 is no proper diff: $(grep -m1 '\*\*\*\*' <<<"$answer" || tail -n1 <<<"$answer")"
		die "$2 does not apply to $file of Linux $base"
	fi
	patch -s -p1 -f --fuzz=0 --no-backup-if-mismatch -d "$1" <"$root/$2"
}

# See harness/series/compose
edit_by_recipe() { # <directory> <recipe>
	local file answer
	while read -r file; do
		[ -f "$1/$file" ] || { mkdir -p "$(dirname "$1/$file")"; cp "$src/$file" "$1/$file"; }
	done < <(lines "$root/$2" | sed -n 's/^file //p')
	answer=$("$root/harness/series/compose" "$1" "$1" "$base" "$1" "$root/$2" 2>&1) ||
		die "$2 does not fit Linux $base: $answer"
}
