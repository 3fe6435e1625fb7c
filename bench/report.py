# SPDX-License-Identifier: Apache-2.0
"""From samples to figures: medians, ratios within one round, marks, the table and the JSON."""

import statistics

from rows import GIB, MARKS, MEMORY_ROWS, ROWS, figures

CONTROLS = ("plain", "tls")  # what ratios are taken to


class Results:
    """One dict of figures for each row, peer and round; a failed measurement is kept as text."""

    def __init__(self):
        self.rounds = {}    # row name → peer key → {round: {metric: value}}
        self.failures = []  # sentences
        self.foreign = []   # share of all CPUs used by what is not ours, of each measurement
        self.steal = []

    def add(self, row, peer, number, values):
        self.rounds.setdefault(row.name, {}).setdefault(peer, {})[number] = values

    def add_sample(self, row, peer, number, sample, cpus):
        self.add(row, peer, number, figures(row, sample))
        available_us = sample["seconds"] * 1e6 * cpus
        self.foreign.append(max(0.0, sample["busy_us"] - sum(sample["cpu_us"])) / available_us)
        self.steal.append(sample["steal_us"] / available_us)

    def fail(self, sentence):
        self.failures.append(sentence)

    def series(self, row, peer, metric):
        """{round: value}; `system` is what the whole machine spent beyond the plain TCP run."""
        found = {}
        for number, values in self.rounds.get(row, {}).get(peer, {}).items():
            value = values.get(metric)
            if metric == "system" and value is not None:
                direct = self.rounds[row].get("direct", {}).get(number)
                value = value - direct["system"] if direct and peer != "direct" else None
            if value is not None:
                found[number] = value
        return found

    def median(self, row, peer, metric):
        values = self.series(row, peer, metric).values()
        return statistics.median(values) if values else None

    def ratio(self, row, peer, metric, control):
        """(median, least, greatest) of the ratios within the same round; None if there are none."""
        mine = self.series(row, peer, metric)
        theirs = self.series(row, control, metric)
        ratios = [mine[number] / theirs[number] for number in mine if theirs.get(number)]
        return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None

    def rounds_of(self, row, peer):
        return len(self.rounds.get(row, {}).get(peer, {}))


def measured_rows(results):
    return [row for row in ROWS if row.name in results.rounds]


def table(results, peers):
    """peers: [(key, title)]. One line for each metric: medians, then culvert's ratios."""
    header = ["", ""] + [title for _, title in peers]
    lines = [header]
    for row in measured_rows(results):
        for index, metric in enumerate(row.metrics):
            cells = [row.title if index == 0 else "", metric.unit]
            for key, _ in peers:
                value = results.median(row.name, key, metric.name)
                nothing = key == "direct" and metric.name in ("cpu", "system")
                cells.append("–" if value is None or nothing else f"{value:,.{metric.digits}f}")
            lines.append(cells)
    return aligned(lines)


def pairs(peers):
    """(engine, control) of every ratio that can be taken."""
    keys = dict(peers)
    return [(engine, control) for engine in ("userspace", "kernel") for control in CONTROLS
            if engine in keys and control in keys]


def ratio_table(results, peers):
    """One line for each metric: each engine's ratio to each control."""
    titles = dict(peers)
    lines = [["culvert in ratio to", "",
              *(f"{engine} / {titles[control]}" for engine, control in pairs(peers))]]
    for row in measured_rows(results):
        for index, metric in enumerate(row.metrics):
            cells = [row.title if index == 0 else "", metric.unit]
            cells += [spread(results.ratio(row.name, engine, metric.name, control))
                      for engine, control in pairs(peers)]
            lines.append(cells)
    return aligned(lines)


def spread(ratio):
    return "–" if ratio is None else f"{ratio[0]:.2f} ({ratio[1]:.2f}..{ratio[2]:.2f})"


def aligned(lines):
    """Two columns of words, the rest to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) if column < 2 else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(line, widths))).rstrip()
                     for line in lines)


def judged(results):
    """[{mark, value, verdict}] of the userspace engine: "pass", "short" or "not measured"."""
    lines = []
    for mark in MARKS:
        if mark.peer:
            ratio = results.ratio(mark.row, "userspace", mark.metric, mark.peer)
            value = ratio and ratio[0]
        else:
            value = results.median(mark.row, "userspace", mark.metric)
        verdict = "not measured" if value is None else "pass" if value <= mark.most else "short"
        lines.append({"row": mark.row, "metric": mark.metric, "to": mark.peer, "most": mark.most,
                      "value": value, "rounds": results.rounds_of(mark.row, "userspace"),
                      "verdict": verdict})
    return lines


def marks_table(results, rows):
    """The marks of these rows (names)."""
    names = {row.name: row.title for row in ROWS}
    units = {(row.name, metric.name): metric.unit for row in ROWS for metric in row.metrics}
    controls = {"plain": "x haproxy", "tls": "x haproxy TLS", None: ""}
    few_rounds = {row.name for row in MEMORY_ROWS}
    lines = []
    for each in judged(results):
        if each["row"] not in rows:
            continue
        value = "–" if each["value"] is None else f"{each['value']:.2f}"
        few = 0 < each["rounds"] < 7 and each["row"] not in few_rounds
        lines.append([each["verdict"].upper() if each["verdict"] == "pass" else each["verdict"],
                      f"{names[each['row']]}: {units[each['row'], each['metric']]} "
                      f"{controls[each['to']]}".rstrip(),
                      value, f"at most {each['most']:g}",
                      f"only {each['rounds']} rounds" if few else ""])
    return aligned(lines)


def as_json(results, peers, about):
    rows = {}
    for row in measured_rows(results):
        rows[row.name] = {"title": row.title, "metrics": {}}
        for metric in row.metrics:
            entry = {"unit": metric.unit, "better": metric.better, "peers": {}}
            for key, _ in peers:
                series = results.series(row.name, key, metric.name)
                if series:
                    entry["peers"][key] = {"median": statistics.median(series.values()),
                                           "rounds": [series[n] for n in sorted(series)]}
                    for control in CONTROLS:
                        ratio = results.ratio(row.name, key, metric.name, control)
                        if ratio and control != key:
                            entry["peers"][key][f"to_{control}"] = dict(
                                zip(("median", "least", "greatest"), ratio))
            rows[row.name]["metrics"][metric.name] = entry
    return {"about": about, "peers": dict(peers), "rows": rows, "marks": judged(results),
            "failures": results.failures,
            "disturbance": {"foreign_share": results.foreign, "steal_share": results.steal},
            "bytes_per_gib": GIB}
