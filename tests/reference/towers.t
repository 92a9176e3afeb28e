#!/bin/sh
# Towers of full size with random weights against PyTorch: CLIP ViT-B/32, SigLIP ViT-B/16, DINOv2 ViT-S/14, from one
# directory each: a picture of the towers' own size and three words whose ids are their bytes.
B=${B:-build}
python=${VLA_PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import numpy, torch' 2>/dev/null; then
	echo "1..0 # SKIP $python has no torch and numpy"
	exit 0
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
PATH=$PWD/$B/bin:$PATH
here=$PWD/tests/reference
. "$PWD/tests/cli/tiny.sh"
mkdir "$tmp/t"
(cd "$tmp/t" && tiny_model tiny && mv tiny.tokenizer ../tokenizer) || exit 1
"$python" - "$tmp/p.ppm" <<'X'
import sys
import numpy as np
with open(sys.argv[1], "wb") as f:
    f.write(b"P6\n224 224\n255\n" + np.random.default_rng(1).integers(0, 256, (224, 224, 3), "u1").tobytes())
X
printf 'abcz\nhello\nzebracrossing\n' >"$tmp/words"
cat >"$tmp/clip.json" <<'X'
{"model_type": "clip", "text_config": {"eos_token_id": 2}}
X
echo '{"model_type": "siglip"}' >"$tmp/siglip.json"
cat >"$tmp/dinov2.json" <<'X'
{"model_type": "dinov2", "hidden_size": 384, "num_attention_heads": 6, "image_size": 518}
X
n=0
compare() {
	n=$((n + 1))
	vla-view --to npy -o "$tmp/v.npy" "$tmp/v.vle" && "$python" "$here/towers_torch.py" "$tmp/m" "$1" "$tmp/v.npy" "$2" |
		sed "s/^\(not ok\|ok\)/\1 $n -/"
}
for family in clip siglip dinov2; do
	tokenizer=
	[ $family = dinov2 ] || tokenizer="--tokenizer $tmp/tokenizer"
	# shellcheck disable=SC2086
	vla-model new --seed 3 $tokenizer -o "$tmp/m" "$tmp/$family.json" || exit 1
	"$python" - "$tmp/m/config.json" <<'X'
import json
import sys
c = json.load(open(sys.argv[1]))
full = {"clip": ({"patch_size": 32, "num_attention_heads": 12, "num_hidden_layers": 12}, {"num_attention_heads": 8, "num_hidden_layers": 12}),
        "siglip": ({"patch_size": 16, "num_attention_heads": 12, "num_hidden_layers": 12}, {"num_attention_heads": 12, "num_hidden_layers": 12})}
if c["model_type"] in full:
    for part, keys in zip(("vision_config", "text_config"), full[c["model_type"]]):
        c.setdefault(part, {}).update(keys)
else:
    c.update(patch_size=14, num_hidden_layers=12)
json.dump(c, open(sys.argv[1], "w"))
path = sys.argv[1].replace("/config.json", "/preprocessor_config.json")
p = json.load(open(path))
if "shortest_edge" in p["size"]:
    p["size"]["shortest_edge"] = 224  # the picture's own size: no resize
json.dump(p, open(path, "w"))
X
	vla-embed -q -m "$tmp/m" --compute f32 --dtype f32 -o "$tmp/v.vle" "$tmp/p.ppm" && compare image "$tmp/p.ppm"
	[ $family = dinov2 ] || {
		vla-embed -q -m "$tmp/m" --compute f32 --dtype f32 --text -o "$tmp/v.vle" "$tmp/words" && compare text "$tmp/words"
	}
	rm -rf "$tmp/m"
done
echo "1..$n"
