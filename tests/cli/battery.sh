# What every tool must do; sourced after tests/lib.sh.
# shellcheck disable=SC2154 # $tmp and $top come from tests/lib.sh
#
#	missing='--count none.vle'        # arguments that name a missing file; default: none.vle
#	full='--to tsv a.vle'             # arguments that print something, run in $tmp/full; default: --help
#	prepare() { cp ... .; }           # makes the files that $full and the examples need, in the current folder
#	battery vla-view
#
# Of the man page's EXAMPLES, each line in a `.Bd -literal` display that starts with "$ " is run, in one folder, and
# must end with status 0; a line that ends in a backslash goes on in the next.

prepare() {
	:
}

# The long options that --help lists, without the dashes.
long_options() {
	"$1" --help | sed -n 's/^  \(-.,\|   \) --\([a-z0-9-]*\).*/\2/p'
}

examples() {
	awk '
		/^\.Sh/ { on = ($2 == "EXAMPLES") }
		/^\.Bd -literal/ { lit = 1; next }
		/^\.Ed/ { lit = 0; more = 0 }
		on && lit && (more || /^\$ /) {
			sub(/^\$ /, "")
			gsub(/\\e/, "\\"); gsub(/\\&/, ""); gsub(/\\-/, "-"); gsub(/\\\(aq/, "\047")
			more = /\\$/
			print
		}' "$1"
}

names_option() {
	grep -q "Fl \(Fl \|\\\{0,1\}-\)$2\( \|$\)" "$1"
}

in_folder() (
	mkdir -p "$tmp/$1" && cd "$tmp/$1" && prepare && shift && "$@"
)

run_examples() {
	examples "$top/man/$1.1" >"$tmp/examples.sh"
	[ -s "$tmp/examples.sh" ] && in_folder examples sh -e "$tmp/examples.sh"
}

battery() {
	tool=$1
	st "$tool --help" 0 "$tool" --help
	says "$tool: help shows the usage" "^Usage: $tool "
	st "$tool -h" 0 "$tool" -h
	st "$tool --version" 0 "$tool" --version
	says "$tool: version is a number" "^$tool [0-9]*\.[0-9]*\.[0-9]*$"
	st "$tool: unknown option" 2 "$tool" --no-such-option
	says "$tool: names the unknown option" "no-such-option"
	st "$tool: nearest option" 2 "$tool" --hepl
	says "$tool: proposes the nearest option" "did you mean '--help'"
	# shellcheck disable=SC2086 # lists of arguments
	st "$tool: missing file" 2 in_folder missing "$tool" ${missing:-none.vle}
	# shellcheck disable=SC2016,SC2086
	st "$tool: full disk" 2 in_folder full sh -c '"$@" >/dev/full' - "$tool" ${full:---help}
	says "$tool: names the full disk" "No space left"
	if [ ! -f "man/$tool.1" ]; then
		ok "$tool has a man page" false
		return
	fi
	for o in $(long_options "$tool"); do
		ok "$tool(1) names --$o" names_option "man/$tool.1" "$o"
	done
	st "$tool(1): examples" 0 run_examples "$tool"
}
