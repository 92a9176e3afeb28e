#!/bin/sh
# vla-embed: the battery; files, folders, lists, tar shards, frames, texts; parts and resumption; what cannot be read.
. tests/lib.sh
. tests/cli/battery.sh
. tests/cli/tiny.sh

tiny_model "$tmp/model" && tiny_model "$tmp/other" 2 || exit 1
mkdir "$tmp/pictures"
i=0
for c in '250 10 10' '0 40 240' '9 200 30' '90 90 0' '1 2 3' '255 255 255' '70 0 70'; do
	i=$((i + 1))
	# shellcheck disable=SC2086
	ppm "$tmp/pictures/$i.ppm" $c $((20 + 7 * i))
done

prepare() {
	cp -r "$tmp/model" .
	for i in 1 2 3; do cp "$tmp/pictures/$i.ppm" "$i.ppm"; done
	cp 1.ppm red.png && cp 2.ppm blue.png && cp 3.ppm green.png
}

missing='-m ./model -o x.vle none.ppm'
full='-m ./model 1.ppm'
battery vla-embed

embed() {
	vla-embed -m "$tmp/model" --compute f32 "$@"
}

# ids STREAM: the ids of a stream, in their order.
ids() {
	vla-search -k 1 --queries "$1" "$1" | cut -f 1
}

mkdir "$tmp/work" && cd "$tmp/work" && cp "$tmp"/pictures/*.ppm . || exit 1
st 'files' 0 embed -o all.vle 1.ppm 2.ppm 3.ppm 4.ppm 5.ppm 6.ppm 7.ppm
is 'in the order given' "$(printf '%s.ppm\n' 1 2 3 4 5 6 7)" ids all.vle
st 'another size of batch' 0 embed -b 2 -o batch.vle 1.ppm 2.ppm 3.ppm 4.ppm 5.ppm 6.ppm 7.ppm
st 'one thread' 0 embed -@ 1 -o one.vle 1.ppm 2.ppm 3.ppm 4.ppm 5.ppm 6.ppm 7.ppm
answers() {
	vla-search -k 7 --queries "$1" "$1"
}
is 'gives the same vectors' "$(answers all.vle)" answers batch.vle
is 'as does one thread' "$(answers all.vle)" answers one.vle
st 'below a folder' 0 embed -r -o r.vle "$tmp/pictures"
is 'in the order of names' "$(printf "$tmp/pictures/%s.ppm\n" 1 2 3 4 5 6 7)" ids r.vle
st 'a folder without -r' 2 embed -o x.vle "$tmp/pictures"
printf '2.ppm\n1.ppm\n' >list
st 'a list' 0 embed --files-from list -o l.vle
is 'in its order' "$(printf '%s.ppm\n' 2 1)" ids l.vle
st 'a list with zero bytes' 0 sh -c 'printf "3.ppm\0004.ppm\000" | vla-embed -m ../model -0 --files-from - -o l.vle'
is 'likewise' "$(printf '%s.ppm\n' 3 4)" ids l.vle

printf 'a caption' >1.txt
tar cf s.tar 1.ppm 1.txt 2.ppm && tar cf unnamed 3.ppm
st 'tar shards and files together' 0 embed -o t.vle s.tar 3.ppm
is 'named by member' "$(printf '%s.ppm\n' 1 2 3)" ids t.vle
st 'a shard of another name' 0 embed --tar -o t.vle unnamed
st 'a shard on standard input' 0 sh -c 'vla-embed -m ../model --tar -o t.vle - <s.tar'
is 'gives its pictures' "$(printf '%s.ppm\n' 1 2)" ids t.vle
head -c 3000 s.tar >cut.tar
st 'a shard that is cut' 2 embed -o t.vle cut.tar 3.ppm
says 'is named' "cut.tar.*ends inside a member"
is 'what can be read is there' "$(printf '%s.ppm\n' 1 3)" ids t.vle

st 'frames' 0 sh -c 'cat 1.ppm 2.ppm 3.ppm | vla-embed -m ../model --compute f32 -o f.vle -'
is 'are numbered' "$(printf '%s\n' '-#1' '-#2' '-#3')" ids f.vle
st 'frames with times' 0 sh -c 'cat 1.ppm 2.ppm | vla-embed -m ../model --fps 2 --name a.mp4 -o f.vle'
is 'say when' "$(printf '%s\n' 'a.mp4#t=0,0.5' 'a.mp4#t=0.5,1')" ids f.vle
st 'a damaged frame' 2 sh -c '{ cat 1.ppm; echo junk; cat 2.ppm; } | vla-embed -m ../model -o f.vle -'
is 'ends them' '-#1' ids f.vle
st 'nothing on standard input' 2 embed -o x.vle -

st 'texts' 0 sh -c 'printf "a dog\n\n海滩\n" | vla-embed -m ../model --text -o t.vle'
is 'have themselves as ids' "$(printf '%s\n' 'a dog' '海滩')" ids t.vle
st 'texts with zero bytes' 0 sh -c 'printf "two\nlines\000one\000" | vla-embed -m ../model --text -0 -o t.vle'
is 'may hold newlines' "$(printf '%s\n' 'two\nlines' 'one')" ids t.vle
st 'texts with ids' 0 sh -c 'printf "a\tone\nb\ttwo\n" | vla-embed -m ../model --text --with-ids -o t.vle'
is 'have those' "$(printf '%s\n' a b)" ids t.vle
st 'a line without a tab' 2 sh -c 'printf "a\tone\nb\n" | vla-embed -m ../model --text --with-ids -o t.vle'
says 'is named by its number' 'line 2'
st 'the same vector as searching makes' 0 sh -c 'echo "a dog" | vla-embed -m ../model --compute f32 --dtype f32 --text -o t.vle'
is 'to six digits' 1.000000 sh -c 'vla-search -m ../model --compute f32 t.vle "a dog" | cut -f 3'

st 'pooled features' 0 embed --pooled -o p.vle 1.ppm
is 'of their own width' 40 sh -c 'vla-index --info p.vle | sed -n "s/^dim.//p"'
st 'are of another space' 2 vla-search -m ../model p.vle "a dog"
says 'which both fingerprints say' '/pooled'
st 'parts of a picture' 0 embed --tiles 2 -o parts.vle 1.ppm 7.ppm
is 'named by where they lie' "$(printf '%s\n' 1.ppm 1.ppm#xywh=0,0,14,14 1.ppm#xywh=13,0,14,14 \
	1.ppm#xywh=0,13,14,14 1.ppm#xywh=13,13,14,14 7.ppm 7.ppm#xywh=0,0,35,35 7.ppm#xywh=34,0,35,35 \
	7.ppm#xywh=0,34,35,35 7.ppm#xywh=34,34,35,35)" ids parts.vle
st 'one part' 2 embed --tiles 1 -o x.vle 1.ppm
st 'no dense maps' 2 embed --dense -o x.vle 1.ppm
st 'no long texts' 2 embed --text --text-mode long -o x.vle list
st 'no such texts' 2 embed --text --text-mode deep -o x.vle list
cat >clip.json <<'X'
{"model_type": "clip", "projection_dim": 12, "text_config": {"hidden_size": 16, "intermediate_size": 32,
 "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 300}, "vision_config": {"hidden_size": 24,
 "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 16, "patch_size": 4}}
X
st 'a small CLIP' 0 vla-model new -o clip clip.json
st 'its dense maps' 0 vla-embed -m ./clip --dense -o dense.vle 1.ppm
is 'are grids' 4x4 sh -c 'vla-view --to jsonl dense.vle | sed "s/.*\"grid\": *\[\([0-9]*\), *\([0-9]*\)\].*/\1x\2/"'
st 'another size' 0 vla-embed -m ./clip --dense --image-size 24 -o dense.vle 1.ppm
is 'another grid' 6x6 sh -c 'vla-view --to jsonl dense.vle | sed "s/.*\"grid\": *\[\([0-9]*\), *\([0-9]*\)\].*/\1x\2/"'
st 'smaller than a patch' 2 vla-embed -m ./clip --image-size 3 -o x.vle 1.ppm
st 'tokens' 0 embed --tokens -o k.vle 1.ppm
for t in f32 bf16 i8; do
	st "stored as $t" 0 embed --dtype $t -o d.vle 1.ppm 2.ppm
	is "$t: what it says" $t sh -c 'vla-index --info d.vle | sed -n "s/^dtype.//p"'
