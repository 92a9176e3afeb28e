#!/usr/bin/env python3
"""Joins the manifests of the training pictures into one table for the vla-mini recipes.

usage: manifest.py ROOT >vla-mini.tsv

ROOT holds NAME.tsv files with the columns file, split, class, class_zh, caption, source (file is relative to ROOT).
The result has one row a text: file, split, group, en, zh, caption, set.
group is the set of pictures that a row belongs to; sets with many pictures of few classes are cut, and emoji whose row
number is a multiple of 5 are held out. names.tsv beside this script gives fuller English and Chinese names of classes.
"""
import csv
import os
import sys

SETS = {  # manifest: group
    "flickr8k": "captions", "coco-small": "captions", "caltech101": "photos", "grocery": "photos",
    "clothing": "photos", "trashnet": "photos", "imagenette": "photos",
    "imagenet-sample": "photos", "imagen1000": "photos", "imagenet-mini": "photos", "imagenet-val300": "photos",
    "ade20k-val": "photos", "houses": "photos", "scenes15": "photos", "flowers5": "photos", "bsds500": "photos",
    "coco300": "photos", "tiny-imagenet": "tiny",
}
PER_CLASS = {"tiny-imagenet": 100, "imagenette": 500, "scenes15": 150, "flowers5": 300, "houses": 400}


def rows(path):
    with open(path, encoding="utf-8", newline="") as f:
        yield from csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)


def main():
    root = sys.argv[1]
    here = os.path.dirname(os.path.abspath(__file__))
    names = {r["class"]: (r["en"], r["zh"]) for r in rows(os.path.join(here, "names.tsv"))}
    out = csv.writer(sys.stdout, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
    out.writerow(["file", "split", "group", "en", "zh", "caption", "set"])
    for name, group in SETS.items():
        seen = {}
        for r in rows(os.path.join(root, name + ".tsv")):
            if name in PER_CLASS and r["split"] == "train":
                seen[r["class"]] = seen.get(r["class"], 0) + 1
                if seen[r["class"]] > PER_CLASS[name]:
                    continue
            en, zh = r["class"], r["class_zh"]
            if en in names:
                en, zh = names[en][0], zh or names[en][1]
            out.writerow([r["file"], r["split"], group, en, zh, r["caption"], name])
    emoji = 0
    for r in rows(os.path.join(root, "packs.tsv")):
        if r["source"] == "emoji-noto":
            emoji += 1
            split = "test" if emoji % 5 == 0 else "train"
            out.writerow([r["file"], split, "emoji", r["class"], r["class_zh"], "", "emoji-noto"])


main()
