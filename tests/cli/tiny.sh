# A tiny model with random weights and a few pictures, for tests that must not depend on the model that ships.
#
#	tiny_model DIR [SEED]              # 24 numbers an embedding; both towers
#	ppm FILE RED GREEN BLUE [SIDE]     # a picture of one colour with a darker diagonal

tiny_model() {
	mkdir -p "$1.tokenizer"
	awk 'BEGIN {
		printf "{\"version\": \"1.0\", \"added_tokens\": [], \"normalizer\": null,"
		printf "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true},"
		printf "\"post_processor\": null, \"decoder\": {\"type\": \"ByteLevel\"},"
		printf "\"model\": {\"type\": \"BPE\", \"merges\": [], \"vocab\": {"
		for (b = 0; b < 256; b++) {
			visible = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174
			printf "%s\"\\u%04x\": %d", b ? ", " : "", visible ? b : 256 + n++, b
		}
		print "}}}"
	}' >"$1.tokenizer/tokenizer.json"
	cat >"$1.json" <<'X'
{"model_type": "vla_dual", "dim": 24, "logit_scale": 10,
 "image": {"tower": "convnet", "size": 32, "stem": {"channels": 8}, "hidden": 40,
  "stages": [{"channels": 8, "expand": 1}, {"channels": 16, "expand": 3, "stride": 2}]},
 "text": {"tower": "bag", "width": 24}}
X
	vla-model new --seed "${2:-1}" --tokenizer "$1.tokenizer" -o "$1" "$1.json"
}

ppm() {
	awk -v r="$2" -v g="$3" -v b="$4" -v n="${5:-40}" 'BEGIN {
		printf "P3\n%d %d\n255\n", n, n
		for (y = 0; y < n; y++)
			for (x = 0; x < n; x++) {
				f = x > y ? 1 : 0.5
				print int(r * f), int(g * f), int(b * f)
			}
	}' | p3_to_p6 >"$1"
}

# Binary output from awk is not portable: the numbers go through printf.
p3_to_p6() {
	{
		read -r _ && read -r size && read -r _
		printf 'P6\n%s\n255\n' "$size"
		# shellcheck disable=SC2059 # the format is made of octal escapes
		printf "$(awk '{ printf "\\%03o\\%03o\\%03o", $1, $2, $3 }')"
	}
}