done

for i in 1 2 3; do
	embed --shard $i/3 -o part$i.vle 1.ppm 2.ppm 3.ppm 4.ppm 5.ppm 6.ppm 7.ppm || exit 1
done
is 'a part' "$(printf '%s.ppm\n' 2 5)" ids part2.vle
cat part1.vle part2.vle part3.vle >joined.vle
is 'the parts are the whole' "$(vla-search -k 1 --queries all.vle all.vle | sort)" \
	sh -c 'vla-search -k 1 --queries joined.vle joined.vle | sort'
st 'no such part' 2 embed --shard 4/3 -o x.vle 1.ppm
embed -o old.vle 1.ppm 3.ppm 6.ppm || exit 1
st 'resuming' 0 embed -v --skip-existing old.vle -o new.vle 1.ppm 2.ppm 3.ppm 4.ppm
is 'writes what is missing' "$(printf '%s.ppm\n' 2 4)" ids new.vle
is 'joins to the rest' "$(printf '%s.ppm\n' 1 3 6 2 4)" sh -c 'cat old.vle new.vle >both.vle && vla-search -k 1 --queries both.vle both.vle | cut -f 1'

: >empty.jpg
echo 'no picture' >text.png
head -c 500 1.ppm >cut.ppm
st 'bad pictures among good ones' 2 embed -o b.vle 1.ppm empty.jpg text.png none.ppm cut.ppm 2.ppm
for n in empty.jpg text.png none.ppm cut.ppm; do says "$n is named" "'$n'"; done
is 'the good ones are done' "$(printf '%s.ppm\n' 1 2)" ids b.vle
st 'or the first ends it' 2 embed --fail-fast -o ff.vle 1.ppm text.png 2.ppm
ok 'and nothing is left' [ ! -e ff.vle ]
ok 'nor a temporary file' sh -c '! ls ./*.tmp.* 2>/dev/null'
st 'a cut picture may be taken' 0 embed --allow-truncated -o c.vle cut.ppm
st 'no picture at all is an empty stream' 2 embed -o e.vle none.ppm
is 'that holds nothing' 0 sh -c 'vla-index --info e.vle | sed -n "s/^rows.//p"'
sed '/"text"/d; s/}]},$/}]}}/' ../model.json >n.json
vla-model new -o n n.json || exit 1
st 'a model without a text tower' 2 sh -c 'echo a | vla-embed -m ./n --text -o x.vle'
says 'says so' 'no text tower'
st 'a full disk' 2 sh -c 'vla-embed -m ../model 1.ppm >/dev/full'
st 'a closed pipe' 0 sh -c 'vla-embed -m ../model 1.ppm 2.ppm | head -c 1 >/dev/null'
st 'options that exclude each other' 2 embed --text --tokens -o x.vle list
st 'a number type that streams do not have' 2 embed --dtype u8 -o x.vle 1.ppm
cd "$top" || exit 1
finish
