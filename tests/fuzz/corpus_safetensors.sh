#!/bin/sh
# Makes the corpus of the safetensors target: a small model in each form of storage, written to
# tests/fuzz/corpus/safetensors/*.safetensors, or into the folder $1. Needs the built tools in $PATH.
set -e
out=${1:-tests/fuzz/corpus/safetensors}
mkdir -p "$out"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo '{"model_type": "vla_dual", "dim": 3, "image": {"tower": "convnet", "size": 8, "stem": {"channels": 2}, "hidden": 4,
 "stages": [{"channels": 2}], "projection_bias": false}}' >"$dir/config"
for dtype in f32 f16 i8; do
	vla-model new --dtype $dtype -o "$dir/model" "$dir/config"
	cp "$dir/model/model.safetensors" "$out/$dtype.safetensors"
done
