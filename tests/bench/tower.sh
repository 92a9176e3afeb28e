#!/bin/sh
# Towers beside PyTorch f32, the two in turn, three times: medians of milliseconds a picture or a text, and the ratio.
# usage: tower.sh [batch] [threads] [tower ...]
set -eu
: "${B:=build}"
here=$(dirname "$0")
python=${VLA_PYTHON:-/usr/bin/python3}
batch=${1:-8}
threads=${2:-1}
[ $# -lt 2 ] || shift 2
[ $# -gt 0 ] || set -- b32 b16 l14 b32-text l14-text
if ! "$python" -c 'import torch' 2>/dev/null; then
	echo "SKIP tower: no python3-torch"
	exit 0
fi
grep -qw avx512_bf16 /proc/cpuinfo || echo 'SKIP tower in bf16 and int8: the processor has neither AVX-512 BF16 nor AMX'
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
echo 'tower	batch	threads	vla_ms	torch_ms	ratio'
for name; do
	: >"$tmp"
	for _ in 1 2 3; do
		"$B/bench/bench_tower" "$name" "$batch" "$threads" 1 | sed -n 's/^[^t].*\t/vla\t/p' >>"$tmp"
		"$python" "$here/torch_tower.py" "$name" "$batch" "$threads" 1 | sed -n 's/^[^t].*\t/torch\t/p' >>"$tmp"
	done
	sort -t '	' -k1,1 -k2,2n "$tmp" | awk -F '\t' -v name="$name" -v batch="$batch" -v threads="$threads" '
		{ v[$1, ++n[$1]] = $2 }
		END {
			a = v["vla", 2]; b = v["torch", 2]
			printf "%s\t%d\t%d\t%.2f\t%.2f\t%.2f\n", name, batch, threads, a, b, b / a
		}'
done
