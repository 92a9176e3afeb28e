#!/bin/sh
# Replays the fuzz targets over their corpora: seeds that tests/fuzz/seeds.sh writes, and tests/fuzz/corpus/NAME where there is one.
. tests/lib.sh
ok 'seeds are written' sh tests/fuzz/seeds.sh "$tmp/seeds"
for target in "$B"/fuzz/fuzz_*; do
	case $target in *'*' | *.*) continue ;; esac
	name=${target##*/fuzz_}
	set --
	for d in "$tmp/seeds/$name" "tests/fuzz/corpus/$name"; do
		[ -d "$d" ] && set -- "$@" "$d"
	done
	st "$name: $# folders" 0 "$target" "$@"
done
finish
