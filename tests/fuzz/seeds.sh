#!/bin/sh
# Writes small inputs for the fuzz targets into the folder $1, a folder for each target: seeds for a fuzzer, and what
# tests/checks/fuzz.t replays. Needs the built tools in $PATH.
set -e
out=$1
mkdir -p "$out/stream"

# One stream of each kind and number type, with every field.
tab=$(printf '\t')
text="id${tab}caption${tab}label${tab}box${tab}time${tab}grid${tab}vector"
for dtype in f32 f16 bf16 i8; do
	printf '%s\n' "$text" "a${tab}two dogs${tab}dog${tab}1 2 3 4${tab}0 1.5${tab}${tab}0.5 -1 0.25" "b$tab$tab$tab$tab$tab${tab}1 0 0" |
		vla-view --from tsv --dtype $dtype --to vle >"$out/stream/dense-$dtype"
	printf '%s\n' "$text" "a${tab}${tab}${tab}${tab}${tab}1 2${tab}1 2;3 4;" "b$tab$tab$tab$tab$tab$tab" |
		vla-view --from tsv --dtype $dtype --to vle >"$out/stream/tokens-$dtype"
	printf '%s\n' "$text" "a$tab$tab$tab$tab$tab${tab}1:0.5 9:2" "b$tab$tab$tab$tab$tab$tab" |
		vla-view --from tsv --dim 10 --dtype $dtype --to vle >"$out/stream/sparse-$dtype"
done
cat "$out/stream/dense-f16" "$out/stream/dense-f16" >"$out/stream/two-segments"
