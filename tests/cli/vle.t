#!/bin/sh
# vle(5): the reader in the page compiles, agrees with vla-view, and refuses what is cut or damaged.
. tests/lib.sh

awk '
	/^\.Sh/ { on = ($2 == "EXAMPLES") }
	/^\.Ed/ { lit = 0 }
	on && lit { gsub(/\\e/, "\\"); print }
	/^\.Bd -literal/ { lit = 1 }' man/vle.5 >"$tmp/show.c"
cd "$tmp" || exit 1
st 'the reader in the page compiles' 0 "${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror -o show show.c -lz
i=0
while [ $i -lt 3000 ]; do
	i=$((i + 1))
	echo "{\"id\":\"p$i.jpg\",\"caption\":\"c $i\",\"vector\":[$i,0.$i,-1e-$((i % 30))]}"
done | vla-view --from jsonl -o a.vle
cat a.vle a.vle >b.vle
for f in a b; do
	vla-view $f.vle | sed 1d | cut -f 1,7 >$f.want
	st "$f: is read" 0 sh -c "./show <$f.vle >$f.got"
	same "$f: as vla-view reads it" $f.want $f.got
done
vla-view --head 2 -o c.vle a.vle
size=$(wc -c <c.vle)
n=0
for cut in 0 1 15 16 64 127 128 200 $((size - 64)) $((size - 1)); do
	head -c "$cut" c.vle >cut.vle
	./show <cut.vle >out 2>&1
	[ $? -eq 2 ] || n=$((n + 1))
done
ok 'prefixes are refused' [ $n -eq 0 ]
st 'other types are refused' 2 sh -c 'vla-view --dtype f16 --to vle a.vle | ./show'
finish
