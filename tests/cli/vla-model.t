#!/bin/sh
# vla-model: the battery, then what it says of sound and of damaged directories.
. tests/lib.sh
. tests/cli/battery.sh

config() {
	cat >"$1" <<'X'
{"model_type": "vla_dual", "dim": 16, "image": {"tower": "convnet", "size": 32, "stem": {"channels": 8}, "hidden": 32,
 "stages": [{"channels": 8, "expand": 1}, {"channels": 16, "stride": 2}], "projection_bias": false}}
X
}

prepare() {
	config tiny.json
	vla-model new --seed 1 -o m tiny.json
}

missing='show ./none'
full='show m'
battery vla-model

cd "$tmp" || exit 1
config c.json
st 'makes a model' 0 vla-model new --seed 3 -o m c.json
st 'shows it' 0 vla-model show m
says 'names the family' 'family.vla_dual'
says 'names the fingerprint' 'fingerprint.vla_dual:[0-9a-f]\{16\}'
st 'shows it as JSON Lines' 0 vla-model show --format jsonl m
says 'JSON has the key' '{"key": "dim", "value": "16"}'
st 'verifies it' 0 vla-model verify m
says 'says so' '^ok.*finite'
st 'lists tensors' 0 vla-model show -t m
says 'a tensor with its shape' 'image.projection.weight.f32.\[16, 32\].2048'
VLA_PATH=/nonexistent:$tmp
export VLA_PATH
st 'finds a name in VLA_PATH' 0 sh -c 'cd / && vla-model show m'
st 'a seed gives one model' 0 vla-model new --seed 3 -o m3 c.json
same 'to the last bit' m/model.safetensors m3/model.safetensors
st 'converts to f16' 0 vla-model convert --dtype f16 -o half m
st 'and verifies that' 0 vla-model verify half
st 'an unknown type' 2 vla-model convert --dtype f17 -o x m
says 'is named' f17
st 'no command' 2 vla-model
st 'an unknown command' 2 vla-model shwo m
st 'new without -o' 2 vla-model new c.json
st 'two models' 2 vla-model show m half

sed 's/"dim": 16/"dim": 17/' m/config.json >m3/config.json
st 'another shape' 1 vla-model verify m3
says 'names both shapes' "error.tensor 'image.projection.weight' has the shape \[16, 32\]; expected \[17, 32\]"
st 'which show refuses' 2 vla-model show m3
says 'with both shapes' 'expected \[17, 32\]'
cp m/config.json m3/
sed 's/vla_dual/clop/' m/config.json >half/config.json
st 'an unknown family' 1 vla-model verify half
says 'lists the known ones' 'known: vla_dual, clip, siglip'
# The tail of the file is the last tensor: all ones are NaN in f32.
size=$(wc -c <m3/model.safetensors)
{ head -c $((size - 4)) m3/model.safetensors && printf '\377\377\377\377'; } >m3/new && mv m3/new m3/model.safetensors
st 'a NaN' 1 vla-model verify m3
says 'is found' 'error.*not finite'
head -c $((size - 4)) m/model.safetensors >m3/model.safetensors
st 'a cut file' 1 vla-model verify m3
says 'is found, too' 'error.*bytes of data'
cp m/model.safetensors m3/
st 'packs it' 0 vla-model pack -o m.vlm m
st 'shows the file' 0 vla-model show m.vlm
says 'as the same family' 'family.vla_dual'
st 'verifies the file' 0 vla-model verify m.vlm
fingerprint() { vla-model show "$1" | grep '^fingerprint'; }
ok 'a packed model is the same model' [ "$(fingerprint m.vlm)" = "$(fingerprint m)" ]
st 'packs fewer bits' 0 vla-model pack --dtype i8 -o m8.vlm m
ok 'which is another model' [ "$(fingerprint m8.vlm)" != "$(fingerprint m)" ]
st 'pack without -o' 2 vla-model pack m
st 'another model' 0 vla-model new --seed 4 -o m4 c.json
st 'merges two' 0 vla-model merge -w 1 -w 0 -o mm m.vlm m4
same 'a weight of 1 leaves the model' m/model.safetensors mm/model.safetensors
st 'merges one' 2 vla-model merge -o mm m
st 'too few weights' 2 vla-model merge -w 1 -o mm m m4
st 'a weight that is none' 2 vla-model merge -w 1 -w x -o mm m m4
sed 's/"dim": 16/"dim": 8/' c.json >c8.json
vla-model new -o m8 c8.json
st 'models of two shapes' 2 vla-model merge -o mm m m8
says 'are named' 'another shape'
st 'quantises' 0 vla-model quantise -o mq m
says 'and says what it costs' 'picture_cosine.mean [01].[0-9]*, least'
st 'writes vectors' 0 vla-model verify --write-reference m
says 'and meets them' '^ok.*reference.safetensors'
cp m4/model.safetensors m/
st 'which other weights do not' 1 vla-model verify m
says 'and that is said' '^error.*differ from reference'
st 'an empty directory' 2 sh -c 'mkdir empty && vla-model show empty'
says 'says what it looked for' 'holds no weights'
printf '\000\000\000\000\100\000\000\000{}' >huge.safetensors
st 'a header of 300 GB' 2 vla-model show ./huge.safetensors
says 'is refused' 'a header of'
if [ -d "$shared/golden/clip-a" ]; then
	st 'CLIP directory of the golden set' 0 vla-model verify "$shared/golden/clip-a"
else
	skip 'no golden/clip-a'
fi
finish
