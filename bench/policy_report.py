# SPDX-License-Identifier: Apache-2.0
"""bench/policy's figures: ratios to the smallest cell within one round, percentiles, marks."""

import datetime
import os
import platform
import statistics

from report import aligned, spread

FLAT = 1.10    # the largest ratio to the smallest cell that is flat
CHANGE_MS = 50
CHANGES = {"desk-own": "a policy of a pod that has two, in a file of its own",
           "desk-one": "the same policy in the one file of all",
           "server-own": "one more policy of the pod that has them all, in a file of its own"}
# name: (title, digits, which way is good, None or the largest ratio)
FIGURES = {"kernel_ns": ("kernel verdict, ns", 0, "less", FLAT),
           "named_ns": ("user space, ns", 1, "less", FLAT),
           "anybody_ns": ("user space, random clients, ns", 1, "less", None),
           "rate": ("connections a second", 0, "more", FLAT),
           "cpu": ("CPU us of one", 1, "less", FLAT),
           "p99": ("p99 us", 0, "less", None)}


class Results:
    def __init__(self):
        self.values = {}    # cell → figure → [value of each round]
        self.memory = {}    # cell → (resident MB, MB of maps)
        self.titles = {}    # cell → title; the first one is the smallest
        self.failures = []
        self.foreign = []   # shares of the CPUs that others used

    def add(self, cell, figure, value):
        self.values.setdefault(cell, {}).setdefault(figure, []).append(value)

    def add_all(self, cell, figure, values):
        self.values.setdefault(cell, {})[figure] = values

    def add_memory(self, cell, resident, maps):
        self.memory[cell] = (resident, maps)

    def note_load(self, sample, cpus):
        ours = sum(sample["cpu_us"])
        self.foreign.append(max(0.0, sample["busy_us"] - ours) / (sample["seconds"] * 1e6 * cpus))

    def fail(self, sentence):
        self.failures.append(sentence)

    def of(self, cell, figure):
        return self.values.get(cell, {}).get(figure, [])

    def ratio(self, cell, figure):
        """(median, least, greatest) to the smallest cell, within one round. Where more is good the
        ratio is turned around, so that a large one is always bad."""
        mine, base = self.of(cell, figure), self.of(next(iter(self.titles)), figure)
        if not mine or len(mine) != len(base):
            return None
        ratios = [own / other if FIGURES[figure][2] == "less" else other / own
                  for own, other in zip(mine, base)]
        return statistics.median(ratios), min(ratios), max(ratios)


def percentile(values, share):
    """The smallest value that so many are not above."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]


def tables(results):
    parts = [cost_table(results), change_table(results), memory_table(results), marks_table(results)]
    if results.foreign:
        parts.append(f"other load during connections: {statistics.median(results.foreign):.0%} of the "
                     f"CPUs (at most {max(results.foreign):.0%}); load average now "
                     f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    return "\n\n".join(part for part in parts if part)


def cost_table(results):
    """Medians, and the ratio to the first line with its spread."""
    shown = [name for name in FIGURES if any(results.of(cell, name) for cell in results.titles)]
    if not shown:
        return ""
    lines = []
    for figure in shown:
        title, digits, *_ = FIGURES[figure]
        for number, cell in enumerate(results.titles):
            values = results.of(cell, figure)
            if values:
                lines.append([title if number == 0 else "", results.titles[cell],
                              f"{statistics.median(values):,.{digits}f}",
                              spread(results.ratio(cell, figure))])
    return aligned([["", "", "median", "times the first"], *lines])


def change_table(results):
    lines = [[CHANGES[kind], results.titles[cell], f"{percentile(values, 0.5):.1f}",
              f"{percentile(values, 0.99):.1f}", f"{min(values):.1f}..{max(values):.1f}", str(len(values)),
              f"{results.of(cell, kind + '-cpu')[0]:.1f}"]
             for kind in CHANGES for cell in results.titles if (values := results.of(cell, kind))]
    header = ["from a changed policy to the kernel's verdict", "", "p50 ms", "p99 ms", "spread", "changes",
              "CPU ms each"]
    return aligned([header, *lines]) if lines else ""


def memory_table(results):
    lines = [[results.titles[cell], "", f"{resident:.1f}", f"{maps:.1f}"]
             for cell, (resident, maps) in results.memory.items()]
    return aligned([["memory of one daemon", "", "Rss MB", "maps MB"], *lines]) if lines else ""


def judged(results):
    """[{what, cell, value, most, verdict}]: flat within FLAT; a change within CHANGE_MS."""
    marks = []
    for figure, (title, _, _, most) in FIGURES.items():
        for cell in list(results.titles)[1:]:
            ratio = results.ratio(cell, figure)
            if most and ratio:
                marks.append((title, cell, ratio[0], most))
    for kind in CHANGES:
        for cell in results.titles:
            if values := results.of(cell, kind):
                marks.append((f"{CHANGES[kind]}: p99 ms", cell, percentile(values, 0.99), CHANGE_MS))
    return [{"what": what, "cell": cell, "value": value, "most": most,
             "verdict": "pass" if value <= most else "short"} for what, cell, value, most in marks]


def marks_table(results):
    lines = [[mark["verdict"].upper() if mark["verdict"] == "pass" else mark["verdict"],
              f"{mark['what']}: {results.titles[mark['cell']]}", f"{mark['value']:.2f}",
              f"at most {mark['most']:g}"] for mark in judged(results)]
    return aligned(lines) if lines else ""


def about(options):
    facts = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
             "kernel": platform.release(), "cpus": os.cpu_count(), "load": os.getloadavg(),
             "rounds": options.rounds, "seconds": options.seconds, "changes": options.changes}
    facts["summary"] = (f"{facts['cpus']} CPUs, Linux {facts['kernel']}, load "
                        f"{' '.join(f'{value:.1f}' for value in facts['load'])}; {options.rounds} rounds, "
                        f"connections for {options.seconds:g} s, {options.changes} changes")
    return facts


def as_json(results, facts):
    cells = {}
    for cell, title in results.titles.items():
        figures = {}
        for name, values in results.values.get(cell, {}).items():
            figures[name] = {"median": statistics.median(values), "values": values}
            if name in CHANGES:
                figures[name] |= {"p99": percentile(values, 0.99)}
            elif ratio := results.ratio(cell, name) if name in FIGURES else None:
                figures[name]["to_first"] = dict(zip(("median", "least", "greatest"), ratio))
        resident, maps = results.memory.get(cell, (None, None))
        cells[cell] = {"title": title, "figures": figures, "resident_mb": resident, "maps_mb": maps}
    return {"about": facts, "cells": cells, "marks": judged(results), "failures": results.failures,
            "disturbance": {"foreign_share": results.foreign}}
