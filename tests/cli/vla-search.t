#!/bin/sh
# vla-search: the battery; texts, pictures, combinations, streams; forms of output; refusals; duplicates and confidence.
. tests/lib.sh
. tests/cli/battery.sh
. tests/cli/tiny.sh

tiny_model "$tmp/model" && tiny_model "$tmp/other" 2 || exit 1
ppm "$tmp/1.ppm" 250 10 10 && ppm "$tmp/2.ppm" 0 40 240 50 && ppm "$tmp/3.ppm" 9 200 30 30 && ppm "$tmp/4.ppm" 200 200 0 || exit 1

prepare() {
	cp -r "$tmp/model" "$tmp"/*.ppm .
	cp 1.ppm red.png && cp 2.ppm blue.png && cp 3.ppm green.png
	vla-embed -m ./model --compute f32 -o a.vle 1.ppm 2.ppm 3.ppm 4.ppm
}

missing='--queries a.vle none.vle'
full='--queries a.vle a.vle'
battery vla-search

mkdir "$tmp/work" && cd "$tmp/work" && prepare || exit 1
vla-index -o a.vlx a.vle || exit 1
search() {
	vla-search -m ./model --compute f32 "$@"
}

is 'each vector finds itself' "$(printf '%s.ppm %s.ppm\n' 1 1 2 2 3 3 4 4)" \
	sh -c "vla-search -k 1 --queries a.vle a.vlx | awk '{ print \$1, \$4 }'"
is 'a stream answers as its index does' "$(vla-search --queries a.vle a.vlx)" vla-search --queries a.vle a.vle
is 'from a pipe too' "$(vla-search --queries a.vle a.vlx)" sh -c 'vla-search --queries a.vle - <a.vle'
is 'one thread as two' "$(vla-search -@ 2 --queries a.vle a.vlx)" vla-search -@ 1 --queries a.vle a.vlx
is 'more asked for than there are' 16 sh -c 'vla-search -k 1000 --queries a.vle a.vlx | wc -l'

st 'texts' 0 search -k 2 a.vlx 'a red thing' 海滩
ok 'two queries, two results each' [ "$(wc -l <"$tmp/out")" -eq 4 ]
says 'columns' '^海滩	2	-\{0,1\}0\.[0-9]\{6\}	[1-4].ppm$'
st 'a picture' 0 search -k 1 --image 3.ppm a.vlx
says 'finds itself' '^3.ppm	1	[01]\.[0-9]*	3.ppm$'
st 'a picture that is not there' 2 search --image none.png a.vlx
says 'is named' 'none.png'
printf 'a dog\n\na cat\n' >q.txt
is 'a file of texts' "$(search a.vlx 'a dog' 'a cat')" search --text-file q.txt a.vlx
is 'texts on standard input' "$(search a.vlx 'a dog' 'a cat')" sh -c 'vla-search -m ./model --compute f32 --text-file - a.vlx <q.txt'

st 'a sum of terms' 0 search -k 1 -- a.vlx +dog +cat -house
says 'is one query' '^+dog +cat -house	1	'
is 'a term alone is its text' "$(search a.vlx dog | cut -f 2-)" sh -c 'vla-search -m ./model --compute f32 a.vlx +dog | cut -f 2-'
is 'equal weights change nothing' "$(search a.vlx +dog +cat | cut -f 2-)" \
	sh -c 'vla-search -m ./model --compute f32 a.vlx +3:dog +3:cat | cut -f 2-'
is 'a negative term turns the order round' "$(search a.vlx dog | cut -f 4 | sort)" \
	sh -c 'vla-search -m ./model --compute f32 -- a.vlx -dog | cut -f 4 | sort'
is 'and the scores' "$(search a.vlx dog | awk '{ printf "%.5f\n", -$3 }' | sort)" \
	sh -c 'vla-search -m ./model --compute f32 -- a.vlx -dog | awk "{ printf \"%.5f\\n\", \$3 }" | sort'
st 'terms that cancel' 2 search -- a.vlx +dog -dog
says 'says so' 'cancel'
st 'a picture and a term' 0 search -k 1 --image 2.ppm a.vlx +0.01:dog
says 'make one query near the picture' '^2.ppm +0.01:dog	1	0.99[0-9]*	2.ppm$'
st 'a weight that is none' 2 search a.vlx +0:dog
st 'an empty term' 2 search a.vlx +
st 'a text beside terms is a query of its own' 0 search -k 1 a.vlx dog +cat +house
ok 'of two' [ "$(wc -l <"$tmp/out")" -eq 2 ]

vla-embed -m ./model --compute f32 -o first.vle 1.ppm 2.ppm && vla-embed -m ./model --compute f32 -o second.vle 3.ppm 4.ppm || exit 1
vla-index -o second.vlx second.vle || exit 1
is 'two indexes answer as one' "$(vla-search -k 3 --queries a.vle a.vlx)" vla-search -k 3 --queries a.vle -x first.vle -x second.vlx
vla-embed -m "$tmp/other" -o foreign.vle 1.ppm || exit 1
st 'indexes of two models' 2 vla-search --queries a.vle -x first.vle -x foreign.vle
says 'both named' "foreign.vle.*vla_dual.*first.vle.*vla_dual"
is 'a filter' "$(vla-search --queries a.vle first.vle | cut -f 1,3,4)" \
	sh -c "vla-search --where 'id=[12].ppm' --queries a.vle a.vlx | cut -f 1,3,4"
is 'two filters' 8 sh -c "vla-search --where 'id>1.ppm' --where 'id!=4*' --queries a.vle a.vlx | wc -l"
st 'a filter that lets nothing through' 1 vla-search --where id=none --queries a.vle a.vlx
st 'a filter that names no field' 2 vla-search --where colour=red --queries a.vle a.vlx
says 'says which there are' "colour=red.*label"
st 'a filter for what no record has' 2 vla-search --where label=dog --queries a.vle a.vlx
st 'filters and a large k' 0 vla-search -k 100000 --where 'id=*.ppm' --queries a.vle a.vlx
st 'a least score' 0 vla-search --min-score 0.999 --queries a.vle a.vlx
ok 'gives each vector itself' [ "$(wc -l <"$tmp/out")" -eq 4 ]
is 'all that score enough' "$(vla-search -k 9 --queries a.vle a.vlx)" vla-search --min-score -1 --queries a.vle a.vlx
is 'of two indexes' "$(vla-search -k 9 --queries a.vle a.vlx)" vla-search --min-score -1 --queries a.vle -x first.vle -x second.vle
is 'but no more than asked for' 4 sh -c 'vla-search -k 1 --min-score -1 --queries a.vle a.vlx | wc -l'
st 'a score that is none' 2 vla-search --min-score nan --queries a.vle a.vlx

cat >s.jsonl <<'X'
{"id": "d1", "index": [0, 2, 5], "weight": [1, 0.5, 2]}
{"id": "d2", "index": [2], "weight": [4], "label": "b"}
{"id": "d3", "index": [1, 5], "weight": [3, 1]}
X
printf '{"id": "q", "index": [2, 5], "weight": [1, 2]}\n' >sq.jsonl
printf 'zero\none\ntwo\nthree\nfour\nfive\n' >words.txt
sparse() {
	vla-view --from jsonl --kind sparse --dim 6 --dtype f32 --to vle -o "$1" "$2"
}
sparse s.vle s.jsonl && sparse sq.vle sq.jsonl || exit 1
st 'an index of sparse vectors' 0 vla-index --type inverted -o s.vlx s.vle
is 'ranks and explains sparse vectors' "$(printf 'q\t1\t4.500000\td1\tfive:4 two:0.5\nq\t2\t4.000000\td2\ttwo:4\nq\t3\t2.000000\td3\tfive:2\n')" \
	vla-search --explain --vocabulary words.txt --queries sq.vle s.vlx
is 'a sparse stream answers likewise' "$(vla-search --explain --queries sq.vle s.vlx)" vla-search --explain --queries sq.vle s.vle
is 'with a filter' d2 sh -c 'vla-search --where label=b --queries sq.vle s.vlx | cut -f 4'
is 'and a least score' 2 sh -c 'vla-search --min-score 3 --queries sq.vle s.vlx | wc -l'
st 'sparse queries of a dense index' 2 vla-search --queries sq.vle a.vlx
st 'dense queries of sparse vectors' 2 vla-search --queries a.vle s.vlx
says 'names the kind' 'sparse'
st 'a text to a sparse index' 2 search s.vlx dog
st 'p-values of sparse scores' 2 vla-search --calibrate --queries sq.vle s.vlx

printf 'q\t1\t0.9\ta\nq\t2\t0.5\tb\nq\t3\t0.1\tc\nr\t1\t1\tz\n' >one.tsv
printf 'q\t1\t8\tb\nq\t2\t2\td\\tx\n' >two.tsv
is 'ranks are fused' "$(printf 'q\t1\t0.032522\tb\nq\t2\t0.016393\ta\nq\t3\t0.016129\td\\tx\nq\t4\t0.015873\tc\nr\t1\t0.016393\tz\n')" \
	vla-search --fuse ranks one.tsv two.tsv
is 'scores are fused' "$(printf 'q\t1\t4.500000\tb\nq\t2\t1.900000\ta\nr\t1\t1.000000\tz\n')" \
	vla-search --fuse scores --weights 1,0.5 -k 2 one.tsv two.tsv
is 'a list alone keeps its order' "$(vla-search --queries a.vle a.vlx | cut -f 1,2,4)" \
	sh -c 'vla-search --queries a.vle a.vlx | vla-search --fuse ranks - | cut -f 1,2,4'
st 'a line that is no result' 2 vla-search --fuse ranks one.tsv q.txt
says 'is named' "'q.txt', line 1"
st 'weights for other files' 2 vla-search --fuse ranks --weights 1 one.tsv two.tsv
st 'a negative weight' 2 vla-search --fuse ranks --weights -1,1 one.tsv two.tsv
st 'nothing to fuse' 2 vla-search --fuse ranks
st 'a way that is none' 2 vla-search --fuse best one.tsv

st 'JSON Lines' 0 vla-search --format jsonl -k 1 --queries a.vle a.vle
says 'of objects' '^{"query": "1.ppm", "rank": 1, "score": 1.0*[0-9]*, "id": "1.ppm"}$'
name=$(printf 'odd\tna\nme\\.ppm') && cp 1.ppm "$name" && vla-embed -m ./model -o odd.vle "$name" || exit 1
st 'an id with odd characters' 0 vla-search --queries odd.vle odd.vle
says 'is escaped' '	odd\\tna\\nme\\\\\.ppm$'
st 'with zero bytes it is not' 0 sh -c 'vla-search -0 --queries odd.vle odd.vle | tr "\000\n" "\n@"'
says 'but printed as it is' 'odd	na@me\\.ppm$'
st 'as JSON' 0 vla-search --format jsonl --queries odd.vle odd.vle
says 'escaped for JSON' '"id": "odd\\tna\\nme\\\\.ppm"'

st 'a model that did not make the stream' 2 vla-search -m "$tmp/other" a.vle dog
says 'both are named' 'vla_dual:[0-9a-f]\{16\}.*vla_dual:[0-9a-f]\{16\}'
vla-embed -m "$tmp/other" -o o.vle 1.ppm || exit 1
st 'queries of another model' 2 vla-search --queries o.vle a.vle
says 'likewise' 'vla_dual:.*vla_dual:'
st 'nothing to search for' 2 vla-search a.vle
st 'nothing to search in' 2 vla-search
vla-embed -m ./model -o none.vle none.ppm 2>/dev/null
st 'an empty stream has no answer' 1 vla-search --queries a.vle none.vle
head -c 200 a.vle >cut.vle
st 'a stream that is cut' 2 vla-search --queries a.vle cut.vle
st 'queries that are cut' 2 vla-search --queries cut.vle a.vle
st 'a text instead of a stream' 2 vla-search --queries a.vle q.txt
says 'names it' "'q.txt'"
st 'no results asked for' 2 vla-search -k 0 --queries a.vle a.vle
st 'a closed pipe' 0 sh -c 'vla-search -k 4 --queries a.vle a.vle | head -n 1 >/dev/null'

st 'a sheet' 0 search --sheet hits.png -k 3 a.vlx dog
ok 'is a PNG' sh -c 'head -c 4 hits.png | grep -q PNG'
st 'a sheet that cannot be written' 2 search --sheet none/hits.png a.vlx dog
st 'a sheet of pictures that are gone' 0 sh -c 'mkdir -p away && cd away && vla-search --sheet s.jpg --queries ../a.vle ../a.vlx'

cp 1.ppm again.ppm
vla-embed -m ./model --compute f32 -o dup.vle 1.ppm 2.ppm again.ppm || exit 1
is 'duplicates' '1.ppm again.ppm' sh -c "vla-search --duplicates 0.9999 dup.vle | awk '{ print \$1, \$4 }'"
st 'no duplicates' 1 vla-search --duplicates 1.5 dup.vle
st 'duplicates take no queries' 2 search --duplicates 0.9 dup.vle dog

st 'too few rows to be sure' 2 vla-search --min-p 0.9 --queries a.vle a.vle
says 'says how many are needed' '100'
i=0
while [ $i -lt 150 ]; do
	echo "thing number $i of many"
	i=$((i + 1))
done >many.txt
vla-embed -m ./model --compute f32 --text -o many.vle many.txt || exit 1
st 'confidence' 0 vla-search --calibrate -k 2 --queries many.vle many.vle
says 'is a fifth column' '^thing number 7 of many	1	[01]\.[0-9]*	thing number 7 of many	[0-9.e-]*$'
st 'nothing is that sure' 1 vla-search --min-p 1 --text-file q.txt -m ./model many.vle
st 'with vectors of our own as the background' 0 vla-search --calibrate --background many.vle -k 1 --queries many.vle many.vle
st 'which must be enough' 2 vla-search --calibrate --background a.vle -k 1 --queries many.vle many.vle
says 'says so' 'too few'
st 'a background of another model' 2 vla-search --calibrate --background o.vle --queries many.vle many.vle
st 'text and picture, each with its own null' 0 search --calibrate -k 1 --image 1.ppm many.vle 'thing number 3'
ok 'two answers' [ "$(wc -l <"$tmp/out")" -eq 2 ]
st 'no such confidence' 2 vla-search --min-p 1.5 --queries many.vle many.vle
cd "$top" || exit 1
finish
