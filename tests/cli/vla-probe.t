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

# Metrics on files, by hand.
printf 'file\tphrase\tx\ty\tw\th\ttask\na.png\tthe cup\t0\t0\t10\t10\tone\na.png\tthe plate\t20\t20\t10\t10\tone\nb.png\ta cat\t0\t0\t4\t4\ttwo\n' >gold.tsv
printf 'id\tphrase\tscore\tx\ty\tw\th\nimages/a.png\tthe cup\t0.2\t50\t50\t9\t9\nimages/a.png\tthe cup\t0.9\t0\t0\t10\t5\nimages/a.png\tthe plate\t1\t21\t20\t10\t10\nx\ty\t1\t0\t0\t0\t3\n' >found.tsv
st 'boxes' 2 vla-probe boxes gold.tsv found.tsv
says 'a box without size' 'line 5: no box'
ok 'IoU of the best-scored: (0.5 + 9/11 + 0) / 3' [ "$(row all 'mean IoU')" = 0.439394 ]
ok 'accuracy at a half' [ "$(row all 'IoU >= 0.50')" = 0.666667 ]
ok 'pointing' [ "$(row all pointing)" = 0.666667 ]
ok 'groups' [ "$(row one 'IoU >= 0.50')$(row two pointing)" = 10 ]
printf 'P5\n4 1\n255\n\000\000\001\001' >g.pgm && printf 'P5\n4 1\n255\n\000\001\001\001' >p.pgm && printf 'P5\n2 1\n255\n\000\001' >q.pgm
printf 'gold\tprediction\ng.pgm\tp.pgm\ng.pgm\tq.pgm\n' >maps.tsv
st 'label maps' 2 vla-probe masks maps.tsv
says 'of two sizes' 'line 3: 4 x 1 against 2 x 1'
ok 'mean IoU: (1/2 + 2/3) / 2' [ "$(row all 'mean IoU')" = 0.583333 ]
ok 'pixels' [ "$(row all 'pixel accuracy')" = 0.75 ]
printf 'file\tcaption\na.png\ta dog runs on the grass\na.png\tthe brown dog is running\nb.png\ttwo cats sit on a red sofa near the wall\nb.png\tcats on a sofa\nc.png\ta man rides a wave\n' >refs.tsv
printf 'file\tcaption\na.png\tA dog runs on the green grass.\nb.png\ttwo cats on the sofa\nc.png\tman on a board\n' >said2.tsv
st 'captions' 0 vla-probe captions refs.tsv said2.tsv
if command -v python3 >/dev/null; then
	awk -F '\t' 'NR > 1 && $2 != "METEOR" { print $2 "\t" $3 }' "$tmp/out" >ours
	python3 "$top/tests/reference/captions.py" refs.tsv said2.tsv >theirs
	awk -F '\t' 'NR == FNR { v[$1] = $2; next } { d = v[$1] - $2; if (d < -2e-6 || d > 2e-6) bad = 1; n++ } END { exit bad || n != 6 }' ours theirs
	ok 'as a plain implementation gives' [ $? -eq 0 ]
else
	skip 'no python3'
fi
st 'two captions of a picture' 2 vla-probe captions refs.tsv refs.tsv
says 'the second is named' 'second caption'
ok 'a reference is perfect' [ "$(row all ROUGE-L)" = 1 ]
st 'CLIPScore' 0 probe clipscore captions.tsv
printf 'segment\ttoken\na\t1\na\t1\nb\t2\nb\t2\n' >seg.tsv
st 'segments' 0 vla-probe segments seg.tsv
ok 'one token each' [ "$(row all V-measure)$(row all purity)" = 11 ]
printf 'segment\ttoken\na\t1\na\t2\nb\t1\nb\t2\n' >seg.tsv
st 'segments that tokens ignore' 0 vla-probe segments seg.tsv
ok 'nothing in common' [ "$(row all V-measure)$(row all purity)" = 00.5 ]

st 'items of two runs' 0 probe retrieval --items one.tsv captions.tsv
tiny_model "$tmp/second" 5
st 'of another model' 0 vla-probe retrieval -m "$tmp/second" --items two.tsv captions.tsv
st 'compared' 0 vla-probe compare one.tsv two.tsv
ok 'all eight' [ "$(awk -F '\t' '$1 == "all" && $2 == "difference" { print $6 }' "$tmp/out")" = 8 ]
st 'with itself' 0 vla-probe compare one.tsv one.tsv
ok 'no difference' [ "$(row all difference)$(row all 'p of ranks')$(row all 'p of permutation')" = 011 ]
printf 'id\tgroup\tvalue\n1\tg\t0\n2\tg\t0\n3\tg\t0\n4\tg\t1\n5\tg\t0\n' >a.tsv
printf 'id\tgroup\tvalue\n5\tg\t1\n4\tg\t1\n3\tg\t1\n2\tg\t1\n1\tg\t1\n6\tg\t1\n' >b.tsv
st 'four better, one equal' 2 vla-probe compare a.tsv b.tsv
says 'one is left' '1 items are in one file alone'
ok 'by hand' [ "$(row g difference)$(row g 'p of signs')" = 0.80.125 ]

