#!/bin/sh
# Operators and optimisers against PyTorch.
B=${B:-build}
python=${VLA_PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import numpy, torch' 2>/dev/null; then
	echo "1..0 # SKIP $python has no torch and numpy"
	exit 0
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
"$B/reference/ref_ops" "$tmp/ops.safetensors" || {
	echo "1..1"
	echo "not ok 1 - ref_ops writes its cases"
	exit 1
}
OMP_NUM_THREADS=1 "$python" tests/reference/ops_torch.py "$tmp/ops.safetensors"
