#!/usr/bin/env python3
"""What the default model can do on held-out data, measured through the tools.

usage: vla-mini.py [-m MODEL] [DATA]     (B: build folder, default build; DATA: default ../shared/data)

Prints one TSV row a measurement: set, measure, value, low, high, n. The interval holds 95 %: a bootstrap over pictures for retrieval, Wilson's for
classification. Seen names took part in training, with other pictures. The last line is the verdict: `shown` (exit 0) when the floors are
reached, `not shown` (exit 1) when not; exit 77 when a data set is absent.
"""
import csv
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import zipfile

FLOORS = {("flickr8k test", "R@1"): 0.25, ("flickr8k test", "R@5"): 0.60, ("caltech101 test", "top-1 en"): 0.60}
BUILD = os.environ.get("B", "build")


def rows(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


class Tools:
    def __init__(self, model, tmp):
        self.model = ["-m", model] if model else []
        self.tmp = tmp
        self.n = 0

    def path(self, end):
        self.n += 1
        return os.path.join(self.tmp, f"{self.n}{end}")

    def run(self, tool, *args):
        p = subprocess.run([os.path.join(BUILD, "bin", tool), *args], capture_output=True)
        if p.returncode != 0:
            sys.exit(p.stderr.decode("utf-8") + f"{tool} {' '.join(args)}: exit status {p.returncode}")
        return p.stdout.decode("utf-8")

    def lines(self, items):
        name = self.path(".txt")
        with open(name, "w", encoding="utf-8") as f:
            f.writelines(i + "\n" for i in items)
        return name

    def pictures(self, files):
        out = self.path(".vle")
        self.run("vla-embed", "-q", *self.model, "--dtype", "f32", "--files-from", self.lines(files), "-o", out)
        return out

    def texts(self, texts):
        """A stream whose record i is text i: the ids of texts are their line numbers."""
        out = self.path(".vle")
        self.run("vla-embed", "-q", *self.model, "--dtype", "f32", "--text", self.lines(texts), "-o", out)
        return out

    def rank(self, queries, base, k):
        """For each query of a stream, in order, the ids of the k best rows."""
        out, last = [], None
        for line in self.run("vla-search", "--queries", queries, "-k", str(k), base).splitlines():
            query, _, _, ident = line.split("\t")[:4]
            if query != last:
                out.append((query, []))
                last = query
            out[-1][1].append(ident)
        return out


def wilson(hits, n):
    p, z = hits / n, 1.959964
    mid = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return p, mid - half, mid + half


def bootstrap(groups):
    """groups: for each picture a list of 0 and 1. Mean over all, and the interval of resampled pictures."""
    rng = random.Random(1)
    mean = lambda gs: sum(map(sum, gs)) / sum(map(len, gs))
    draws = sorted(mean(rng.choices(groups, k=len(groups))) for _ in range(2000))
    return mean(groups), draws[50], draws[1949]


RESULTS = {}


def report(name, measure, value, low, high, n):
    RESULTS[name, measure] = value
    print(f"{name}\t{measure}\t{value:.3f}\t{low:.3f}\t{high:.3f}\t{n}", flush=True)


def retrieval(t, name, pairs, ks=(1, 5), suffix=""):
    """pairs: (text, file) with several texts a file allowed."""
    files = sorted({f for _, f in pairs})
    found = t.rank(t.texts([c for c, _ in pairs]), t.pictures(files), max(ks))
    for k in ks:
        groups = {}
        for (_, f), (_, ids) in zip(pairs, found):
            groups.setdefault(f, []).append(int(f in ids[:k]))
        report(name, f"R@{k}{suffix}", *bootstrap(list(groups.values())), len(pairs))


def zero_shot(t, name, files, labels, names, measure):
    """labels: index into names for each file."""
    images, classes = t.pictures(files), t.texts(names)
    order = {q: i for i, (q, _) in enumerate(t.rank(classes, classes, 1))}
    best = dict(t.rank(images, classes, 1))
    hits = sum(order[best[f][0]] == c for f, c in zip(files, labels) if f in best)
    report(name, measure, *wilson(hits, len(files)), len(files))


def unpack(data, pack, tmp):
    where = os.path.join(tmp, pack)
    with zipfile.ZipFile(os.path.join(data, pack, "images.zip")) as z:
        z.extractall(where)
    return where


def flickr(t, data, tmp):
    d = os.path.join(data, "flickr8k-1k-nc")
    split = {r["file"]: r["split"] for r in rows(d + "/images.tsv")}
    test = [(r["caption"], os.path.join(d, r["file"])) for r in rows(d + "/captions.tsv") if split[r["file"]] == "test"]
    retrieval(t, "flickr8k test", test)


def classes(t, data, tmp, folder, split, columns):
    """Zero-shot over a folder of data with classes.tsv and images.tsv, by the names in each column."""
    d = os.path.join(data, folder)
    where = unpack(data, folder, tmp)
    named = sorted(rows(d + "/classes.tsv"), key=lambda r: int(r["class"]))
    held = [r for r in rows(d + "/images.tsv") if r["split"] == split]
    files, labels = [os.path.join(where, r["file"]) for r in held], [int(r["class"]) for r in held]
    for column, measure in columns:
        zero_shot(t, f"{folder.removesuffix('-nc')} {split}", files, labels, [r[column] for r in named], measure)


def caltech(t, data, tmp):
    classes(t, data, tmp, "caltech101", "test", [("name", "top-1 en")])


def tiny(t, data, tmp):
    classes(t, data, tmp, "tiny-imagenet-nc", "val", [("clip_name", "top-1 en"), ("zh_name", "top-1 zh")])


def clothing(t, data, tmp):
    classes(t, data, tmp, "clothing", "test", [("name", "top-1 en"), ("zh", "top-1 zh")])


def emoji(t, data, tmp):
    d = os.path.join(data, "emoji-noto")
    held = [r for i, r in enumerate(rows(d + "/emoji.tsv"), 1) if i % 5 == 0]
    for lang in ("en", "zh"):
        pairs = [(r[lang + "_name"], os.path.join(d, r["file"])) for r in held if r[lang + "_name"]]
        retrieval(t, f"emoji held out ({lang})", pairs)


def main():
    args = sys.argv[1:]
    model = None
    if args[:1] == ["-m"]:
        model, args = args[1], args[2:]
    data = args[0] if args else os.path.join(os.environ.get("VLA_SHARED", "../shared"), "data")
    if not os.path.isdir(os.path.join(data, "flickr8k-1k-nc")):
        print(f"SKIP: no data in {data}")
        return 77
    print("set\tmeasure\tvalue\tlow\thigh\tn")
    with tempfile.TemporaryDirectory() as tmp:
        t = Tools(model, tmp)
        for part in (flickr, caltech, tiny, emoji, clothing):
            part(t, data, tmp)
    missed = [f"{n} {m} {RESULTS[n, m]:.3f} < {v}" for (n, m), v in FLOORS.items() if RESULTS[n, m] < v]
    print("not shown: " + "; ".join(missed) if missed else "shown")
    return 1 if missed else 0


sys.exit(main())
