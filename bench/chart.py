# SPDX-License-Identifier: Apache-2.0
"""The chart: for each row its first metric, in ratio to the plain haproxy pair (the line at 1), or
to the TLS pair where the plain one was not measured."""

import html

from report import measured_rows

COLOURS = {"direct": "#9aa5b1", "splice": "#b8a9c9", "tls": "#d1495b", "userspace": "#00798c",
           "kernel": "#30638e"}
LEFT, WIDTH, BAR, GAP, TOP = 330, 520, 13, 14, 74
LARGEST = 4.0  # ratios beyond are cut, with the figure beside the bar


class Drawing:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, size=12, anchor="start", colour="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
                          f'text-anchor="{anchor}">{html.escape(words)}</text>')

    def bar(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
                          f'height="{height}" fill="{colour}"/>')

    def line(self, x1, y1, x2, y2, colour="#222", width=1.0):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}" stroke-width="{width}"/>')

    def finish(self, width, height):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" '
                f'viewBox="0 0 {width} {height:.0f}" font-family="sans-serif">\n'
                f'<rect width="100%" height="100%" fill="white"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def draw(results, peers, about):
    control = "plain" if "plain" in dict(peers) else "tls"
    drawn = [(key, title) for key, title in peers if key != control]
    rows = [row for row in measured_rows(results)
            if any(results.ratio(row.name, key, row.metrics[0].name, control) for key, _ in drawn)]
    drawing = Drawing()
    pair = "haproxy proxies without TLS" if control == "plain" else "haproxy proxies with TLS"
    drawing.text(16, 26, f"In ratio to a pair of {pair} (1.0); less is better", 16)
    drawing.text(16, 44, about["summary"], 11, colour="#666")
    x = 16
    for key, title in drawn:
        drawing.bar(x, 53, 11, 11, COLOURS[key])
        drawing.text(x + 15, 63, title)
        x += 34 + 7 * len(title)
    y = TOP + 8
    for row in rows:
        metric = row.metrics[0]
        bars = [(key, results.ratio(row.name, key, metric.name, control)) for key, _ in drawn]
        y = draw_row(drawing, row, bars, y) + GAP
    draw_scale(drawing, y)
    return drawing.finish(LEFT + WIDTH + 70, y + 30)


def draw_row(drawing, row, bars, y):
    # plain TCP has no mesh whose CPU could be compared
    bars = [(key, ratio) for key, ratio in bars if ratio and ratio[0] > 0]
    drawing.text(LEFT - 10, y + BAR, row.title, anchor="end")
    drawing.text(LEFT - 10, y + BAR + 13, row.metrics[0].unit, 10, "end", "#666")
    top = y
    for key, (median, least, greatest) in bars:
        end = LEFT + scaled(median)
        drawing.bar(LEFT, y, scaled(median), BAR - 2, COLOURS[key])
        middle = y + (BAR - 2) / 2
        drawing.line(LEFT + scaled(least), middle, LEFT + scaled(greatest), middle)
        drawing.text(max(end, LEFT + scaled(greatest)) + 5, y + BAR - 3, f"{median:.2f}", 11)
        y += BAR
    return max(y, top + 2 * BAR)


def scaled(ratio):
    return min(ratio, LARGEST) / LARGEST * WIDTH


def draw_scale(drawing, bottom):
    for step in range(int(LARGEST) * 2 + 1):
        x = LEFT + scaled(step / 2)
        strong = step == 2
        drawing.line(x, TOP, x, bottom, "#222" if strong else "#ddd", 1.2 if strong else 0.5)
        drawing.text(x, bottom + 14, f"{step / 2:g}", 10, "middle", "#666")
