#!/usr/bin/env python3
"""Writes the table of HTML's named character references and the narrow forms of wide characters.

    python3 lib/text/html_gen.py > lib/text/html_data.c
"""
import html.entities
import unicodedata


def escape(s):
    return "".join(f"\\{b:03o}" if b < 0x21 or b > 0x7e or chr(b) in '"\\?' else chr(b) for b in s.encode())


def pack(items, start="\t"):
    line = start
    for x in items:
        if len(line) + len(x) + 1 > 112:
            print(line.rstrip())
            line = start
        line += x + " "
    print(line.rstrip())


print("/* Named character references of HTML 5, and compatibility forms; written by html_gen.py: do not edit. */")
print('#include "text/html.h"')
print()
names = sorted((k.encode(), v) for k, v in html.entities.html5.items())
print("/* Sorted by name; a name with and one without its semicolon are two. */")
print("const vla_html_name vla_html_names[] = {")
pack([f'{{"{escape(k.decode())}", "{escape(v)}"}},' for k, v in names])
print("};")
print()
print("/* Where the names with each first letter begin in it, from 'A' to past 'z'. */")
print("const uint16_t vla_html_first[VLA_HTML_LETTERS + 1] = {")
pack([f"{sum(k[0] < c for k, _ in names)}," for c in range(ord('A'), ord('z') + 2)])
print("};")
print()
print("/* What U+FF01 on are the wide or narrow forms of; 0: itself (or, for U+FFE3, two). */")
print("const uint16_t vla_width_forms[VLA_WIDTH_FORMS] = {")
forms = []
for c in range(0xff01, 0xfff0):
    n = unicodedata.normalize("NFKC", chr(c))
    forms.append(f"0x{ord(n):x}," if len(n) == 1 and n != chr(c) else "0,")
pack(forms)
print("};")
