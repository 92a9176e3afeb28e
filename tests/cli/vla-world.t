#!/bin/sh
# vla-world: the battery; equal output for any number of threads, resuming, archives, exports, and what it refuses.
. tests/lib.sh
. tests/cli/battery.sh
. tests/cli/tiny.sh

mkdir "$tmp/models" && tiny_model "$tmp/models/vla-mini" || exit 1
VLA_PATH=$tmp/models
export VLA_PATH

missing='-o none/toys -n 3'
full='-n 3 -o -'
battery vla-world

cd "$tmp" || exit 1
st 'a folder' 0 vla-world -n 30 -@ 2 --with masks,depth,contrast,coco,refcoco,llava -o a
is 'a row for each' 30 sh -c 'wc -l <a/manifest.jsonl'
is 'a picture for each' '30 30 30 30' sh -c 'for d in images masks depth contrast; do find a/$d -name "*.png" | wc -l; done | xargs'
is 'splits' '24 train 3 val 3 test' sh -c 'for s in train val test; do grep -c "\"split\":\"$s\"" a/manifest.jsonl; echo $s; done | xargs'
ok 'nothing unfinished' [ ! -e a.part ]
st 'with one thread' 0 vla-world -n 30 -@ 1 --with masks,depth,contrast,coco,refcoco,llava -o b
st 'the same' 0 diff -r a b
st 'again' 2 vla-world -n 30 -o a
says 'never overwrites' "'a' exists"
st 'another seed' 0 vla-world -n 30 --seed 3 --with masks,depth,contrast,coco,refcoco,llava -o c
st 'is another set' 1 cmp a/manifest.jsonl c/manifest.jsonl
for f in coco refs llava; do
	st "$f.json is JSON" 0 python3 -c 'import json,sys; json.load(open(sys.argv[1]))' a/$f.json
done

# Interrupted: the state says that 1,024 of the items are sound, the rest of the manifest is made anew.
vla-world -n 1100 -s 16 -l 1 -o whole || exit 1
cp -r whole part.part && head -n 1024 whole/manifest.jsonl >part.part/manifest.jsonl && echo '{"cut":' >>part.part/manifest.jsonl
st 'a damaged state' 2 sh -c 'echo nothing >part.part/state; vla-world -n 1100 -s 16 -l 1 -o part'
says 'says so' 'damaged'
mkdir dead.part && (cd dead.part && echo "0000000000000000 1024 5" >state)
st 'begun with other options' 2 vla-world -n 1100 -s 16 -l 1 -o dead
says 'says so' 'other options'
rm -r part.part
blocks=$(($(head -n 1060 whole/manifest.jsonl | wc -c) / 512))
(ulimit -f $blocks; vla-world -@ 1 -n 1100 -s 16 -l 1 -o part) >/dev/null 2>&1
ok 'stopped on the way' grep -q ' 1024 ' part.part/state
st 'goes on' 0 vla-world -n 1100 -s 16 -l 1 -o part
st 'to the same end' 0 diff -r whole part

st 'an archive' 0 vla-world -n 12 -l 1 -o t.tar
st 'with twice as many members' 0 sh -c '[ $(tar -tf t.tar | wc -l) -eq 24 ]'
st 'on standard output' 0 sh -c 'vla-world -n 12 -l 1 -o - >u.tar'
same 'the same' t.tar u.tar
st 'vla-embed reads it' 0 vla-embed -o t.vle t.tar
is 'all of it' 12 vla-view --count t.vle
st 'exports into archives' 2 vla-world -n 3 --with coco -o x.tar
for k in video document chart geometry sound reach; do
	st "kind $k" 0 vla-world -k $k -n 6 -o k-$k
	is "$k: rows" 6 grep -c "\"kind\":\"$k\"" k-$k/manifest.jsonl
done
st 'frames in one file' 0 vla-world -k video -n 2 --frames 5 --with ppm -o film
is 'are read as pictures' 5 sh -c 'vla-embed -o - - <film/videos/000/000000000.ppm | vla-view --count -'
st 'an extra that the kind has not' 2 vla-world -k chart --with depth -o x
st 'tables for vla-probe' 0 vla-world -n 40 --with contrast,probes -o p
st 'choice' 0 vla-probe choice p/choices.jsonl
st 'contrast' 0 vla-probe contrast p/pairs.jsonl
st 'retrieval' 0 vla-probe retrieval p/manifest.jsonl
st 'snare' 0 vla-probe snare p/manifest.jsonl
says 'relations' 'relation'
st 'the recipe of the micro backbone fits the rows' 0 vla-train --dry-run "$top/lib/share/recipes/micro-clip.recipe" data.root=p eval.root=p
st 'no output' 2 vla-world -n 3
st 'an operand' 2 vla-world -o x y
st 'an unknown extra' 2 vla-world --with mask -o x
says 'proposes the nearest' "'masks'"
st 'a level that does not exist' 2 vla-world -l 6 -o x
st 'a bad range' 2 vla-world --objects 5-2 -o x
st 'too many objects' 2 vla-world --objects 13 -o x
st 'bad splits' 2 vla-world --splits 1:2 -o x
st 'a bad bias' 2 vla-world --bias colour=1 -o x
ok 'nothing was left' [ ! -e x ] && [ ! -e x.part ]
st 'invented classes' 0 vla-world -n 20 --invent 5 -o inv
is 'are described' 5 sh -c 'grep -c description_zh inv/classes.jsonl'
st 'and named' 0 sh -c 'n=$(head -n 1 inv/classes.jsonl | sed "s/.*\"name\":\"\([a-z]*\)\".*/\1/"); grep -q "\"class\":" inv/manifest.jsonl && [ -n "$n" ]'
cd "$top" || exit 1
finish
