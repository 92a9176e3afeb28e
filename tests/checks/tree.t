#!/bin/sh
# Rules of the tree that a machine keeps: one-way rooms, public headers that stand alone, a library that neither prints nor
# exits, exported symbols that are declared, man pages that name every option, clean white space.
B=${B:-build}
n=0
failed=0
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT INT TERM

# t NAME FILE: passes when FILE, the list of offences, is empty.
t() {
	n=$((n + 1))
	if [ -s "$2" ]; then
		echo "not ok $n - $1"
		sed 's/^/# /' "$2" | head -n 40
		failed=1
	else
		echo "ok $n - $1"
	fi
}

# 1. A room includes itself and rooms above it; tools see the public headers and common/ alone.
rooms='base io kern grad text nn model decode index ground train probe world'
find lib -name '*.[ch]' -exec awk -v rooms="$rooms" '
BEGIN { k = split(rooms, r, " "); for (i = 1; i <= k; i++) level[r[i]] = i }
FNR == 1 { split(FILENAME, part, "/"); here = part[2] }
match($0, /^#[ \t]*include[ \t]+"[a-z]+\//) {
	s = $0; sub(/^[^"]*"/, "", s); sub(/\/.*/, "", s)
	if (!(s in level)) print FILENAME ":" FNR ": includes from unknown room " s
	else if (here == "vla") print FILENAME ":" FNR ": a public header includes a private one"
	else if (level[s] > level[here]) print FILENAME ":" FNR ": room " here " includes room " s
}' {} + >"$tmp/layers"
grep -nE '^#[ 	]*include[ 	]+"' cmd/*.c cmd/common/*.[ch] 2>/dev/null | grep -vE '"common/' >>"$tmp/layers"
t 'rooms include only rooms above them' "$tmp/layers"

# 2. cblas and oneDNN are known to lib/kern alone.
find lib cmd -name '*.[ch]' -exec grep -lE 'include <(cblas|dnnl|oneapi)' {} + | grep -v '^lib/kern/' >"$tmp/blas"
t 'only lib/kern knows OpenBLAS and oneDNN' "$tmp/blas"

# 3. Each public header compiles alone, as C11 and as C++.
: >"$tmp/headers"
for h in lib/vla/*.h; do
	printf '#include <vla/%s>\n' "${h##*/}" >"$tmp/h.c"
	${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -Ilib -fsyntax-only "$tmp/h.c" >>"$tmp/headers" 2>&1
	cp "$tmp/h.c" "$tmp/h.cc"
	${CXX:-c++} -std=c++17 -Wall -Wextra -Werror -Ilib -fsyntax-only "$tmp/h.cc" >>"$tmp/headers" 2>&1
done
t 'public headers stand alone in C11 and C++' "$tmp/headers"

# 4. The usage example at the top of each public header names only functions that exist.
for h in lib/vla/*.h; do
	sed -n '/^\/\*/,/\*\//p;/\*\//q' "$h" | grep -oE '\bvla_[a-z0-9_]+\(' | tr -d '(' | sort -u | while read -r f; do
		grep -qE "\b$f\(" lib/vla/*.h && grep -hE "^(VLA_API|typedef|#define).*\b$f\b" lib/vla/*.h >/dev/null ||
			echo "$h: example calls $f, which no header declares"
	done
done >"$tmp/examples"
t 'examples in headers call declared functions' "$tmp/examples"

# 5. The library never prints and never ends the process.
if [ -e "$B/lib/libvla.so" ]; then
	nm -D --undefined-only "$B/lib/libvla.so" | awk '{ print $NF }' | sed 's/@.*//' |
		grep -xE 'exit|_exit|_Exit|abort|quick_exit|stderr|printf|puts|putchar|perror|vprintf|__printf_chk|__vprintf_chk|__assert_fail' \
			>"$tmp/pure"
	# Writing to standard output where a caller asks for "-" is the business of two files.
	for o in "$B"/obj/lib/*/*.o; do
		case $o in */io/outfile.o | */io/file.o) continue ;; esac
		nm --undefined-only "$o" | grep -qw stdout && echo "$o uses stdout"
	done >>"$tmp/pure"
	case $B in *address* | *thread*) : >"$tmp/pure" ;; esac
	t 'the library neither prints nor exits' "$tmp/pure"

	# 6. Exported symbols are those declared, all of them vla_.
	nm -D --defined-only "$B/lib/libvla.so" | awk '{ print $NF }' | grep -vE '^(_init|_fini|__.*|_edata|_end)$' | sort -u >"$tmp/have"
	cat lib/vla/*.h | tr '\n' ' ' | sed 's@/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/@@g' | grep -oE 'VLA_API [^;(]*\(' |
		grep -oE 'vla_[a-z0-9_]+\($' | tr -d '(' | sort -u >"$tmp/want"
	comm -3 "$tmp/have" "$tmp/want" | sed 's/^\t/declared but not defined: /; t; s/^/exported but not declared: /' >"$tmp/exports"
	case $B in *address* | *thread*) : >"$tmp/exports" ;; esac
	t 'exported symbols are the declared ones' "$tmp/exports"
fi

# 7. Every tool has a page that names each of its long options, and the other way round.
: >"$tmp/man"
for c in cmd/vla-*.c; do
	[ -e "$c" ] || continue
	tool=$(basename "$c" .c)
	page=man/$tool.1
	if [ ! -e "$page" ]; then
		echo "$tool has no man page" >>"$tmp/man"
		continue
	fi
	"$B/bin/$tool" --help 2>/dev/null | grep -oE '(^|[ ,])--[a-z0-9][a-z0-9-]*' | grep -oE '\-\-[a-z0-9-]+' | sort -u >"$tmp/opts"
	[ -s "$tmp/opts" ] || echo "$tool --help names no options" >>"$tmp/man"
	while read -r o; do
		o=${o#--}
		sed 's/\\-/-/g' "$page" | grep -qE "Fl Fl $o\b|Fl -$o\b|--$o\b" || echo "$page does not name --$o" >>"$tmp/man"
	done <"$tmp/opts"
	for s in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
		grep -q "^\.Sh $s" "$page" || echo "$page has no section $s" >>"$tmp/man"
	done
	grep -q -- "$tool" README.md || echo "README.md does not name $tool" >>"$tmp/man"
done
t 'man pages name every option' "$tmp/man"

: >"$tmp/mandoc"
if command -v mandoc >/dev/null; then
	for p in man/*.[157]; do
		[ -e "$p" ] && mandoc -Tlint -W warning "$p" 2>&1 | grep -vE 'outdated mandoc.db|STYLE' >>"$tmp/mandoc"
	done
	t 'mandoc finds nothing to say about the pages' "$tmp/mandoc"
else
	n=$((n + 1))
	echo "ok $n # SKIP mandoc is not installed"
fi

# 8. White space, leftovers, sizes.
: >"$tmp/space"
git ls-files 2>/dev/null | grep -vE '\.(png|jpg|safetensors|bin|vle)$|^tests/fuzz/corpus/' | while read -r f; do
	[ -f "$f" ] || continue
	grep -nE '[ 	]+$' "$f" /dev/null | head -n 3
	case $f in
	*.c | *.h) grep -nE '^ +[^ *]' "$f" /dev/null | head -n 3 ;;
	esac
done >"$tmp/space"
t 'no trailing space, tabs for indentation' "$tmp/space"

: >"$tmp/long"
find lib cmd -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 > 1500 { print $2 " has " $1 " lines" }' >"$tmp/long"
git ls-files 2>/dev/null | while read -r f; do
	[ -f "$f" ] && [ "$(wc -c <"$f")" -gt 16777216 ] && echo "$f is over 16 MB"
done >>"$tmp/long"
t 'no source over 1,500 lines, no file over 16 MB' "$tmp/long"

find lib cmd -name '*.[ch]' -exec grep -nE '\b(TODO|FIXME|XXX)\b' {} + >"$tmp/marks"
t 'no unfinished marks' "$tmp/marks"

# 9. Every operator file is in the table that the gradient test walks.
: >"$tmp/ops"
for f in lib/grad/op_*.c; do
	[ -e "$f" ] || continue
	grep -oE '^const vla_op vla_op_[a-z0-9_]+' "$f" | awk '{ print $3 }' | while read -r o; do
		grep -qE "&$o\b" lib/grad/ops.c || echo "$f: $o is not in the table of lib/grad/ops.c"
	done
done >>"$tmp/ops"
t 'every operator is in the table' "$tmp/ops"

echo "1..$n"
exit $failed
