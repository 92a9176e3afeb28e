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
st 'a kind of index that does not exist' 2 vla-index -t none -o x.vlx a.vle
says 'names what exists' "'none'.*flat"
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
head -c 9000 two.vlx >cut.vlx
st 'an index that is cut' 2 vla-index --check cut.vlx
says 'says so' "'cut.vlx'"
{ head -c 8200 two.vlx; printf 'X'; tail -c +8202 two.vlx; } >bad.vlx
st 'an index with a wrong byte' 2 vla-index --check two.vlx bad.vlx
says 'names it alone' "'bad.vlx': chunk VECS"
st 'a stream where an index is checked' 2 vla-index --check a.vle
st 'a file that is no index to change' 2 vla-index --add a.vle b.vle
st 'no index to change' 2 vla-index --delete none.vlx x

ids() {
	vla-search -k 9 --queries b.vle "$1" | awk '{ print $4 }' | sort | tr '\n' ' '
}
vla-index -o i.vlx a.vle || exit 1
st 'adding' 0 vla-index -v --add i.vlx b.vle
says 'says how many' '1 rows added, 3 in all'
is 'three rows' 'blue.ppm green.ppm red.ppm ' ids i.vlx
is 'the same scores as built at once' "$(vla-search -k 3 --queries a.vle two.vlx)" vla-search -k 3 --queries a.vle i.vlx
st 'sound' 0 vla-index --check i.vlx
st 'adding what is there' 2 vla-index --add i.vlx b.vle
says 'names it' "id 'green.ppm' is in the index already"
st 'replacing it' 0 vla-index --add --replace i.vlx b.vle
is 'still three' 'blue.ppm green.ppm red.ppm ' ids i.vlx
st 'deleting, one unknown' 2 vla-index -v --delete i.vlx red.ppm pink.ppm
says 'names the unknown one' "no record 'pink.ppm'"
says 'says how many' '1 rows deleted, 2 left'
is 'two rows' 'blue.ppm green.ppm ' ids i.vlx
st 'describes it' 0 vla-index --info i.vlx
says 'rows' '^rows.2$'
says 'deleted' '^deleted.2$'
size=$(wc -c <i.vlx)
st 'compacting' 0 vla-index --compact i.vlx
is 'two rows still' 'blue.ppm green.ppm ' ids i.vlx
ok 'smaller' [ "$(wc -c <i.vlx)" -lt "$size" ]
vla-index -o r.vlx a.vle && vla-index --delete r.vlx blue.ppm || exit 1
st 'merging with an id twice' 2 vla-index --merge -o m.vlx two.vlx r.vlx
says 'names it' "'red.ppm' comes twice"
vla-index --delete i.vlx blue.ppm || exit 1
st 'merging' 0 vla-index --merge -o m.vlx i.vlx r.vlx
is 'the rows of both' 'green.ppm red.ppm ' ids m.vlx
st 'a record twice in the streams' 2 vla-index -o x.vlx a.vle a.vle
says 'names it' "'red.ppm' comes twice"
for _ in r b g; do
	st 'deleting all' 0 vla-index --delete two.vlx "$(vla-search -k 1 --queries a.vle two.vlx | awk 'NR == 1 { print $4 }')"
done
st 'nothing is found in an index whose rows are all deleted' 1 vla-search -k 3 --queries a.vle two.vlx
st 'compacted to nothing' 0 vla-index --compact two.vlx
st 'nothing is found in an empty index' 1 vla-search -k 3 --queries a.vle two.vlx
st 'adding to an empty one' 0 vla-index --add two.vlx a.vle
is 'is found' 'blue.ppm red.ppm ' ids two.vlx
st 'cells' 0 vla-index -t ivf --cells 2 -o c.vlx a.vle b.vle
st 'describes them' 0 vla-index --info c.vlx
says 'type' '^type.ivf$'
says 'probes' '^probes.[0-9]*$'
st 'a graph' 0 vla-index -v -t hnsw -o g.vlx a.vle b.vle
says 'says what it measured' 'a breadth of [0-9]* gives recall@10 1.000'
is 'finds all' 'blue.ppm green.ppm red.ppm ' ids g.vlx
st 'sound' 0 vla-index --check g.vlx
st 'cells that are tuned' 0 vla-index -v -t ivf -o c.vlx a.vle b.vle
says 'says what it measured' 'probes give recall@10 1.000'
st 'a recall past 1' 2 vla-index -t ivf --recall 1.5 -o x.vlx a.vle
cd "$top" || exit 1
finish
