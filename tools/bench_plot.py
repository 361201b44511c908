#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draw the benchmark's results:  bench_plot.py [FOLDER or FILE.json [FOLDER for the pictures]]

rows.svg has a line for each row, and on it how many times weft's figure each peer needs; growth.svg what an
operation costs as the number of things grows. Standard library only.
"""

import html
import math
import pathlib
import sys

from bench_rows import ROWS
from bench_table import ORDER, ROOT, groups, in_order, number, ratio, read, value

COLOURS = {
    "weft": "#c2185b", "go": "#0288d1", "go_yield": "#81d4fa", "tokio": "#e65100", "fiber": "#6d4c41",
    "tbb": "#7b1fa2", "openmp": "#9e9d24", "nsync": "#2e7d32", "glib": "#90a4ae", "pthread": "#455a64",
    "bare": "#000000",
}
LINE, LABELS, WIDTH = 18, 220, 900
LOWEST, HIGHEST = 0.01, 1000.0  # ratios beyond are drawn at the edge
PANEL_WIDTH, PANEL_HEIGHT, PANELS_ACROSS = 290, 220, 3


class Drawing:
    def __init__(self, width, height):
        self.width, self.height, self.parts = width, height, []

    def line(self, x1, y1, x2, y2, colour="#ddd", width=1):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"/>')

    def text(self, x, y, text, anchor="start", weight="normal", size=12):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
                          f'font-weight="{weight}">{html.escape(text)}</text>')

    def dot(self, x, y, subject, title):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{COLOURS[subject]}">'
                          f'<title>{html.escape(title)}</title></circle>')

    def curve(self, points, subject):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[subject]}" stroke-width="2"/>')

    def legend(self, x, y, subjects):
        for subject in subjects:
            self.dot(x, y - 4, subject, subject)
            self.text(x + 8, y, subject)
            x += 24 + 7 * len(subject)

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
                f'viewBox="0 0 {self.width} {self.height}" font-family="sans-serif">\n'
                '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def decades(low, high):
    """Powers of ten that enclose low and high, at least one apart."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return range(first, max(last, first + 1) + 1)


def plain(power):
    return f"{10 ** power:,}" if power >= 0 else f"{10.0 ** power:g}"


def within(ratio):
    return min(max(ratio, LOWEST), HIGHEST)


def ratio_lines(results):
    """(section or None, row, P, {subject: its figure over weft's}) of what can be compared, with the most workers."""
    for section, lines, _ in groups(results):
        most = {row.name: procs for row, procs, _ in lines}
        told = section
        for row, procs, by_subject in lines:
            weft = by_subject.get("weft")
            if row.grows or procs != most[row.name] or not weft or not value(row, weft):
                continue
            ratios = {s: ratio(row, r, weft) for s, r in by_subject.items()}
            if len(ratios) > 1:
                yield told, row, procs, ratios
                told = None


def draw_rows(results, about):
    lines = list(ratio_lines(results))
    if not lines:
        return None
    every = [within(ratio) for _, _, _, ratios in lines for ratio in ratios.values()]
    ticks = decades(min(every), max(every))
    sections = sum(section is not None for section, *_ in lines)
    picture = Drawing(WIDTH, 70 + LINE * (len(lines) + 2 * sections) + 30)

    def across(ratio):
        return LABELS + (WIDTH - LABELS - 30) * (math.log10(within(ratio)) - ticks[0]) / (ticks[-1] - ticks[0])

    picture.text(10, 20, "How many times weft's figure a peer needs: to the right of 1 weft is ahead", weight="bold")
    picture.legend(14, 42, in_order({s for *_, ratios in lines for s in ratios}))
    for power in ticks:
        picture.line(across(10.0 ** power), 60, across(10.0 ** power), picture.height - 30,
                     "#888" if power == 0 else "#ddd")
        picture.text(across(10.0 ** power), picture.height - 16, plain(power), "middle")
    y = 60
    for section, row, procs, ratios in lines:
        if section:
            y += 2 * LINE
            picture.text(10, y - 4, section, weight="bold")
        y += LINE
        picture.text(20, y, f"{row.name}, P={procs}")
        picture.line(LABELS, y - 4, WIDTH - 30, y - 4, "#f0f0f0")
        for subject in reversed(in_order(ratios)):
            picture.dot(across(ratios[subject]), y - 4, subject, f"{subject}: {ratios[subject]:.2f}")
    picture.text(WIDTH - 10, picture.height - 2, footer(about), "end", size=9)
    return picture.svg()


def growth_curves(results):
    """bench: {subject: [(n, ns)]}"""
    curves = {}
    for row in (row for row in ROWS if row.grows):
        for r in results:
            if r["row"] == row.name:
                curves.setdefault(row.bench, {}).setdefault(r["subject"], []).append((r["n"], r["median_ns"]))
    return curves


def draw_panel(picture, left, top, title, curves):
    points = [point for curve in curves.values() for point in curve]
    xs, ys = decades(1, max(n for n, _ in points)), decades(min(ns for _, ns in points), max(ns for _, ns in points))
    width, height = PANEL_WIDTH - 70, PANEL_HEIGHT - 60

    def place(n, ns):
        return (left + 50 + width * (math.log10(n) - xs[0]) / (xs[-1] - xs[0]),
                top + 25 + height * (1 - (math.log10(ns) - ys[0]) / (ys[-1] - ys[0])))

    picture.text(left + 50, top + 15, title.removeprefix("growth_"), weight="bold")
    for power in xs:
        x, y = place(10 ** power, 10.0 ** ys[0])
        picture.line(x, y, x, top + 25)
        picture.text(x, y + 14, f"10^{power}", "middle", size=9)
    for power in ys:
        x, y = place(1, 10.0 ** power)
        picture.line(x, y, x + width, y)
        picture.text(x - 4, y + 4, plain(power), "end", size=9)
    for subject in reversed(in_order(curves)):
        curve = [place(n, ns) for n, ns in sorted(curves[subject])]
        picture.curve(curve, subject)
        for (x, y), (n, ns) in zip(curve, sorted(curves[subject])):
            picture.dot(x, y, subject, f"{subject}: {number(ns)} ns at {n:,}")


def draw_growth(results, about):
    curves = growth_curves(results)
    if not curves:
        return None
    down = math.ceil(len(curves) / PANELS_ACROSS)
    picture = Drawing(PANELS_ACROSS * PANEL_WIDTH + 20, 60 + down * PANEL_HEIGHT + 10)
    picture.text(10, 20, "What an operation costs, in ns, as the number of things grows", weight="bold")
    picture.legend(14, 42, in_order({subject for by_subject in curves.values() for subject in by_subject}))
    for i, (bench, by_subject) in enumerate(curves.items()):
        draw_panel(picture, i % PANELS_ACROSS * PANEL_WIDTH, 55 + i // PANELS_ACROSS * PANEL_HEIGHT, bench, by_subject)
    picture.text(picture.width - 10, picture.height - 2, footer(about), "end", size=9)
    return picture.svg()


def footer(about):
    return f"{about['date']}, {about['cpus']} x {about['cpu']}, Linux {about['kernel']}"


def draw(results, about):
    """name: picture, of what there is"""
    pictures = {"rows.svg": draw_rows(results, about), "growth.svg": draw_growth(results, about)}
    return {name: picture for name, picture in pictures.items() if picture}


def main():
    place = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "bench"
    target = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "build" / "bench"
    assert set(COLOURS) == set(ORDER)
    for name, picture in draw(*read(place)).items():
        (target / name).write_text(picture)
        print(target / name)


if __name__ == "__main__":
    main()
