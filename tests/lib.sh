# TAP helpers for tests/cli/*.t, POSIX sh. A test runs from the top of the tree; $B is the build folder.
#
#	. tests/lib.sh
#	st 'missing file' 2 vla-view --count none.vle      # checks the exit status
#	is 'count' 3 vla-view --count "$tmp/a.vle"         # status 0 and exactly this output
#	says 'names the file' 'none.vle'                   # basic regular expression in the last output or messages
#	finish
#
# The last command's output is in $tmp/out, its messages in $tmp/err.

LC_ALL=C
B=${B:-build}
case $B in /*) ;; *) B=$PWD/$B ;; esac
top=$PWD
# shellcheck disable=SC2034 # for the tests
shared=${VLA_SHARED:-$top/../shared}
PATH=$B/bin:/usr/bin:/bin
export LC_ALL PATH B
# Streams are synced to the disk when they are finished: hundreds of small ones are written in memory.
[ -n "$TMPDIR" ] || { [ -w /dev/shm ] && TMPDIR=/dev/shm && export TMPDIR; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
count=0 failed=0

# ok NAME COMMAND...: passes when the command does.
ok() {
	count=$((count + 1)) name=$1
	shift
	if "$@"; then
		echo "ok $count - $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $name"
		return 1
	fi
}

not() {
	! "$@"
}

skip() {
	count=$((count + 1))
	echo "ok $count # SKIP $1"
}

run() {
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
}

st() {
	what=$1 want=$2
	shift 2
	run "$@"
	ok "$what" [ "$status" -eq "$want" ] || { echo "# status $status, not $want: $*"; sed 's/^/# /' "$tmp/err"; }
}

is() {
	what=$1 want=$2
	shift 2
	run "$@"
	got=$(cat "$tmp/out")
	ok "$what" [ "$status.$got" = "0.$want" ] || {
		echo "# status $status: $*"
		printf '%s\n' "wanted: $want" "got: $got" | sed 's/^/# /'
		sed 's/^/# /' "$tmp/err"
	}
}

says() {
	ok "$1" grep -q -e "$2" "$tmp/out" "$tmp/err" || { echo "# no '$2' in:"; cat "$tmp/out" "$tmp/err" | sed 's/^/# /'; }
}

# same NAME FILE FILE
same() {
	ok "$1" cmp "$2" "$3"
}

finish() {
	echo "1..$count"
	[ "$failed" -eq 0 ] || echo "# $failed of $count failed"
	[ "$failed" -eq 0 ]
	exit
}
