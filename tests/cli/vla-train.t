#!/bin/sh
# vla-train on pictures that the test makes: recipes, refusals, exact resumption, teachers, shards, measurements.
. tests/lib.sh
. tests/cli/battery.sh

# colour N: a small picture of colour N % 4, with noise.
colour() {
	awk -v i="$1" 'BEGIN {
		srand(i); c = i % 4; printf "P6\n24 20\n255\n"
		for (k = 0; k < 480; k++) {
			n = int(rand() * 30)
			printf "%c%c%c", (c == 0 || c == 3 ? 90 : 10) + n, (c == 1 || c == 3 ? 90 : 10) + n, (c == 2 ? 90 : 10) + n
		}
	}'
}

# The checkpoints in a folder, oldest first.
checkpoints() {
	for file in "$1"/checkpoint-*.safetensors; do
		[ ! -e "$file" ] || echo "$file"
	done
}

# Pictures, manifests and a model's configuration in the current folder.
prepare() {
	[ ! -f pictures.tsv ] || return 0
	mkdir -p pic sorted/red sorted/green_or_so
	printf 'file\tsplit\tclass\tclass_zh\tcaption\n' >pictures.tsv
	i=0
	while [ $i -lt 24 ]; do
		colour $i >pic/$i.ppm
		case $((i % 4)) in
		0) name=red zh=红; cp pic/$i.ppm sorted/red/ ;;
		1) name=green zh=绿; cp pic/$i.ppm sorted/green_or_so/ ;;
		2) name=blue zh=蓝 ;;
		*) name=yellow zh=黄 ;;
		esac
		split=train
		[ $((i / 4)) -lt 5 ] || split='test'
		printf 'pic/%d.ppm\t%s\t%s\t%s\ta picture of something %s\n' $i $split $name $zh $name
		printf 'pic/%d.ppm\t%s\t%s\t%s\tit looks %s\n' $i $split $name $zh $name
		i=$((i + 1))
	done >>pictures.tsv
	cat >model.json <<-'END'
		{ "model_type": "vla_dual", "dim": 16, "logit_scale": 10,
		  "image": { "tower": "convnet", "size": 16, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "stem": { "channels": 8 },
		    "stages": [ { "channels": 8, "expand": 2, "stride": 2 }, { "channels": 16, "expand": 2 } ], "hidden": 32 },
		  "text": { "tower": "bag", "width": 16 } }
	END
	cat >pairs.recipe <<-'END'
		[run]
		log_interval = 5
		[tokenizer]
		vocab_size = 300
		[model]
		config = model.json
		[data pictures]
		manifest = pictures.tsv
		where = split=train
		names = class, class_zh
		template.class = a photo of a {} thing | something {}
		jitter = 0.2
		word_dropout = 0.1
		[objective pairs]
		kind = contrastive
		[stage main]
		steps = 30
		batch = 8
		lr = 0.01
		warmup = 3
		ema = 0.9
		checkpoint = 7
		[eval held]
		manifest = pictures.tsv
		where = split=test
		names = class, class_zh
		kind = zero_shot
		interval = 15
	END
}

missing='-o out none.recipe'
battery vla-train
cd "$tmp" || exit 1
prepare

st 'no recipe' 2 vla-train -o out
st 'no output' 2 vla-train pairs.recipe
st 'a dry run' 0 vla-train -n pairs.recipe
says 'counts the data' 'data	pictures	examples 20	pictures 20'
says 'shows shapes' 'parameter	image.stem.conv.weight	8x3x3x3'
says 'shows what is trained' 'trained	text.token.weight'
says 'shows the work of a step' 'GFLOP a step'

st 'a run' 0 vla-train -o a pairs.recipe
says 'a line of the log' 'main 30/30 loss'
ok 'log.tsv has a line for each interval' [ "$(wc -l <a/log.tsv)" -eq 7 ]
ok 'the loss falls' awk 'NR == 2 { first = $3 } { last = $3 } END { exit !(last < 0.7 * first) }' a/log.tsv
ok 'the classes are found' awk '$4 == "top1" { v = $5 } END { exit !(v == 1) }' a/eval.tsv
ok 'two checkpoints are kept' [ "$(checkpoints a | wc -l)" -eq 2 ]
st 'the model can be used' 0 vla-model verify ./a
st 'a second call has nothing to do' 0 vla-train -o a pairs.recipe
st 'one thread, no loader' 0 vla-train -q -@ 1 --loaders 0 -o b pairs.recipe
same 'the same weights' a/model.safetensors b/model.safetensors
st 'three loaders' 0 vla-train -q --loaders 3 -o c pairs.recipe
same 'the same weights again' a/model.safetensors c/model.safetensors
st 'another seed' 0 vla-train -q --seed 5 -o d pairs.recipe
ok 'other weights' not cmp -s a/model.safetensors d/model.safetensors

