#!/bin/sh
# make demo: pictures to vectors, vectors to an index, the index searched in English and Chinese, the results as a picture. Works on
# drawings that the tree makes itself, or on the pictures below $PHOTOS. Each line that starts with "$" is the command that is run.
set -eu
B=${B:-build}
case $B in /*) ;; *) B=$PWD/$B ;; esac
photos=${PHOTOS:-}
case $photos in '' | /*) ;; *) photos=$PWD/$photos ;; esac
source=$PWD/tests/demo_pictures.c
PATH=$B/bin:$PATH
export PATH
mkdir -p "$B/demo"
cd "$B/demo"
rm -rf ./*.vle ./*.vlx ./*.jpg pictures

show() {
	echo
	echo "\$ $1"
	sh -c "$1"
}

if [ -n "$photos" ]; then
	ln -s "$photos" pictures
	in=pictures/
	set -- 'a dog' 'people on a beach' 'food on a table' 一辆汽车 山
else
	mkdir pictures
	${CC:-cc} -O2 -o draw "$source" -lm
	./draw pictures
	in=pictures
	echo "$(find pictures -name '*.ppm' | wc -l) drawings in $B/demo/pictures"
	set -- 'a red heart' 'a cat' 'a house' 雪人 月亮
fi

show "vla-embed -r -o pictures.vle $in"
show "vla-index -o pictures.vlx pictures.vle"
show "vla-index --info pictures.vlx"
show "vla-search -k 3 pictures.vlx '$1' '$2' '$3'"
show "vla-search -k 3 pictures.vlx $4 $5"
if [ -n "$photos" ]; then
	show "vla-search -k 3 -- pictures.vlx +beach -people"
	show "vla-search -k 6 --sheet hits.jpg pictures.vlx '$1'"
else
	show "vla-search -k 3 -- pictures.vlx +sky +0.5:night"
	show "vla-search -k 3 --image pictures/apple.ppm pictures.vlx"
	show "vla-search -k 16 --sheet hits.jpg pictures.vlx 'a red thing' >ranking.tsv && head -n 5 ranking.tsv"

	# What the drawings are is known: count the names that find their drawing first.
	printf '%s\t%s\n' heart heart star star sun sun moon moon 'smiling face' smile house house tree tree apple apple umbrella umbrella \
		snowman snowman rain rain sailboat boat flower flower mushroom mushroom clock clock cat cat \
		心 heart 星星 star 太阳 sun 月亮 moon 笑脸 smile 房子 house 树 tree 苹果 apple 雨伞 umbrella 雪人 snowman 下雨 rain \
		帆船 boat 花 flower 蘑菇 mushroom 时钟 clock 猫 cat >names.tsv
	cut -f 1 names.tsv | vla-search -k 1 --text-file - pictures.vlx | cut -f 4 | sed 's|pictures/||; s|\.ppm||' >first
	cut -f 2 names.tsv | paste - first | awk '{ n++; r += $1 == $2 } NR == 16 { e = r } END {
		printf "\n%d of 16 English and %d of 16 Chinese names find their drawing first; chance is 1 of 16.\n", e, r - e
		exit n != 32 || r < 8
	}' || { echo 'demo: that is not better than chance' >&2 && exit 1; }
fi
echo
echo "The contact sheet is $B/demo/hits.jpg"
[ -s hits.jpg ]
