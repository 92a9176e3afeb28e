#!/bin/sh
# Makes the corpus of the stream target: writes tests/fuzz/corpus/stream/*.vle, or into the folder $1.
# Needs the built tools in $PATH.
set -e
out=${1:-tests/fuzz/corpus/stream}
mkdir -p "$out"

# One stream of each kind and number type, with every field.
tab=$(printf '\t')
text="id${tab}caption${tab}label${tab}box${tab}time${tab}grid${tab}vector"
for dtype in f32 f16 bf16 i8; do
	printf '%s\n' "$text" "a${tab}two dogs${tab}dog${tab}1 2 3 4${tab}0 1.5${tab}${tab}0.5 -1 0.25" "b$tab$tab$tab$tab$tab${tab}1 0 0" |
		vla-view --from tsv --dtype $dtype --to vle >"$out/dense-$dtype.vle"
	printf '%s\n' "$text" "a${tab}${tab}${tab}${tab}${tab}1 2${tab}1 2;3 4;" "b$tab$tab$tab$tab$tab$tab" |
		vla-view --from tsv --dtype $dtype --to vle >"$out/tokens-$dtype.vle"
	printf '%s\n' "$text" "a$tab$tab$tab$tab$tab${tab}1:0.5 9:2" "b$tab$tab$tab$tab$tab$tab" |
		vla-view --from tsv --dim 10 --dtype $dtype --to vle >"$out/sparse-$dtype.vle"
done
cat "$out/dense-f16.vle" "$out/dense-f16.vle" >"$out/two-segments.vle"