# Killed in the middle, stopped by a signal, taken up again: as if nothing had happened. A full-length run takes about a second.
# A measurement falls between two checkpoints, so that a resumed run makes it again.
long='pairs.recipe stage.steps=1500 stage.checkpoint=37 eval.interval=20'
# shellcheck disable=SC2086
st 'an undisturbed run' 0 vla-train -q -o whole $long
# waits until the run has written a checkpoint beyond those that are there, at most 20 s
interrupt() {
	before=$(checkpoints broken)
	# shellcheck disable=SC2086
	vla-train -q -o broken $long >/dev/null 2>"$tmp/err" &
	pid=$!
	n=0
	while [ "$(checkpoints broken)" = "$before" ] && [ $n -lt 2000 ]; do
		n=$((n + 1))
		sleep 0.01
	done
	kill "-$1" $pid 2>/dev/null
	status=0
	wait $pid 2>/dev/null || status=$?
}
interrupt KILL
ok 'killed' [ "$status" -gt 128 ]
ok 'before it had ended' [ ! -f broken/model.safetensors ]
printf 'main\t9999\theld\ttop1\t0\t4\n' >>broken/eval.tsv # as if made after the last checkpoint
interrupt TERM
ok 'stopped by a signal: status 2' [ "$status" -eq 2 ]
ok 'says that it can go on' grep -q 'stopped at step .* the same command goes on' "$tmp/err"
# shellcheck disable=SC2086
st 'taken up again' 0 vla-train -o broken $long
says 'from a checkpoint' 'resumed from broken/checkpoint-000-'
same 'the same weights as the undisturbed run' whole/model.safetensors broken/model.safetensors
cut -f 1-5,7 whole/log.tsv >whole.log
cut -f 1-5,7 broken/log.tsv >broken.log
same 'the same log' whole.log broken.log
same 'the same measurements, each once' whole/eval.tsv broken/eval.tsv
rm broken/log.tsv
# shellcheck disable=SC2086
st 'a log that was removed' 0 vla-train -q -o broken $long
# shellcheck disable=SC2086
st 'from the beginning' 0 vla-train -q --restart -o broken $long
same 'measurements begin anew' whole/eval.tsv broken/eval.tsv
st 'other settings do not go on from it' 2 vla-train -q -o broken pairs.recipe stage.steps=1500 stage.lr=0.5
says 'says so' 'made with other settings'
newest=$(checkpoints a | tail -n 1)
head -c 1000 "$newest" >half && mv half "$newest"
st 'a damaged checkpoint' 2 vla-train -o a pairs.recipe
says 'the one before serves' 'resumed from a/checkpoint-000-0000000028'
same 'and gives the same weights' a/model.safetensors b/model.safetensors

st 'a loss that is not finite' 2 vla-train -q -o nan pairs.recipe stage.optimiser=sgd stage.lr=1000000 stage.clip=0 stage.checkpoint=1
says 'names stage and step' 'stage main, step [0-9]*: the .* not finite'
ok 'a checkpoint is left' [ -n "$(checkpoints nan)" ]

sed 's/warmup/warmpu/' pairs.recipe >bad.recipe
st 'an unknown key' 2 vla-train -o x bad.recipe
says 'line and nearest key' "bad.recipe:20: unknown key 'warmpu' in \[stage\]; did you mean 'warmup'?"
st 'an unknown key of the command line' 2 vla-train -o x pairs.recipe stage.lrr=1
st 'a pattern without a parameter' 2 vla-train -o x pairs.recipe 'model.freeze=nothing.*'
says 'says which' "'nothing.\*' matches no parameter"
sed 's/^config = .*/from = a/' pairs.recipe >bad.recipe
st 'a configuration for a model that has its own' 2 vla-train -o x bad.recipe model.set.image.size=8
says 'says what to write instead' 'set.image.size .* write config and load instead'
st 'a missing manifest' 2 vla-train -o x pairs.recipe data.manifest=none.tsv
says 'names section and file' 'data pictures.*none.tsv'
st 'an unknown column' 2 vla-train -o x pairs.recipe data.names=colour
says 'names the column' "no column 'colour'"
printf 'no picture' >pic/4.ppm
st 'one unreadable picture' 2 vla-train -o one pairs.recipe
says 'is a warning' "pic/4.ppm"
ok 'and the run goes on to its end' [ -f one/model.safetensors ]
colour 4 >pic/4.ppm

