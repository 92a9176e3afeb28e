#!/bin/sh
# Training speed of the default model's image tower beside PyTorch: the two in turn, five times, pictures a second each, and the ratio of the
# medians. PyTorch counts with the memory format that serves it better.
set -eu
: "${B:=build}"
here=$(dirname "$0")
python=${VLA_PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import torch' 2>/dev/null; then
	echo "SKIP train_conv: no python3-torch"
	exit 0
fi
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
for _ in 1 2 3 4 5; do
	"$B/bench/bench_train_conv" "$@" | awk -F '\t' 'p { print "vla\t" $6; p = 0 } $1 == "layout" { p = 1 }' >>"$tmp"
	"$python" "$here/torch_conv.py" "$@" | awk -F '\t' 'NR > 1 && $3 > b { b = $3 } END { print "torch\t" b }' >>"$tmp"
done
sort -t '	' -k1,1 -k2,2n "$tmp" | awk -F '\t' '
	{ v[$1, ++n[$1]] = $2 }
	END {
		a = v["vla", 3]; b = v["torch", 3]
		print "bench\tvla_pictures_s\ttorch_pictures_s\tratio"
		printf "train_conv\t%.1f\t%.1f\t%.2f\n", a, b, a / b
	}'
