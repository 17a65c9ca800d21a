"""Who takes part in a line: how it is set up, and what one run of it measures."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import peers
import systems
from peers import Peer, tell_all
from systems import Missing
from tasks import Task


@dataclass(frozen=True)
class Sample:
    """What a run measured, and what else it had to say."""

    figure: float
    details: Mapping[str, Any] = field(default_factory=dict)


#: Does so much work.
Run = Callable[[int], Sample]


@dataclass(frozen=True)
class Entrant:
    label: str
    #: Starts what it needs, which ends with the stack.
    open: Callable[[ExitStack], Run]


def work_directory(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))


# By processes that work on command. `Measure` tells them what to do so many times.

Measure = Callable[[Sequence[Peer], int], float]


def crew(
    label: str, system: str, transport: str, measure: Measure, clients: Sequence[str] = ("python", "python")
) -> Entrant:
    """Processes of these languages around one server."""

    def start(stack: ExitStack) -> Run:
        address = systems.load(system).start(stack, work_directory(stack))[transport]
        crew = peers.start(stack, clients, system, address)
        return lambda count: Sample(measure(crew, count))

    return Entrant(label, start)


def ping_pong(crew: Sequence[Peer], count: int) -> float:
    """Microseconds, the median."""
    times, _ = tell_all(crew, [Task("ping", count), Task("pong", count)])
    return float(statistics.median(times))


def both(do_put: str, do_get: str, size: int = 100) -> Measure:
    """Items a second, one process putting while the other gets."""

    def measure(crew: Sequence[Peer], count: int) -> float:
        began = time.perf_counter()
        tell_all(crew, [Task(do_put, count, size), Task(do_get, count, size)])
        return count / (time.perf_counter() - began)

    return measure


def batches(size: int = 100) -> Measure:
    """Items a second, first all put and then all gotten: LPOP with a count does not wait."""

    def measure(crew: Sequence[Peer], count: int) -> float:
        count -= count % systems.BATCH
        one, two = crew
        began = time.perf_counter()
        tell_all([one], [Task("put_many", count, size)])
        tell_all([two], [Task("get_many", count, size)])
        return count / (time.perf_counter() - began)

    return measure


def everybody(do: str) -> Measure:
    """How often a second, all together."""

    def measure(crew: Sequence[Peer], count: int) -> float:
        each = count // len(crew)
        began = time.perf_counter()
        tell_all(crew, [Task(do, each)] * len(crew))
        return each * len(crew) / (time.perf_counter() - began)

    return measure


def alone(do: str) -> Measure:
    """What the only process answers."""

    def measure(crew: Sequence[Peer], count: int) -> float:
        figure: float = tell_all(crew, [Task(do, count)])[0]
        return figure

    return measure


def waiters(threads: int) -> Measure:
    """Milliseconds from a set to the moment when the last of so many threads has gone on."""

    def measure(crew: Sequence[Peer], count: int) -> float:
        one, _ = crew
        tell_all([one], [Task("clear_event")])
        began, ended = tell_all(crew, [Task("set_event", threads), Task("wait", threads)])
        milliseconds: float = (ended - began) / 1e6
        return milliseconds

    return measure


# By programs in Rust, each run on a server of its own.

#: As many connections as one of them makes, with some to spare.
FILES = 11_000


def program(
    label: str, arguments: Sequence[str], key: str, *, transport: str = "unix", on_one_core: bool = False
) -> Entrant:
    """`benches/measure` with these arguments; the figure is one of those that it prints."""

    def run(count: int) -> Sample:
        from systems.syncbridge import TARGET, serve

        with ExitStack() as stack:
            prefix = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))] if on_one_core else []
            # As many sessions and connections as it is measured with, and one that does something.
            options = ["--sessions-max", "200000", "--connections-max", "20000"]
            pid, addresses = serve(stack, work_directory(stack), options, prefix)
            command = [
                TARGET / "examples" / "measure",
                *arguments,
                addresses[transport],
                str(pid),
                str(count),
            ]
            said = subprocess.run(
                command, stdout=subprocess.PIPE, check=True, text=True, timeout=peers.PATIENCE_SECONDS * 2
            ).stdout
        figures: dict[str, Any] = json.loads(said)
        return Sample(figures[key], figures)

    def start(stack: ExitStack) -> Run:
        if on_one_core and shutil.which("taskset") is None:
            raise Missing("taskset is not on the PATH")
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if "connections" in arguments and files < FILES:
            raise Missing(f"a process may open {files} files here (ulimit -n), and {FILES} are needed")
        return run

    return Entrant(label, start)
