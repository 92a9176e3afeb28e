#!/bin/sh
# vla-view: the battery, all forms there and back, joining, damage, comparison.
. tests/lib.sh
. tests/cli/battery.sh

prepare() {
	printf 'id\tcaption\tvector\na.jpg\ttwo dogs\t1 0 0.5\nb.jpg\t\t0.25 0.1 -7\n' | vla-view --from tsv -o a.vle
}

missing='--count none.vle'
full='a.vle'
battery vla-view

cd "$tmp" || exit 1
prepare
st 'missing input' 2 vla-view none.vle
says 'is named once' "^vla-view: cannot open 'none.vle': No such file or directory$"
st 'two tasks at once' 2 vla-view --count --check a.vle
is 'count' 2 vla-view --count a.vle
is 'count of two' 4 vla-view --count a.vle a.vle
is 'check' 'a.vle	2	ok' vla-view --check a.vle
is 'quiet check' '' vla-view -q --check a.vle
st 'header' 0 vla-view --header a.vle
says 'says the kind' '^kind=dense$'
says 'says the command' "^pg.1=.* vla-view --from tsv -o a.vle$"
is 'head' 'a.jpg' sh -c 'vla-view --head 1 a.vle | sed 1d | cut -f 1'
is 'caption' 'two dogs' sh -c 'vla-view a.vle | sed -n 2p | cut -f 2'

printf '{"id":"q\\"\\t\\u0001","caption":"\\u96ea","label":"x","box":[1,2,3,4],"time":[0,1.5],"vector":[1,0.333333343]}\n' >d.jsonl
printf '{"id":"r","vector":[3.40282347e+38,-1.17549435e-38]}\n' >>d.jsonl
printf '{"id":"a","grid":[1,2],"vectors":[[1,2,3],[4,5,6]]}\n{"id":"b","vectors":[]}\n' >t.jsonl
printf '{"id":"a","index":[0,7],"weight":[0.5,2]}\n{"id":"b","index":[],"weight":[]}\n' >s.jsonl
for k in d t s; do
	st "$k: JSON Lines to a stream" 0 vla-view --dim "$([ $k = s ] && echo 8 || echo 0)" -o $k.vle $k.jsonl
	st "$k: a stream to text" 0 vla-view -o $k.tsv $k.vle
	st "$k: text to a stream" 0 vla-view --dim "$([ $k = s ] && echo 8 || echo 0)" -o $k.2.vle $k.tsv
	st "$k: back to JSON Lines" 0 vla-view -o $k.2.jsonl $k.2.vle
	vla-view --to jsonl $k.vle >$k.1.jsonl
	same "$k: nothing is lost" $k.1.jsonl $k.2.jsonl
done
for dtype in f16 bf16 i8; do
	st "$dtype" 0 vla-view --dtype $dtype -o a.$dtype.vle a.vle
	st "$dtype is near" 0 vla-view --compare --tol 0.03 a.vle a.$dtype.vle
	st "$dtype is not the same" 1 vla-view --compare a.vle a.$dtype.vle
done
for form in npy fbin; do
	st "to $form" 0 vla-view -o a.$form a.vle
	st "from $form" 0 vla-view --compare a.vle a.$form
	is "ids of $form" 'a.jpg
b.jpg' cat a.$form.ids
	vla-view --to $form a.vle >pipe.$form
	vla-view --to $form a.vle | cat >pipe2.$form
	same "$form through a pipe" a.$form pipe.$form
	same "$form through another" a.$form pipe2.$form
	st "$form from a pipe into a pipe" 0 sh -c "{ cat a.vle | vla-view --to $form; echo status \$? >&2; } | cat"
	says 'is refused' 'status 2'
done
cp a.npy loop.npy
ln -s loop.npy.ids loop.npy.ids
st 'ids that cannot be read' 2 vla-view loop.npy
says 'are not passed over' 'ids'
st 'tokens to npy need equal rows' 2 vla-view -o t.npy t.vle
st 'sparse is no array' 2 vla-view -o s.npy s.vle
ok 'and nothing is left behind' not test -e s.npy

# NumPy agrees, where it is installed.
if /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
	/usr/bin/python3 - <<'X'
