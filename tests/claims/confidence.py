#!/usr/bin/env python3
"""Whether --min-p keeps its word with the default model, and how many true matches it lets through.

usage: confidence.py [-m MODEL] [DATA]     (B: build folder, default build; DATA: default ../shared/data)

A set is cut into parts, photos into two and classes into ten, and each part is left out once: queries without a match are
the captions or class names of what was left out, queries with one those of another part. Prints one TSV row a set and p:
set, p, false acceptance with its 95 % interval (a bootstrap over photos or classes), share of queries with a match that get
an answer, share whose best answer is right, share right with no threshold, number of queries a side. The verdict in the
last line is `shown` (exit 0) when no false acceptance lies above p by more than chance, `not shown` (exit 1) else; exit 77
when the data are absent.
"""
import csv
import os
import random
import subprocess
import sys
import tempfile
import zipfile

BUILD = os.environ.get("B", "build")
LEVELS = (0.2, 0.1, 0.05)


def rows(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def tool(name, *args):
    p = subprocess.run([os.path.join(BUILD, "bin", name), "-q", *args], capture_output=True)
    if p.returncode > 1:
        sys.exit(p.stderr.decode("utf-8") + f"{name} {' '.join(args)}: exit status {p.returncode}")
    return p.stdout.decode("utf-8")


class Set:
    """photos: file -> group; queries: (text, group). A group is a photo of its own or a class."""

    def __init__(self, name, photos, queries, parts):
        self.name, self.photos, self.queries, self.parts = name, photos, queries, parts
        groups = sorted(set(photos.values()))
        random.Random(7).shuffle(groups)
        self.part = {g: i % parts for i, g in enumerate(groups)}

    def embed(self, model, tmp):
        streams = []
        for i in range(self.parts):
            listed = os.path.join(tmp, "list")
            with open(listed, "w", encoding="utf-8") as f:
                f.writelines(x + "\n" for x, g in self.photos.items() if self.part[g] == i)
            streams.append(os.path.join(tmp, f"{i}.vle"))
            tool("vla-embed", *model, "--files-from", listed, "-o", streams[-1])
        return streams

    def measure(self, model, tmp):
        streams = self.embed(model, tmp)
        null, match, right = {}, [], []
        for out in range(self.parts):
            base, lines = os.path.join(tmp, "base.vle"), os.path.join(tmp, "queries")
            with open(base, "wb") as f:
                for i, name in enumerate(streams):
                    if i != out:
                        with open(name, "rb") as part:
                            f.write(part.read())
            asked = [(t, g) for t, g in self.queries if self.part[g] in (out, (out + 1) % self.parts)]
            with open(lines, "w", encoding="utf-8") as f:
                f.writelines(t + "\n" for t, _ in asked)
            found = tool("vla-search", *model, "-k", "1", "--calibrate", "--text-file", lines, base).splitlines()
            assert len(found) == len(asked)
            for (_, group), line in zip(asked, found):
                _, _, _, ident, p = line.split("\t")
                if self.part[group] == out:
                    null.setdefault(group, []).append(float(p))
                else:
                    match.append(float(p))
                    right.append(self.photos[ident] == group)
        return null, match, right


def interval(groups):
    """Share of true among lists of them, and the interval of resampled lists: queries of one photo go together."""
    rng = random.Random(1)
    mean = lambda gs: sum(map(sum, gs)) / sum(map(len, gs))
    draws = sorted(mean(rng.choices(groups, k=len(groups))) for _ in range(1000))
    return mean(groups), draws[25], draws[974]


def flickr(data):
    d = os.path.join(data, "flickr8k-1k-nc")
    split = {r["file"]: r["split"] for r in rows(os.path.join(d, "images.tsv"))}
    captions = [(r["caption"], os.path.join(d, r["file"])) for r in rows(os.path.join(d, "captions.tsv"))]
    for name, parts in (("flickr8k val and test", ("val", "test")), ("flickr8k 1000", ("train", "val", "test"))):
        photos = {os.path.join(d, f): os.path.join(d, f) for f, s in split.items() if s in parts}
        yield Set(name, photos, [(c, f) for c, f in captions if f in photos], 2)


def classes(data, pack, tmp):
    d = os.path.join(data, pack)
    where = os.path.join(tmp, pack)
    with zipfile.ZipFile(os.path.join(d, "images.zip")) as z:
        z.extractall(where)
    names = {r["class"]: r["name"] for r in rows(os.path.join(d, "classes.tsv"))}
    photos = {os.path.join(where, r["file"]): r["class"] for r in rows(os.path.join(d, "images.tsv"))}
    return Set(pack, photos, [(names[c], c) for c in sorted(names)], 10)


def main():
    args = sys.argv[1:]
    model = []
    if args[:1] == ["-m"]:
        model, args = args[:2], args[2:]
    data = args[0] if args else "../shared/data"
    if not os.path.exists(os.path.join(data, "flickr8k-1k-nc", "captions.tsv")):
        print("# SKIP the photo packs are not there")
        return 77
    held = True
    print("set\tp\tfalse acceptance\tlow\thigh\tanswered\tright\tright without threshold\tn null\tn match")
    with tempfile.TemporaryDirectory() as tmp:
        for s in [*flickr(data), classes(data, "caltech101", tmp)]:
            null, match, right = s.measure(model, tmp)
            for level in LEVELS:
                false, low, high = interval([[p <= level for p in ps] for ps in null.values()])
                held = held and low <= level
                power = sum(p <= level for p in match) / len(match)
                good = sum(p <= level and r for p, r in zip(match, right)) / len(match)
                print(f"{s.name}\t{level}\t{false:.3f}\t{low:.3f}\t{high:.3f}\t{power:.3f}\t{good:.3f}"
                      f"\t{sum(right) / len(right):.3f}\t{sum(map(len, null.values()))}\t{len(match)}", flush=True)
    print("shown" if held else "not shown")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
