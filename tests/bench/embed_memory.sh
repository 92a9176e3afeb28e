#!/bin/sh
# Peak memory of embedding many pictures: 2,000 against 200,000 (VLA_MANY for another number) from a list of names, one tiny
# picture under all of them, a tiny model. TSV: name, value, unit; fails when the larger number needs a tenth more.
B=${B:-build}
many=${VLA_MANY:-200000}
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT INT TERM
PATH=$PWD/$B/bin:$PATH
export OMP_NUM_THREADS=1
. tests/cli/tiny.sh
tiny_model "$tmp/model" && ppm "$tmp/a.ppm" 250 10 10 8 || exit 2

# The peak resident size of a command, in KiB.
peak() {
	python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
}

last=0
for n in 2000 "$many"; do
	yes "$tmp/a.ppm" | head -n "$n" >"$tmp/list"
	kib=$(peak vla-embed -q -m "$tmp/model" --compute f32 --files-from "$tmp/list" -o "$tmp/out.vle") || exit 2
	[ "$(vla-view --count "$tmp/out.vle")" -eq "$n" ] || exit 2
	printf 'peak memory, %s pictures\t%s\tKiB\n' "$n" "$kib"
	[ "$last" -eq 0 ] || [ "$kib" -le $((last + last / 10)) ] || exit 1
	last=$kib
done
