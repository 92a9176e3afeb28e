#!/usr/bin/env python3
"""Caption metrics by definition, slowly: usage captions.py REFERENCES CAPTIONS (TSV: file, caption). The same rows as
`vla-probe captions` prints for BLEU-1..4, ROUGE-L and CIDEr, without intervals."""
import csv
import math
import re
import sys
from collections import Counter


def table(path):
    out = {}
    with open(path, encoding="utf-8", newline="") as f:
        for r in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            out.setdefault(r["file"], []).append(re.findall(r"[a-z0-9]+(?:['-]+[a-z0-9]+)*", r["caption"].lower()))
    return out


def grams(words, n):
    return Counter(tuple(words[i:i + n]) for i in range(len(words) - n + 1))


def bleu(refs, said, order):
    hit, total, c, r = [0] * order, [0] * order, 0, 0
    for k in said:
        guess = said[k][0]
        c += len(guess)
        r += min((abs(len(x) - len(guess)), len(x)) for x in refs[k])[1]
        for n in range(order):
            g = grams(guess, n + 1)
            most = Counter()
            for x in refs[k]:
                most |= grams(x, n + 1)
            hit[n] += sum(min(v, most[w]) for w, v in g.items())
            total[n] += sum(g.values())
    if min(hit) == 0:
        return 0.0
    return math.exp(sum(math.log(h / t) for h, t in zip(hit, total)) / order + min(0, 1 - r / c))


def lcs(a, b):
    t = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            t[i + 1][j + 1] = t[i][j] + 1 if x == y else max(t[i][j + 1], t[i + 1][j])
    return t[-1][-1]


def rouge(refs, said):
    scores = []
    for k in said:
        g = said[k][0]
        p = max(lcs(x, g) / len(g) for x in refs[k])
        r = max(lcs(x, g) / len(x) for x in refs[k])
        scores.append((1 + 1.44) * p * r / (r + 1.44 * p) if p and r else 0)
    return sum(scores) / len(scores)


def cider(refs, said):
    df = Counter()
    for k in refs:
        df.update({g for x in refs[k] for n in range(1, 5) for g in grams(x, n)})
    total = math.log(len(refs))
    vec = lambda words, n: {g: c * (total - math.log(max(1, df[g]))) for g, c in grams(words, n).items()}
    norm = lambda v: math.sqrt(sum(x * x for x in v.values()))
    scores = []
    for k in said:
        g, s = said[k][0], 0
        for x in refs[k]:
            for n in range(1, 5):
                a, b = vec(g, n), vec(x, n)
                if norm(a) and norm(b):
                    dot = sum(min(v, b.get(w, 0)) * b.get(w, 0) for w, v in a.items())
                    s += dot / norm(a) / norm(b) / 4 * math.exp(-(len(g) - len(x)) ** 2 / 72) / len(refs[k])
        scores.append(10 * s)
    return sum(scores) / len(scores)


refs, said = table(sys.argv[1]), table(sys.argv[2])
for n in range(1, 5):
    print(f"BLEU-{n}\t{bleu(refs, said, n):.6g}")
print(f"ROUGE-L\t{rouge(refs, said):.6g}")
print(f"CIDEr\t{cider(refs, said):.6g}")
