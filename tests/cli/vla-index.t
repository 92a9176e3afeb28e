#!/bin/sh
# vla-index: the battery; building from several streams, checking, describing, and what it refuses.
. tests/lib.sh
. tests/cli/battery.sh
. tests/cli/tiny.sh

tiny_model "$tmp/model" && ppm "$tmp/red.ppm" 250 10 10 && ppm "$tmp/blue.ppm" 0 40 240 && ppm "$tmp/green.ppm" 9 200 30 || exit 1

prepare() {
	cp "$tmp"/*.ppm .
	vla-embed -m "$tmp/model" --compute f32 -o a.vle red.ppm blue.ppm
	vla-embed -m "$tmp/model" --compute f32 -o b.vle green.ppm
	vla-index -o i.vlx a.vle
}

missing='-o x.vlx none.vle'
full='--info i.vlx'
battery vla-index

mkdir "$tmp/work" && cd "$tmp/work" && prepare || exit 1
st 'two streams' 0 vla-index -o two.vlx a.vle b.vle
st 'says what it holds' 0 vla-index --info two.vlx
says 'rows' '^rows.3$'
says 'type' '^type.flat$'
says 'model' '^model.vla_dual:[0-9a-f]\{16\}$'
says 'the tools that made it' '^made by.*vla-index -o two.vlx a.vle b.vle'
st 'describes a stream too' 0 vla-index --info a.vle
says 'as a stream' '^type.stream$'
st 'from standard input' 0 sh -c 'cat a.vle b.vle | vla-index -o cat.vlx'
is 'the same rows' "$(vla-search -k 3 --queries a.vle two.vlx)" vla-search -k 3 --queries a.vle cat.vlx
for t in f32 f16 bf16 i8; do
	st "stored as $t" 0 vla-index --dtype $t -o $t.vlx a.vle b.vle
	st "sound as $t" 0 vla-index --check $t.vlx
	is "$t finds itself" "$(printf 'red.ppm red.ppm\nblue.ppm blue.ppm')" \
		sh -c "vla-search -k 1 --queries a.vle $t.vlx | awk '{ print \$1, \$4 }'"
done
st 'a kind of index that does not exist' 2 vla-index -t hnsw -o x.vlx a.vle
says 'names what exists' "'hnsw'.*flat"
st 'a type that vectors cannot have' 2 vla-index --dtype i64 -o x.vlx a.vle
st 'no output' 2 vla-index a.vle
st 'output to standard output' 2 vla-index -o - a.vle
st 'a folder that does not exist' 2 vla-index -o none/x.vlx a.vle
st 'a text' 2 vla-index -o x.vlx "$top/tests/cli/vla-index.t"
says 'names it' 'vla-index.t'
ok 'nothing was left' [ ! -e x.vlx ]
ok 'nor a temporary file' sh -c '! ls *.tmp.* 2>/dev/null'

tiny_model "$tmp/other" 2 || exit 1
vla-embed -m "$tmp/other" -o o.vle red.ppm || exit 1
st 'streams of two models' 2 vla-index -o x.vlx a.vle o.vle
says 'names both' 'model vla_dual:.* with vla_dual:'
vla-embed -m "$tmp/model" --tokens -o t.vle red.ppm || exit 1
st 'a stream of tokens' 2 vla-index -o x.vlx t.vle
says 'says so' 'tokens'

head -c 200 a.vle >cut.vle
st 'a stream that is cut' 2 vla-index -o x.vlx cut.vle
says 'says so' "cut.vle.*ends"
: >empty.vle
st 'an empty file' 2 vla-index -o x.vlx empty.vle
head -c 2500 two.vlx >cut.vlx
st 'an index that is cut' 2 vla-index --check cut.vlx
says 'says so' "'cut.vlx'"
{ head -c 2200 two.vlx; printf 'X'; tail -c +2202 two.vlx; } >bad.vlx
st 'an index with a wrong byte' 2 vla-index --check two.vlx bad.vlx
says 'names it alone' "'bad.vlx': chunk VECS"
st 'a stream where an index is checked' 2 vla-index --check a.vle
cd "$top" || exit 1
finish