printf 'the dog runs\nthe cat runs\nthe dog sleeps\n' >corpus.txt
st 'tokens' 0 vla-probe tokens --draws 20 corpus.txt
ok 'types' [ "$(row corpus.txt types)" = 5 ]
ok 'entropy: 3, 2, 2, 1, 1 of 9' [ "$(row corpus.txt 'entropy (bits)')" = 2.19716 ]
st 'characters' 0 vla-probe tokens --draws 20 -s unit=character -s stats=heaps corpus.txt
st 'n-grams of a table' 0 vla-probe tokens --draws 20 -s order=2 -s stats=zipf captions.tsv
st 'a grammar' 0 vla-probe tokens --draws 5 -s stats=pcfg -s rounds=3 corpus.txt
says 'its perplexity' 'grammar perplexity'
: >none.txt
st 'an empty text' 2 vla-probe tokens none.txt
says 'says so' "'none.txt' has no token"

awk 'BEGIN { srand(1); printf "id\tvector\n" >"x.tsv"; printf "id\tvector\n" >"y.tsv"
	for (t = 0; t < 120; t++) { a = rand(); b = rand()
		printf "%d\t%.6f %.6f\n", t, a, b >"x.tsv"
		printf "%d\t%.6f %.6f\n", t, p + 0.1 * rand(), rand() >"y.tsv"; p = a } }'
st 'an encoding model' 0 vla-probe encoding -s responses=y.tsv -s train=90 -s delays=1:2 -s block=3 --draws 100 --items voxels.tsv x.tsv
ok 'finds the column that follows' [ "$(awk -F '\t' '$1 == "0" { print ($3 > 0.9) }' voxels.tsv)" = 1 ]
ok 'and not the other' [ "$(awk -F '\t' '$1 == "1" { print ($3 < 0.5) }' voxels.tsv)" = 1 ]
st 'no responses' 2 vla-probe encoding x.tsv
printf 'roi\na\nb\n' >roi.tsv
st 'bands, regions, other subjects' 0 vla-probe encoding -s responses=y.tsv -s train=90 -s delays=1,2 -s rois=roi.tsv -s others=y.tsv,x.tsv -s candidates=4 --draws 50 x.tsv y.tsv
says 'regions' '^a.normalised r.'
says 'pairs of bands' 'shared R2'

printf 'file\tcaption\tx\ty\tw\th\nred.ppm\ta\t0\t0\t10\t10\nred.ppm\ta\t30\t0\t20\t10\nnone.ppm\ta\t\t\t\t\nblue.ppm\t\t\t\t\t\nred.ppm\n' >m.tsv
st 'a table checked' 2 vla-probe manifest m.tsv
says 'a box outside' 'line 3: box 30,0,20,10 is not within the 40 x 40'
says 'a missing picture' "line 4: 'none.ppm': No such file"
says 'a short row' 'm.tsv:6'
ok 'counts' [ "$(row all rows)$(row all 'lines with trouble')$(row all 'boxes outside')$(row all 'without text or label')" = 4311 ]
st 'words to pictures' 0 vla-probe words --images p.vle -s 'train=colour!=grey' -s 'test=colour=red|blue' -s least=1 captions.tsv
ok 'what was learned is found' [ "$(row 'text to image' R@1)" = 1 ]
if [ -n "$VLA_LONG" ]; then
	awk 'BEGIN { print "pos\tneg\tgroup"; for (i = 0; i < 1000000; i++) print "the red ball " i "\tball the red " i "\tg" }' >million.tsv
	# shellcheck disable=SC3045 # where the shell has no ulimit -v the test says less
	st 'a million lines in constant memory' 0 sh -c 'ulimit -v 400000; vla-probe choice -@ 1 -s blind=text.txt million.tsv'
fi

st 'a micro-world' 0 vla-world -n 30 -l 2 --splits 0:0:1 --with contrast --seed 3 -o toys
st 'its false captions' 0 probe choice toys/manifest.jsonl
says 'by kind' '^replace_colour.accuracy.'
st 'in Chinese' 0 probe choice -s suffix=_zh toys/manifest.jsonl
st 'its contrast pairs' 0 probe contrast toys/manifest.jsonl
says 'by what differs' '^\(colour\|shape\).both.'
st 'its negations' 0 probe yesno toys/manifest.jsonl
says 'AUC' '^all.AUC.'
st 'its attributes and relations' 0 probe snare toys/manifest.jsonl
ok 'four tasks or more' [ "$(cut -f 1 "$tmp/out" | grep -c '^\(structure\|negation\|ownership\|relation\|spatial\)$')" -ge 12 ]
st 'items of scenes' 0 vla-probe snare -s tasks=spatial -s emit=scene.jsonl toys/manifest.jsonl
ok 'are true of them' grep -q '"the [a-z]* is to the left of the [a-z]*", "the [a-z]* is to the right of the [a-z]*", "the [a-z]* is above the [a-z]*", "the [a-z]* is below the [a-z]*"' scene.jsonl
st 'classes of scenes' 0 probe zeroshot -c label=shape toys/manifest.jsonl

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
st 'a plot by a stand-in' 0 env "PATH=$PWD/stub:$PATH" "STUB_LOG=$PWD/script" vla-probe retrieval --images p.vle --texts p.vle --plot 'a$(b) c.svg'
ok 'its output is the file, whatever the name' grep -q drawn 'a$(b) c.svg'
ok 'titles are quoted data' grep -q '^"text to image: R@1" 1 1 1 ' script
cd "$top" || exit 1
finish
