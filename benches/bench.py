"""The project's measuring stick: syncbridge beside other systems, in the same run, and what must hold of it.

    bench.py [--runs N] [--quick] [--only NAME]... [--json FILE] [--list]

Line by line: everybody who takes part is started, does the work once to warm up, and then run after run in turn;
who comes first alternates. Ratios are of the same run. What cannot be measured here is skipped by name, with the
reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import report
from entrants import Run, Sample
from lines import LINES, Line, Mark
from report import EntrantResult, LineResult, MarkResult, Result, spread, verdict
from systems import Missing

#: Less than this is only to see that it runs.
COUNT_MIN = 200


class Contest:
    """One line being measured."""

    def __init__(self, line: Line, stack: ExitStack) -> None:
        self.line, self.stack = line, stack
        self.runs: dict[str, Run] = {}
        self.samples: dict[str, list[Sample]] = {}
        self.ours = line.entrants[0].label
        #: Why who cannot take part.
        self.out: dict[str, str] = {}
        self.is_broken = False

    def start(self) -> None:
        for entrant in self.line.entrants:
            with self._attempt(entrant.label):
                self.runs[entrant.label] = entrant.open(self.stack)
            if self.is_void():
                return

    def is_void(self) -> bool:
        """Without ours there is nothing to compare."""
        return self.ours in self.out

    def run(self, count: int, turn: int) -> None:
        """Everybody once. The first turn warms up and is not counted."""
        order = list(self.runs)
        for label in order if turn % 2 == 0 else reversed(order):
            with self._attempt(label):
                sample = self.runs[label](count)
                if turn > 0:
                    self.samples.setdefault(label, []).append(sample)

    @contextmanager
    def _attempt(self, label: str) -> Iterator[None]:
        """Who cannot go on is out, and the others go on."""
        try:
            yield
        except Missing as missing:
            self._leave(label, f"skipped: {missing}")
        except Exception as error:
            self.is_broken = True
            self._leave(label, f"FAILED: {type(error).__name__} {error}".rstrip())

    def _leave(self, label: str, reason: str) -> None:
        self.out[label] = reason
        self.runs.pop(label, None)
        self.samples.pop(label, None)

    def result(self) -> LineResult:
        line = self.line
        figures = {label: [sample.figure for sample in samples] for label, samples in self.samples.items()}
        ours = figures.get(self.ours)
        ratios = {
            label: [one / other for one, other in zip(ours, theirs, strict=True)]
            for label, theirs in figures.items()
            if ours and label != self.ours and line.compares
        }

        def judge(mark: Mark) -> MarkResult:
            values = ours if mark.against is None else ratios.get(mark.against)
            value = spread(values) if values else None
            return {
                "against": mark.against,
                "value": value,
                "must": mark.must,
                "goal": mark.goal,
                "verdict": verdict(value, mark.must, mark.goal, line.more_is_better),
            }

        return {
            "name": line.name,
            "unit": line.unit,
            "more_is_better": line.more_is_better,
            "entrants": [self._entrant(entrant.label, figures) for entrant in line.entrants],
            "marks": [judge(mark) for mark in line.marks],
            "ratios": {label: spread(values) for label, values in ratios.items()},
        }

    def _entrant(self, label: str, figures: dict[str, list[float]]) -> EntrantResult:
        return {
            "label": label,
            "figure": spread(figures[label]) if label in figures else None,
            "reason": self.out.get(label) if label not in figures else None,
            "details": [dict(sample.details) for sample in self.samples.get(label, []) if sample.details],
        }


def measure(line: Line, runs: int, scale: float) -> tuple[LineResult, bool]:
    """What came out, and whether all went well."""
    count = max(min(COUNT_MIN, line.count), int(line.count * scale)) if line.shrinks else line.count
    with ExitStack() as stack:
        contest = Contest(line, stack)
        contest.start()
        for turn in range(runs + 1):
            if contest.is_void():
                break
            say(f"{line.name}: run {turn} of {runs}{'' if turn else ' (warming up)'}")
            contest.run(count, turn)
        say("")
    return contest.result(), not contest.is_broken


def say(text: str) -> None:
    """One line on a terminal, which the next one replaces."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="syncbridge beside other systems")
    parser.add_argument("--runs", type=int, default=7, help="how many count (7)")
    parser.add_argument(
        "--quick", action="store_true", help="2 runs and a tenth of the work: to see that it runs"
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="the lines with this in their names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything to this file")
    parser.add_argument("--list", action="store_true", help="name the lines and end")
    arguments = parser.parse_args()
    wanted = [name.lower() for name in arguments.only or [""]]
    lines = [line for line in LINES if any(name in line.name.lower() for name in wanted)]
    if arguments.list or not lines:
        print("\n".join(line.name for line in LINES))
        return 0 if arguments.list else 2
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    result: Result = {
        "machine": {
            "cores": os.cpu_count(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        "runs": 2 if arguments.quick else arguments.runs,
        "lines": [],
    }
    print(report.heading(result))
    report.show_header()
    well = True
    for line in lines:
        found, is_well = measure(line, result["runs"], 0.1 if arguments.quick else 1.0)
        result["lines"].append(found)
        well = well and is_well
        report.show(found)
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
