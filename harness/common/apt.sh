# shellcheck shell=bash
# shellcheck disable=SC2154 # they come from those who source it
# For scripts that take a package from another Debian than that of this machine: an apt of
# our own below out/. Nothing is installed: the lists, settings and packages of this
# machine stay as they are. Sourced after lib.sh.

apt=$out/apt

suite=none	# the one that read_suite has read

private() { # <apt command> <arguments>...
	local command=$1 dir=$apt/$suite
	shift
	"$command" -q -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" "$@"
}

# The mirror that this machine uses
# shellcheck disable=SC2016 # it is apt-get that expands these
mirror() { apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" && !n++ { print $2 }'; }

# Reads the package lists of a suite from that mirror
read_suite() { # <suite> <what is wanted of it>
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg from
	[ -f "$keyring" ] || die "$keyring is not there (Debian package debian-archive-keyring)"
	from=$(mirror)
	[ -n "$from" ] || die "apt-get knows no mirror of Debian (its sources, and apt-get update)"
	suite=$1
	mkdir -p "$out/log" "$apt/$suite/lists/partial" "$apt/$suite/cache/archives/partial"
	echo "deb [signed-by=$keyring] $from $suite main" >"$apt/$suite/sources.list"
	private apt-get update -o APT::Update::Error-Mode=any </dev/null >"$out/log/apt.log" 2>&1 ||
		die "apt-get cannot read Debian's $1, where $2 is, see out/log/apt.log"
}

# Downloads packages to a directory that has nothing else in it
download() { # <directory> <package>...
	local dir=$1
	shift
	say "downloading $* from Debian's $suite"
	mkdir -p "$dir"
	(cd "$dir" && private apt-get download "$@") </dev/null >>"$out/log/apt.log" 2>&1 ||
		{ rm -rf "$dir"; die "apt-get could not download $*, see out/log/apt.log"; }
}