# A student of the model above, on fixed crops; the teacher's outputs are kept.
cat >student.recipe <<'END'
[model]
config = model.json
set.dim = 8
set.text.width = 8
set.image.hidden = 24
[tokenizer]
from = a
[data pictures]
manifest = pictures.tsv
crops = 2
[data folder]
folder = sorted
crops = 1
template.class = one {}
[teacher t]
model = ./a
[objective features]
kind = distill_feature
mse = 0.1
[objective classes]
kind = classify
[objective pairs]
kind = contrastive
loss = sigmoid
data = folder
[stage one]
objectives = features, classes
steps = 8
batch = 8
lr = 0.01
[stage two]
epochs = 2
batch = 8
freeze = image.stem.*
optimiser = sgd
END
st 'a student' 0 vla-train -o s student.recipe
says 'the teacher is asked' 'teacher t, data folder: 12 of 12 pictures'
ok 'its answers are streams' [ -f "$(echo s/teacher/t-pictures-*/part-00000.vle)" ]
rm s/checkpoint* s/model.safetensors
st 'a second time' 0 vla-train -o s student.recipe
ok 'they are not computed again' not grep -q 'teacher t, data' "$tmp/err"
st 'dry run with a teacher' 0 vla-train -n student.recipe
ok 'the stem is frozen in the second stage' awk '/^stage/ { n++ } /^trained	image.stem.conv/ { seen[n] = 1 } END { exit !(seen[1] && !seen[2]) }' \
	"$tmp/out"

# A teacher's map of places, each through a head to the teacher's width; a teacher of another grid is refused.
cat >map.recipe <<'END'
[model]
config = model.json
set.image.hidden = 24
[tokenizer]
from = a
[data pictures]
manifest = pictures.tsv
crops = 1
[teacher t]
model = ./a
output = tokens
[objective map]
kind = distill_map
mse = 0.1
[stage main]
steps = 60
batch = 8
lr = 0.01
END
st 'a map from a teacher' 0 vla-train -q -o m map.recipe run.log_interval=10
ok 'the loss falls' awk 'NR == 2 { first = $3 } { last = $3 } END { exit !(first > 0 && last < 0.7 * first) }' m/log.tsv
st 'a map of another size' 2 vla-train -q -o m2 map.recipe model.set.image.size=32
says 'says both' 'map has [0-9]* places, the teacher.s [0-9]*'

# Pictures and texts meet through the kept outputs of a teacher: the image tower stays out, the projection is trained.
cat >kept.recipe <<'END'
[model]
from = ./a
[data pictures]
manifest = pictures.tsv
where = split=train
crops = 1
[teacher t]
model = ./a
[objective pairs]
kind = contrastive
image = teacher
[stage main]
steps = 20
batch = 8
lr = 0.01
END
st 'texts beside the outputs of a teacher' 0 vla-train -q -o k kept.recipe run.log_interval=5
ok 'the loss falls' awk 'NR == 2 { first = $3 } { last = $3 } END { exit !(last < first) }' k/log.tsv
st 'the image tower takes no part' 0 vla-train -n kept.recipe
ok 'and is not among what is trained' not grep -q '^trained	image.[bfs]' "$tmp/out"

# The same outputs as a stream, which a manifest beside it gives captions; and a stream with captions of its own.
vla-view --to vle -o kept.vle k/teacher/t-pictures-*/part-00000.vle
sed -e '/^\[teacher/,/^model/d; /^image =/d; s/^crops.*/features = kept.vle/' kept.recipe >stream.recipe
st 'a stream of features' 0 vla-train -q -o u stream.recipe run.log_interval=5
same 'learns what the teacher at work teaches' k/model.safetensors u/model.safetensors
vla-view --to jsonl kept.vle | sed 's/"vector"/"caption":"red or so","vector"/; 1,9s/red or so/green/' >own.jsonl
vla-view --to vle -o own.vle own.jsonl
st 'a stream with captions' 0 vla-train -q -o u2 stream.recipe data.manifest= data.where= data.features=own.vle
printf 'id\tvector\npic/0.ppm\t1 2 3\npic/1.ppm\t3 2 1\n' | vla-view --from tsv --to vle >narrow.vle
st 'features of another width' 2 vla-train -q -o u3 stream.recipe data.features=narrow.vle
says 'names them' 'data pictures. has vectors of 3 numbers, the model pools to 32'

