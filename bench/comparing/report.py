"""Medians, spread, ratios and verdicts as text for a terminal, Markdown or JSON."""
import statistics

import targets


def number(value, digits=0):
    if value is None:
        return "–"
    if digits == 0 and abs(value) < 10:
        digits = 2
    return f"{value:,.{digits}f}"


class Report:
    def __init__(self, machine, settings, rows, contenders, samples, errors, facts, rounds):
        self.machine, self.settings, self.rows, self.contenders = machine, settings, rows, contenders
        self.samples, self.errors, self.facts, self.rounds = samples, errors, facts, rounds
        self.medians = {c: {r: statistics.median(v) for r, v in s.items() if v} for c, s in samples.items()}
        self.peers = [c.name for c in contenders if c.kind == "peer"]
        self.verdicts = targets.judge(self.medians, self.peers, facts)

    def cell(self, contender, row):
        values = self.samples[contender].get(row.name)
        if not values:
            return "error" if (contender, row.name) in self.errors else "–"
        text = number(statistics.median(values), row.digits)
        if len(values) > 1:
            text += f" ({number(min(values), row.digits)}–{number(max(values), row.digits)})"
        return text

    def ratio(self, ours, row, other):
        a, b = self.medians.get(ours, {}).get(row.name), self.medians.get(other, {}).get(row.name)
        return "–" if not a or not b else f"{a / b:.2f}"

    def best_peer(self, row):
        present = [p for p in self.peers if row.name in self.medians.get(p, {})]
        pick = max if row.better == "higher" else min
        return pick(present, key=lambda p: self.medians[p][row.name]) if present else ""

    def markdown(self):
        names = [c.name for c in self.contenders]
        m = self.machine
        lines = [
            f"{m['date']}, {m['system']}, Linux {m['kernel']}, {m['processor']}, {m['cores']} cores, "
            f"SHA instructions: {'yes' if m['sha_instructions'] else 'no'}, {m['memory_mib']} MiB of memory. "
            f"{self.rounds} rounds, contenders in turn for each row; median (lowest–highest). "
            f"Files of {self.settings.file_mib} MiB, a tree of {self.settings.files} files, directories of "
            f"{self.settings.small_entries} and {self.settings.large_entries} entries. "
            f"HMAC-SHA-256 at 4 KiB: {self.facts['hash_gib']:.2f} GiB/s per core; copy: {self.facts['copy_gib']:.1f} GiB/s.", "",
            "| Workload | Unit | " + " | ".join(names) + " |", "|---|---|" + "---:|" * len(names),
        ]
        for row in self.rows:
            lines.append(f"| {row.title} | {row.unit} | " + " | ".join(self.cell(n, row) for n in names) + " |")
        for ours in [c.name for c in self.contenders if c.kind == "ours"]:
            lines += ["", f"Ratios of {ours} (for times and sizes less is better):", "",
                      "| Workload | to ext4 ordered | to ext4 journal | to the best FUSE peer | to the FUSE ceiling |", "|---|---:|---:|---:|---:|"]
            for row in self.rows:
                if row.name in self.medians.get(ours, {}):
                    peer = self.best_peer(row)
                    shown = self.ratio(ours, row, peer) + (f" ({peer})" if peer else "")
                    lines.append(f"| {row.title} | {self.ratio(ours, row, 'ext4-ordered')} | {self.ratio(ours, row, 'ext4-journal')} | "
                                 f"{shown} | {self.ratio(ours, row, 'ceiling')} |")
        if self.verdicts:
            titles = {r.name: r for r in self.rows}
            lines += ["", "| Contender | Workload | Target | Needed | Measured | |", "|---|---|---|---:|---:|---|"]
            for v in self.verdicts:
                word = "not comparable" if v.reached is None else "PASS" if v.reached else "MISS"
                lines.append(f"| {v.contender} | {titles[v.row].title} | {v.target} | {number(v.needed, titles[v.row].digits)} | "
                             f"{number(v.actual, titles[v.row].digits)} | {word} |")
            passed = sum(v.reached is True for v in self.verdicts)
            missed = sum(v.reached is False for v in self.verdicts)
            lines += ["", f"{passed} targets reached, {missed} missed, {len(self.verdicts) - passed - missed} without a comparison in this run."]
        if self.errors:
            lines += ["", "Errors:", ""] + [f"- {c}, {r}: {text}" for (c, r), text in self.errors.items()]
        return "\n".join(lines) + "\n"

    def data(self):
        return {
            "machine": self.machine, "facts": self.facts, "rounds": self.rounds,
            "settings": {k: v for k, v in vars(self.settings).items() if isinstance(v, (int, float))},
            "samples": self.samples, "medians": self.medians,
            "rows": {r.name: {"title": r.title, "unit": r.unit, "better": r.better} for r in self.rows},
            "verdicts": [{**vars(v)} for v in self.verdicts],
            "errors": [{"contender": c, "row": r, "error": t} for (c, r), t in self.errors.items()],
        }
