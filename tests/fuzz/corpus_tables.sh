#!/bin/sh
# Makes the corpora of the table, array and tar targets: writes tests/fuzz/corpus/{table,array,tar}, or the same folders
# under $1. Needs the built tools in $PATH, and a tar that knows the formats named below.
set -e
out=${1:-tests/fuzz/corpus}
mkdir -p "$out/table" "$out/array" "$out/tar"

# Tables as they are trained from, and records of each kind in both forms.
printf 'image\tcaption\r\na.jpg\tone\\ttab \\q \\\\n\r\n\nb.jpg\nc.jpg\t\n' >"$out/table/captions.tsv"
printf '\357\273\277image\tname\na.png\tdog\n' >"$out/table/mark.tsv"
printf '%s\n' '{"image": "a.jpg", "n": 3, "x": 0.5, "b": true, "none": null, "box": [1, 2]}' '{"image": "\u96ea\n"}' '[1]' \
	'{"a":1,"a":2}' '{}' >"$out/table/captions.jsonl"
printf 'id\tcaption\tlabel\tbox\ttime\tgrid\tvector\na\ttwo dogs\tdog\t1 2 3 4\t0 1.5\t\t0.5 -1e3 0.25\nb\t\t\t\t\t\t1 0 0\n' \
	>"$out/table/dense.tsv"
printf 'id\tgrid\tvector\na\t1 2\t1 2;3 4;\nb\t\t\n' >"$out/table/tokens.tsv"
printf 'id\tvector\na\t1:0.5 9:2\nb\t\n' >"$out/table/sparse.tsv"
vla-view --from tsv --to jsonl "$out/table/dense.tsv" >"$out/table/dense.jsonl"
vla-view --from tsv --to jsonl "$out/table/tokens.tsv" >"$out/table/tokens.jsonl"
vla-view --from tsv --dim 10 --to jsonl "$out/table/sparse.tsv" >"$out/table/sparse.jsonl"

# Arrays of two and three dimensions and each element type that is written; version 2 of the header by hand.
vla-view --from tsv --to npy "$out/table/dense.tsv" >"$out/array/f4.npy"
printf 'id\tvector\na\t1 2;3 4;\nb\t0 0;5 6;\n' | vla-view --from tsv --dtype f16 --to vle |
	vla-view --from vle --to npy >"$out/array/f2-tokens.npy"
{
	printf '\223NUMPY\002\000\112\000\000\000'
	printf "%-73s\n" "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }"
	printf '\000\000\000\000\000\000\360\077\000\000\000\000\000\000\000\300'
} >"$out/array/f8-version-2.npy"
vla-view --from tsv --to fbin "$out/table/dense.tsv" >"$out/array/f4.fbin"

# Archives in each format, with a name that needs an extended header, a folder and a link.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
long=$(printf '%060d' 7)
mkdir "$tmp/$long"
printf 'one' >"$tmp/a.txt"
printf 'three bytes more' >"$tmp/$long/$long"
ln -s a.txt "$tmp/link"
for format in ustar pax gnu v7; do
	names="a.txt $long link"
	[ $format = v7 ] && names='a.txt link'
	# shellcheck disable=SC2086 # a list of names
	tar -C "$tmp" --format=$format --owner=0 --group=0 --mtime=@0 -cf "$out/tar/$format.tar" -b 1 $names
done