import numpy as np
x = np.arange(24, dtype='f8').reshape(4, 6) / 7
np.save('n8.npy', x)
np.save('n2.npy', x.astype('f2'))
np.save('n3.npy', x.astype('f4').reshape(2, 2, 6))
np.save('fortran.npy', np.asfortranarray(x.astype('f4')))
np.save('int.npy', x.astype('i4'))
with open('v2.npy', 'wb') as f:
    np.lib.format.write_array(f, x.astype('f4'), version=(2, 0))
with open('v3.npy', 'wb') as f:
    np.lib.format.write_array(f, x.astype('f4'), version=(3, 0))
np.save('nan.npy', np.where(x > 3.2, np.nan, x).astype('f4'))
np.save('a.ref.npy', np.array([[1, 0, .5], [.25, .1, -7]], dtype='f4'))
X
	ok 'NumPy reads what was written' /usr/bin/python3 -c "import numpy as np
assert (np.load('a.npy') == np.load('a.ref.npy')).all() and np.load('a.npy').dtype == np.float32"
	st 'f8, f4 version 2' 0 vla-view --compare n8.npy v2.npy
	st 'f4 version 3' 0 vla-view --compare n8.npy v3.npy
	st 'f2' 0 vla-view --compare --tol 0.002 n8.npy n2.npy
	st 'three dimensions' 0 vla-view -o n3.vle n3.npy
	is 'are tokens' '2' sh -c 'vla-view n3.vle | cut -f 7 | grep -c ";.*;"'
	st 'Fortran order' 2 vla-view fortran.npy
	says 'is refused' 'Fortran'
	st 'integers' 2 vla-view int.npy
	says 'are refused' "'<i4'"
	st 'NaN in a record' 2 vla-view -o nan.tsv nan.npy
	says 'names the record' "record 3"
	is 'the others are done' 4 sh -c 'wc -l <nan.tsv | tr -d " "'
	head -c 100 v2.npy >cut.npy
	st 'cut array' 2 vla-view cut.npy
else
	skip 'NumPy is not installed'
fi

cat a.vle a.vle >aa.vle
is 'cat joins streams' 4 vla-view --count aa.vle
st 'so does --concat' 0 vla-view --concat -o joined.vle a.vle a.i8.vle
is 'over element types' 4 vla-view --count joined.vle
st 'other dimensions do not join' 2 vla-view --concat -o x.vle a.vle d.vle
says 'and are named' '2 numbers a vector do not go with 3'
ok 'no output is left' not test -e x.vle
vla-view --fingerprint m:1 -o m1.vle a.vle
vla-view --fingerprint m:2 -o m2.vle a.vle
st 'other models do not join' 2 vla-view --concat -o x.vle m1.vle m2.vle
says 'both are named' 'm:2.*m:1'

head -c 300 a.vle >cut.vle
for task in --count --check '--to tsv' --header; do
	# shellcheck disable=SC2086
	st "cut stream: $task" "$([ "$task" = --header ] && echo 0 || echo 2)" vla-view $task cut.vle
done
st 'cut stream on a pipe' 2 sh -c 'head -c 300 a.vle | vla-view --count'
says 'is explained' 'stream ends'
st 'empty input' 2 vla-view --count /dev/null
says 'is explained too' 'empty'
st 'text is no stream' 2 vla-view --from vle d.jsonl
st 'full disk' 2 sh -c 'vla-view -o /dev/full a.vle'
st 'closed pipe' 0 sh -c 'yes a.vle | head -n 2000 | xargs vla-view | head -n 1'
st 'bad row' 2 sh -c 'printf "id\tvector\na\t1\nb\tx\nc\t3\n" | vla-view --from tsv -o rows.tsv'
says 'is named' 'line 3'
is 'other rows are done' 'a c ' sh -c 'sed 1d rows.tsv | cut -f 1 | tr "\n" " "'
printf 'id\tvector\na\t1 1\n' | vla-view --from tsv --l2 -o long.vle
st 'rows that are not of unit length' 2 vla-view --check long.vle
says 'are found' 'norm=l2'
cp a.vle bad.vle
printf X | dd of=bad.vle bs=1 seek=400 conv=notrunc 2>/dev/null
st 'damage' 2 vla-view --check bad.vle
says 'is found' 'checksum'
finish