# Vectors in place of pictures, from a tensor; a projection that begins whitened.
printf 'index\ten\tzh\n0\tred\t红\n1\tgreen\t绿\n2\tblue\t蓝\n3\tyellow\t黄\n4\tcyan\t青\n' >names.tsv
cat >anchor.recipe <<'END'
[model]
from = ./a
freeze = image.[bs]*, image.final.*
lr_scale.image.projection.* = 0.05
[data names]
manifest = names.tsv
label = en
names = en, zh
tensor = a/model.safetensors:image.projection.weight
row = index
row_offset = 1
[objective anchor]
kind = anchor
[objective pairs]
kind = contrastive
positives = ignore
[stage main]
steps = 5
batch = 8
END
st 'anchors' 0 vla-train -o v anchor.recipe
st 'the image tower takes no part' 0 vla-train -n anchor.recipe
ok 'only text, projection and scale are trained' [ "$(grep -c '^trained' "$tmp/out")" -eq 4 ]
st 'a row that is not there' 2 vla-train -o w anchor.recipe data.row_offset=12
says 'says which' 'row 16 of a tensor with 16 rows'

# A teacher with classes: its distribution over named classes.
sed -e 's/"hidden": 32/"hidden": 32, "classes": 4/; s/"dim": 16/"dim": 16, "id2label": { "0": "r", "1": "g", "2": "b", "3": "y" }/' \
	model.json | tr -d '\n' |
	sed 's/, *"text": {[^}]*}//' >classes.json
vla-model new --seed 4 -o classes classes.json >/dev/null 2>&1
cat >named.recipe <<'END'
[model]
config = model.json
[tokenizer]
from = a
[data names]
manifest = names.tsv
limit = 4
label = en
names = en, zh
tensor = a/model.safetensors:image.projection.weight
row = index
[data pictures]
manifest = pictures.tsv
crops = 1
[teacher t]
model = ./classes
[objective named]
kind = distill_names
data = pictures
names = names
[stage main]
steps = 5
batch = 8
data = pictures
END
st 'class names from a teacher' 0 vla-train -o n named.recipe
ok 'the loss is a number' awk 'END { exit !($3 > 0 && $3 < 10) }' n/log.tsv
st 'names that the teacher has not' 2 vla-train -o n2 named.recipe data.names.limit=5
says 'says which' 'row 5 of \[data names\] is of class 4'

# Shards.
mkdir shard && i=0
while [ "$i" -lt 8 ]; do
	cp "pic/$i.ppm" "shard/p$i.ppm"
	echo "picture number $i" >"shard/p$i.txt"
	i=$((i + 1))
done
(cd shard && tar cf ../s-00.tar p[0-3].* && tar cf ../s-01.tar p[4-7].*)
sed -e 's/^manifest = .*/tar = s-{00..01}.tar/; /^where/d; /^names/d; /^template/d; /^\[eval/,$d' pairs.recipe >tar.recipe
st 'tar shards' 0 vla-train -n tar.recipe
says 'pictures and captions' 'data	pictures	examples 8	pictures 8	.*captions 8'
st 'a run on shards' 0 vla-train -q -o t tar.recipe
st 'a damaged range' 2 vla-train -n tar.recipe 'data.tar=s-{01..00}.tar'

# A folder's classes need no column.
sed -e 's/^manifest = .*/folder = sorted/; /^where/d; s/^names.*/label =/; /^template/d; /^\[eval/,$d' pairs.recipe >folder.recipe
st 'classes of folders without a label column' 0 vla-train -q -o f folder.recipe stage.steps=3

cd "$top" || exit 1
vla-train --list-keys >"$tmp/keys"
undocumented=$(cut -f 2 "$tmp/keys" | sort -u | while read -r key; do
	grep -q "^\.It Ic $key\( \|$\)" man/vla-recipe.5 || echo "$key"
done)
ok 'vla-recipe(5) has every key' [ -z "$undocumented" ] || echo "# missing: $undocumented"
finish
