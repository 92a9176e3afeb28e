#!/usr/bin/env python3
"""Writes the character tables from Python's unicodedata: categories, lower case, (de)composition.

    python3 lib/text/unicode_gen.py classes > lib/text/unicode_data.c
    python3 lib/text/unicode_gen.py forms > lib/text/normal_form_data.c
    python3 lib/text/unicode_gen.py compat > lib/text/compat_data.c
"""
import sys
import unicodedata as u

# The order of vla_gc in unicode.h.
GC = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn").split()
N = 0x110000


def rows(name, ctype, items, per):
    print(f"const {ctype} {name}[] = {{")
    for i in range(0, len(items), per):
        print("\t" + " ".join(x + "," for x in items[i:i + per]))
    print("};")
    print(f"const size_t {name}_n = sizeof {name} / sizeof {name}[0];")
    print()


def categories():
    out, last = [], None
    for c in range(N):
        g = GC.index(u.category(chr(c)))
        if g != last:
            out.append(f"0x{c << 5 | g:x}")
            last = g
    return out


def lower():
    """Runs of code points with one distance to their lower case, every one or every second."""
    m = []
    for c in range(N):
        low = chr(c).lower()
        if len(low) == 1 and ord(low) != c:
            m.append((c, ord(low) - c))
    out, i = [], 0
    while i < len(m):
        c, d = m[i]
        best = (1, 1)
        for stride in (1, 2):
            j = i + 1
            while j < len(m) and m[j] == (c + stride * (j - i), d):
                j += 1
            best = max(best, (j - i, stride))
        out.append(f"{{0x{c:x}, {best[0]}, {best[1]}, {d}}}")
        i += best[0]
    return out


def decompositions():
    """(composed, first, second, may be composed again); second 0 for a single code point. Hangul is arithmetic."""
    out = []
    for c in range(N):
        d = u.decomposition(chr(c))
        if d and not d.startswith("<"):
            p = [int(x, 16) for x in d.split()] + [0]
            back = p[1] != 0 and u.normalize("NFC", chr(p[0]) + chr(p[1])) == chr(c)
            out.append((c, p[0], p[1], back))
    return out


def compatibility():
    """Full compatibility decompositions that differ from the canonical ones: runs of single code points, and longer
    ones with their place in a pool."""
    runs, many, pool = [], [], []
    for c in range(N):
        d = [ord(x) for x in u.normalize("NFKD", chr(c))]
        if d == [ord(x) for x in u.normalize("NFD", chr(c))]:
            continue
        if len(d) > 1:
            many.append(f"{{0x{c:x}, {len(pool)}, {len(d)}}}")
            pool += d
        elif runs and c == runs[-1][0] + runs[-1][1] and d[0] == runs[-1][2] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([c, 1, d[0]])
    assert max(pool) < 0x10000
    return [f"{{0x{c:x}, {n}, 0x{to:x}}}" for c, n, to in runs], many, [f"0x{c:x}" for c in pool]


def classes():
    out, i = [], 0
    while i < N:
        k = u.combining(chr(i))
        j = i + 1
        if k:
            while j < N and u.combining(chr(j)) == k:
                j += 1
            out.append(f"{{0x{i:x}, {j - i}, {k}}}")
        i = j
    return out


def head():
    print(f"/* Unicode {u.unidata_version} character data, written by unicode_gen.py: do not edit. */")
    print('#include "text/unicode.h"')
    print()


head()
if sys.argv[1] == "classes":
    rows("vla_u_gc", "uint32_t", categories(), 9)
    rows("vla_u_lower", "vla_u_lower_run", lower(), 4)
    rows("vla_u_ccc", "vla_u_ccc_run", classes(), 5)
elif sys.argv[1] == "compat":
    runs, many, pool = compatibility()
    rows("vla_u_compat", "vla_u_compat_run", runs, 5)
    rows("vla_u_compat_many", "vla_u_compat_long", many, 6)
    rows("vla_u_compat_pool", "uint16_t", pool, 14)
else:
    d = decompositions()
    rows("vla_u_decomp", "vla_u_pair", [f"{{0x{c:x}, 0x{a:x}, 0x{b:x}}}" for c, a, b, _ in d], 4)
    order = sorted((i for i in range(len(d)) if d[i][3]), key=lambda i: (d[i][1], d[i][2]))
    rows("vla_u_comp", "uint16_t", [str(i) for i in order], 20)
