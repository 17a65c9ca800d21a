"""What a run of the bench found, for people. `report.py FILE` prints what `bench.py --json FILE` wrote, as Markdown."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict


class Spread(TypedDict):
    """A figure of every run."""

    median: float
    least: float
    most: float
    runs: list[float]


class EntrantResult(TypedDict):
    label: str
    #: None where it could not be measured; `reason` says why.
    figure: Spread | None
    reason: str | None
    details: list[Any]


class MarkResult(TypedDict):
    """What must hold of `value`: ours divided by another's of the same run, or ours."""

    against: str | None
    #: None where it was not measured.
    value: Spread | None
    must: float
    goal: float | None
    verdict: str


class LineResult(TypedDict):
    name: str
    unit: str
    more_is_better: bool
    entrants: list[EntrantResult]
    marks: list[MarkResult]
    #: Ours divided by each other's.
    ratios: dict[str, Spread]


class Result(TypedDict):
    machine: dict[str, Any]
    runs: int
    lines: list[LineResult]


def spread(values: Sequence[float]) -> Spread:
    return {
        "median": statistics.median(values),
        "least": min(values),
        "most": max(values),
        "runs": list(values),
    }


def verdict(value: Spread | None, must: float, goal: float | None, more_is_better: bool) -> str:
    if value is None:
        return "not measured"
    median = value["median"]

    def holds(bound: float) -> bool:
        return median >= bound if more_is_better else median <= bound

    if not holds(must):
        return "NOT MET"
    if goal is None:
        return "met"
    return "goal met" if holds(goal) else "must met, goal not"


class Row(TypedDict):
    """An entrant of a line, in words."""

    label: str
    figure: str
    ratio: str
    must: str
    goal: str
    verdict: str


def rows(line: LineResult) -> Iterator[Row]:
    sign = "≥" if line["more_is_better"] else "≤"
    marks = {mark["against"]: mark for mark in line["marks"]}
    for number, entrant in enumerate(line["entrants"]):
        mark = marks.get(None if number == 0 else entrant["label"])
        ratio = line["ratios"].get(entrant["label"])
        yield {
            "label": entrant["label"],
            "figure": in_words(entrant["figure"]) if entrant["figure"] else entrant["reason"] or "",
            "ratio": in_words(ratio) if ratio else "",
            "must": f"{sign} {number_in_words(mark['must'])}" if mark else "",
            "goal": f"{sign} {number_in_words(mark['goal'])}" if mark and mark["goal"] is not None else "",
            "verdict": mark["verdict"] if mark else "",
        }


def in_words(one: Spread) -> str:
    median, least, most = (number_in_words(one[key]) for key in ("median", "least", "most"))
    return f"{median} ({least} to {most})"


def number_in_words(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.3g} M"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def title(line: LineResult) -> str:
    return f"{line['name']} ({line['unit']}, {'more' if line['more_is_better'] else 'less'} is better)"


def heading(result: Result) -> str:
    machine = result["machine"]
    return (
        f"{result['runs']} runs, interleaved; median (least to most); "
        f"{machine['cores']} cores, {machine['platform']}, Python {machine['python']}"
    )


def show_header() -> None:
    print(
        f"\n    {'':30}{'figure (least to most)':>34}{'ours ÷ theirs (least to most)':>34}"
        f"{'must':>11}{'goal':>11}"
    )


def show(line: LineResult) -> None:
    print(f"\n{title(line)}")
    for row in rows(line):
        text = f"    {row['label']:30}{row['figure']:>34}{row['ratio']:>34}{row['must']:>11}{row['goal']:>11}"
        print(f"{text}  {row['verdict']}".rstrip(), flush=True)


def markdown(result: Result) -> Iterator[str]:
    yield f"{heading(result)}.\n"
    yield "| | | figure | ours ÷ theirs | must | goal | |"
    yield "|---|---|---|---|---|---|---|"
    for line in result["lines"]:
        name = title(line)
        for row in rows(line):
            cells = [
                name,
                row["label"],
                row["figure"],
                row["ratio"],
                row["must"],
                row["goal"],
                row["verdict"],
            ]
            yield f"| {' | '.join(cells)} |"
            name = ""


if __name__ == "__main__":
    for text in markdown(json.loads(Path(sys.argv[1]).read_text())):
        print(text)
