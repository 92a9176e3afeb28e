#!/bin/sh
# vla-probe: the battery; spaces and classes on a tiny model; conditions, columns, joins, streams; what bad rows do.
. tests/lib.sh
. tests/cli/battery.sh
. tests/cli/tiny.sh

tiny_model "$tmp/model" || exit 1
ppm "$tmp/red.ppm" 250 10 10 && ppm "$tmp/blue.ppm" 0 40 240 50 && ppm "$tmp/green.ppm" 9 200 30 30 && ppm "$tmp/grey.ppm" 90 90 90 || exit 1

prepare() {
	cp -r "$tmp/model" "$tmp"/*.ppm .
	printf 'file\tcaption\tcolour\n' >captions.tsv
	printf 'red.ppm\ta red wall\tred\nred.ppm\tsomething red\tred\nblue.ppm\ta blue wall\tblue\n' >>captions.tsv
	printf 'green.ppm\ta green wall\tgreen\ngreen.ppm\tleaves\tgreen\n' >>captions.tsv
}

missing='retrieval none.tsv'
full='gap -m ./model captions.tsv'
battery vla-probe

mkdir "$tmp/work" && cd "$tmp/work" && prepare || exit 1
probe() {
	vla-probe "$@" -m ./model --compute f32
}
row() { # row GROUP MEASURE: prints the value
	awk -F '\t' -v g="$1" -v m="$2" '$1 == g && $2 == m { print $3 }' "$tmp/out"
}

st 'retrieval' 0 probe retrieval captions.tsv
says 'header' '^group.measure.value.low.high.n$'
ok 'five texts' [ "$(awk -F '\t' '$1 == "text to image" && $2 == "R@1" { print $6 }' "$tmp/out")" = 5 ]
ok 'all are among the first five' [ "$(row 'text to image' R@5)" = 1 ]
cp "$tmp/out" first
is 'again, with one thread' "$(cat first)" probe retrieval -@ 1 captions.tsv
st 'as JSON' 0 probe retrieval --format jsonl captions.tsv
ok 'eight or more objects' [ "$(grep -c '^{"group": "[a-z ]*", "measure": ' "$tmp/out")" -ge 8 ]
st 'to a file' 0 probe retrieval -o out.tsv --items items.tsv captions.tsv
same 'the same rows' out.tsv first
ok 'an item for each text and picture' [ "$(wc -l <items.tsv)" -eq 9 ]
vla-embed -m ./model --compute f32 --dtype f32 -o p.vle red.ppm blue.ppm green.ppm
cut -f 2 captions.tsv | tail -n +2 >t.txt
vla-embed -m ./model --compute f32 --dtype f32 --text -o t.vle t.txt
is 'from streams' "$(cat first)" vla-probe retrieval --images p.vle --texts t.vle captions.tsv
st 'streams alone that do not match' 2 vla-probe retrieval --images p.vle --texts t.vle
says 'says how many' '0 of 5 texts'
st 'a stream with itself' 0 vla-probe retrieval --images p.vle --texts p.vle
ok 'finds itself' [ "$(row 'text to image' R@1)" = 1 ]

st 'a condition' 0 probe retrieval -w 'colour=red|blue' captions.tsv
ok 'takes rows' [ "$(awk -F '\t' '$2 == "R@1" { print $6 }' "$tmp/out" | head -n 1)" = 3 ]
cut -f 1,2 captions.tsv >two.tsv && cut -f 1,3 captions.tsv >splits.tsv
is 'a joined table' "$(cat "$tmp/out")" probe retrieval -j splits.tsv -w 'colour!=green' two.tsv
st 'a condition on no column' 2 probe retrieval -w shape=round captions.tsv
says 'names it' "no column 'shape'"
st 'a table without captions' 2 probe retrieval splits.tsv
says 'says how to name one' 'column caption=NAME'

for t in gap hubness uniformity; do st "$t" 0 probe $t captions.tsv; done
st 'zero-shot' 0 probe zeroshot -c label=colour captions.tsv
ok 'a row for each class' [ "$(grep -c '^\(red\|blue\|green\).top-1' "$tmp/out")" -eq 3 ]
printf 'class\tname\nred\tred things\nblue\tblue things\ngreen\tgreen things\ngrey\tgrey things\n' >classes.tsv
st 'named classes' 0 probe zeroshot -c label=colour -s classes=classes.tsv captions.tsv
printf '{"all": ["red", "blue", "green", "grey"], "words": ["{c} thing", "a {c} one"]}' >names.json
st 'names and prompts as JSON' 0 probe zeroshot -c label=colour -s classes=names.json:all -s prompts=names.json:words captions.tsv
st 'a class without a name' 2 probe zeroshot -c label=colour -s classes=t.txt captions.tsv
says 'names it' "no name of class 'red'"
st 'calibration' 0 probe calibration -c label=colour captions.tsv
ok 'softmax and sigmoid' [ "$(grep -c '^\(softmax\|sigmoid\|fitted\).ECE' "$tmp/out")" -eq 3 ]
printf 'score\tlabel\n0.9\t1\n0.9\t1\n0.9\t0\n0.1\t0\n2\t1\n' >scores.tsv
st 'probabilities of others' 2 vla-probe calibration -s from=scores scores.tsv
says 'the bad one is named' 'line 6'
ok 'ECE by hand: (|2.7 - 2| + 0.1) / 4' [ "$(row scores ECE)" = 0.2 ]
for t in linear knn; do st "$t" 0 probe $t -c label=colour -s folds=2 captions.tsv; done
st 'ridge' 0 probe linear -c label=colour -s fit=ridge -s folds=2 captions.tsv
st 'training rows and test rows' 0 probe knn -c label=colour -s k=1 -s 'train=colour!=grey' -s 'test=colour=red' captions.tsv
ok 'what was seen is known' [ "$(row all accuracy)" = 1 ]

# Items with scores of their own: the tally by hand.
printf '%s\n' '{"id": "a", "group": "g", "image": "red.ppm", "options": ["x", "y"], "gold": [0], "scores": [2, 1]}' \
	'{"id": "b", "group": "g", "image": "red.ppm", "options": ["x", "y"], "gold": [0], "scores": [1, 1]}' \
	'{"id": "c", "group": "h", "image": "red.ppm", "options": ["x", "y", "z"], "gold": [1, 2], "scores": [1, 2, 3]}' \
	'{"id": "d", "group": "h", "image": "red.ppm", "options": ["x", "y"], "gold": [5], "scores": [1, 2]}' \
	'{"id": "e", "group": "h", "image": "red.ppm", "options": ["x", "y"], "gold": [1], "scores": [1]}' >items.jsonl
st 'items with scores' 2 vla-probe choice items.jsonl
ok 'a tie is half' [ "$(row g accuracy)" = 0.75 ]
ok 'any right option is right' [ "$(row h accuracy)" = 1 ]
says 'gold that is no option' 'line 4: gold 5 is no option'
says 'scores that are missing' 'line 5: scores'
printf 'file\tcaption\tnegative_caption\tgroup\nred.ppm\ta b\tb a\torder\nblue.ppm\tone two\ttwo one\torder\n' >order.tsv
st 'a bag of words' 0 probe choice order.tsv
ok 'does not see order' [ "$(row order accuracy)" = 0.5 ]
printf 'the red ball\nthe red box\nthe blue ball\n' >text.txt
printf 'pos\tneg\tgroup\nthe red ball\tred ball the\tlm\nthe blue box\tblue the box\tlm\n' >lm.tsv
st 'a language model of words' 0 vla-probe choice -s blind=text.txt lm.tsv
ok 'sees order and no picture' [ "$(row lm accuracy)" = 1 ]

printf '{"image_0": "red.ppm", "image_1": "blue.ppm", "caption_0": "a red wall", "caption_1": "a blue wall"}\n{"image_0": "red.ppm"}\n' >pairs.jsonl
st 'pairs of pictures and texts' 2 probe contrast pairs.jsonl
says 'the incomplete one' 'line 2: image_0'
ok 'one is measured' [ "$(awk -F '\t' '$2 == "both" { print $6 }' "$tmp/out")" = 1 ]

printf '%s\n' '{"image": "red.ppm", "caption": "a small dog chases the big red ball", "tags": "DT JJ NN VBZ DT JJ JJ NN", "pairs": [{"object": ["ball", "box"], "attribute": ["red", "blue"]}], "relations": [{"subject": "person", "relation": "on", "object": "front"}]}' >facts.jsonl
st 'items of facts' 0 vla-probe snare -s emit=made.jsonl facts.jsonl
ok 'five of them' [ "$(wc -l <made.jsonl)" -eq 5 ]
ok 'negation' grep -q '"the ball is red and the box is blue", "the ball is not red and the box is not blue"' made.jsonl
ok 'ownership' grep -q '"the red ball and the blue box", "the blue ball and the red box", "the ball and the box are red and blue respectively"' made.jsonl
ok 'relation' grep -q '"the person is on the front", "the front is on the person", "the person and the front"' made.jsonl
ok 'places' grep -q '"the person is to the left of the front", "the person is to the right of the front", "the person is on the front", "the person is below the front"\], "gold": \[2\]' made.jsonl
ok 'content is shuffled within its kind' grep -Eq '"a (big|small|red) (dog|ball) chases the (big|small|red) (big|small|red) (dog|ball)"' made.jsonl
st 'as released' 0 vla-probe snare -s emit=raw.jsonl -s mode=as-released facts.jsonl
ok 'replaces parts of words' grep -q '"the pers.* is .* the fr.*t"' raw.jsonl
ok 'and garbles them' grep -q 'persbelow' raw.jsonl
st 'scored' 0 probe snare -s tasks=structure,negation facts.jsonl
ok 'a bag of words takes each order a quarter of the time' [ "$(row structure accuracy)" = 0.25 ]
is 'what was emitted can be scored' "$(row negation accuracy)" sh -c "grep negation made.jsonl | vla-probe choice -m ./model --compute f32 --root . - | awk -F '\t' '\$2 == \"accuracy\" { print \$3 }'"
printf '%s\n' '{"image_path": "red.ppm", "bbox_x": 2, "bbox_y": 2, "bbox_w": 20, "bbox_h": 20, "true_caption": "the cup is to the left of the plate", "relation_name": "to the left of"}' '{"image_path": "red.ppm", "true_caption": "a cup", "relation_name": "under"}' >aro.jsonl
st 'published annotations' 2 probe snare aro.jsonl
says 'the one that does not parse' "line 2: 'a cup'"
ok 'relation and places' [ "$(grep -c 'true top-1\|spatial.accuracy$\|spatial.accuracy	' "$tmp/out")" -eq 2 ]

printf 'file\tquestion\tanswer\tprediction\na\tIs there a dog in the image?\tyes\tYes, there is\na\tIs there a cat in the image?\tno\tyes\nb\tIs there a dog in the image?\tyes\tno\nb\tIs there a cat in the image?\tno\tNo.\nb\tq\tmaybe\tno\n' >pope.tsv
st 'answers' 2 vla-probe yesno pope.tsv
says 'a truth that is none' 'line 6: the answer is neither'
ok 'by hand' [ "$(row all accuracy)$(row all precision)$(row all recall)$(row all F1)$(row all yes)" = 0.50.50.50.50.5 ]
printf 'file\tstatement\tlabel\nred.ppm\tred\ttrue\nblue.ppm\tred\tfalse\ngreen.ppm\tgreen\ttrue\ngrey.ppm\tgreen\tfalse\n' >statements.tsv
st 'statements for a scorer' 0 probe yesno statements.tsv
says 'AUC' '^all.AUC.'

printf 'file\tcategory\nred.ppm\tred wall\nblue.ppm\tblue wall\nblue.ppm\tbus\n' >objects.tsv
st 'objects ranked' 0 probe objects objects.tsv
says 'precision' 'mean average precision'
printf 'file\tcaption\nred.ppm\tA red wall and two buses.\nblue.ppm\tthe blue walls\nblue.ppm\tnothing\ngrey.ppm\tx\n' >said.tsv
st 'objects mentioned' 0 vla-probe objects -s captions=said.tsv objects.tsv
ok 'one caption of three makes one up' [ "$(row all 'captions with made-up objects')" = 0.333333 ]
ok 'one mention of three' [ "$(row all 'made-up mentions')" = 0.333333 ]
ok 'two of five were there to be named' [ "$(row all coverage)" = 0.4 ]

printf 'file\tcaption\nred.ppm\ta\nnone.ppm\tb\ngreen.ppm\nblue.ppm\t\377\ngreen.ppm\tc\nred.ppm\td\n' >bad.tsv
st 'bad rows' 2 probe retrieval bad.tsv
says 'a missing picture' "'none.ppm'"
says 'a short line' 'bad.tsv:4: '
says 'a wrong encoding' 'line 5: text is not UTF-8'
ok 'the others are measured' [ "$(awk -F '\t' '$2 == "R@1" { print $6 }' "$tmp/out" | head -n 1)" = 3 ]
st 'no task' 2 vla-probe
st 'an unknown task' 2 vla-probe retreival captions.tsv
says 'names the nearest' "did you mean 'retrieval'"
st 'an unknown setting' 2 probe hubness -s q=1 captions.tsv
says 'names it' "no setting 'q'"
st 'a bad setting' 2 probe hubness -s k=many captions.tsv
says 'shows it' "'many'"
st 'the tasks' 0 vla-probe --list
says 'with their settings' '^  k=10'
if command -v gnuplot >/dev/null; then
	st 'a plot' 0 probe retrieval --plot a.svg captions.tsv
	ok 'is a picture' grep -q '</svg>' a.svg
else
	st 'a plot without gnuplot' 2 probe retrieval --plot a.svg captions.tsv
	says 'says what is missing' 'gnuplot'
fi
mkdir stub
# shellcheck disable=SC2016 # for the stub
printf '#!/bin/sh\ncat >"$STUB_LOG"\necho drawn\n' >stub/gnuplot && chmod +x stub/gnuplot
st 'a plot by a stand-in' 0 env "PATH=$tmp/work/stub:$PATH" "STUB_LOG=$tmp/work/script" vla-probe retrieval --images p.vle --texts p.vle --plot 'a$(b) c.svg'
ok 'its output is the file, whatever the name' grep -q drawn 'a$(b) c.svg'
ok 'titles are quoted data' grep -q '^"text to image: R@1" 1 1 1 ' script
cd "$top" || exit 1
finish
