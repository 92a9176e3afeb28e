#!/usr/bin/env python3
"""What the default model can do on held-out data, measured by vla-probe.

usage: vla-mini.py [-m MODEL] [DATA]     (B: build folder, default build; DATA: default ../shared/data)

Prints one TSV row a measurement: set, measure, value, low, high, n. The interval holds 95 %: a bootstrap over pictures for retrieval, Wilson's for
classification and choices. Seen names took part in training, with other pictures. Beside retrieval stands the linear baseline: ridge from the
words of 4,000 captions to the features of MobileNetV2 (when it is in ../shared/models). The last part is what the model can say of the
micro-world: which of two captions is true, by what is changed in the false one; 0.5 is chance. The last line is the verdict: `shown` (exit 0)
when the floors are reached, `not shown` (exit 1) when not; exit 77 when a data set is absent.
"""
import csv
import os
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

    def probe(self, task, *args, model=True):
        """Rows of vla-probe: (group, measure) -> value, low, high, n."""
        out = {}
        for line in self.run("vla-probe", task, *(self.model if model else []), *args).splitlines()[1:]:
            group, measure, *numbers = line.split("\t")
            out[group, measure] = [float(x) if x else float("nan") for x in numbers]
        return out

    def table(self, names, items):
        name = self.path(".tsv")
        escape = lambda x: str(x).replace("\\", "\\\\").replace("\t", "\\t")
        with open(name, "w", encoding="utf-8") as f:
            f.writelines("\t".join(map(escape, r)) + "\n" for r in [names, *items])
        return name


RESULTS = {}


def report(name, measure, value, low, high, n):
    RESULTS[name, measure] = value
    print(f"{name}\t{measure}\t{value:.3f}\t{low:.3f}\t{high:.3f}\t{n:.0f}", flush=True)


def retrieval(t, name, pairs):
    """pairs: (text, file) with several texts a file allowed."""
    r = t.probe("retrieval", "--root", "/", t.table(["caption", "file"], [(c, os.path.abspath(f)) for c, f in pairs]))
    for k in ("R@1", "R@5"):
        report(name, k, *r["text to image", k])


def zero_shot(t, name, files, labels, names, measure):
    """labels: index into names for each file."""
    images = t.table(["file", "class"], [(os.path.abspath(f), c) for f, c in zip(files, labels)])
    classes = t.table(["class", "name"], enumerate(names))
    report(name, measure, *t.probe("zeroshot", "--root", "/", "-s", f"classes={classes}", images)["all", "top-1"])


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
    teacher = os.path.join(data, "..", "models", "mobilenet_v2_1.0_224")
    if not os.path.isdir(teacher):
        return
    stream = t.path(".vle")
    t.run("vla-embed", "-q", "-m", teacher, "--pooled", "--dtype", "f32", "-r", "-o", stream, d + "/images")
    r = t.probe("words", "--images", stream, "-j", d + "/images.tsv", "-s", "train=split=train", "-s", "test=split=test",
                d + "/captions.tsv", model=False)
    for k in ("R@1", "R@5"):
        report("flickr8k test, linear baseline", k, *r["text to image", k])


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


def micro_world(t, data, tmp):
    d = os.path.join(tmp, "world")
    t.run("vla-world", "-q", "-n", "400", "-s", "128", "-l", "2", "--splits", "0:0:1", "--seed", "7", "--with", "contrast", "-o", d)
    stream = t.path(".vle")
    t.run("vla-embed", "-q", *t.model, "--dtype", "f32", "-r", "-o", stream, d + "/images", d + "/contrast")
    scenes = ["--images", stream, d + "/manifest.jsonl"]
    rows = t.probe("choice", *scenes)
    for (group, measure), r in sorted(rows.items()):
        if measure == "accuracy":
            report("micro-world", f"false caption: {group}", *r)
    r = t.probe("snare", "-s", "tasks=negation,ownership,spatial", *scenes)
    report("micro-world", "is over is not", *r["negation", "true top-1"])
    report("micro-world", "attributes exchanged", *r["ownership", "exchanged top-1"])
    report("micro-world", "one of four directions", *r["spatial", "accuracy"])
    report("micro-world", "contrast pairs, both", *t.probe("contrast", *scenes)["all", "both"])
    report("micro-world", "negations, AUC", *t.probe("yesno", *scenes)["all", "AUC"])


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
        for part in (flickr, caltech, tiny, emoji, clothing, micro_world):
            part(t, data, tmp)
    missed = [f"{n} {m} {RESULTS[n, m]:.3f} < {v}" for (n, m), v in FLOORS.items() if RESULTS[n, m] < v]
    print("not shown: " + "; ".join(missed) if missed else "shown")
    return 1 if missed else 0


sys.exit(main())
