"""Measures syncbridge against Redis: the same work, the same transport, interleaved in one run.

Three processes each: a server, and two Python processes that use its queues from one thread each.

    bench.py [--runs N] [--json FILE] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BINARY = ROOT / "target" / "release" / "syncbridge"
ITEM_BYTES = 100
SYSTEMS = ("syncbridge", "redis")
TRANSPORTS = ("unix", "tcp")


@dataclass(frozen=True)
class Task:
    """A measurement: how much work in one run, and whether more is better."""

    title: str
    unit: str
    count: int
    more_is_better: bool


TASKS = {
    "ping-pong": Task("ping-pong through two queues, p50", "µs", 5_000, more_is_better=False),
    "one way": Task("put and get, one way, one by one", "items/s", 20_000, more_is_better=True),
    "batches": Task("put_many and get_many, 100 at a time", "items/s", 200_000, more_is_better=True),
}


class Peer:
    """A process that works on command."""

    def __init__(self, stack: ExitStack, system: str, address: str) -> None:
        self.popen = stack.enter_context(
            subprocess.Popen(
                [sys.executable, HERE / "peer.py", system, address],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(self.popen.kill)
        assert self.hear() == "ready"

    def hear(self) -> str:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise SystemExit(f"{self.popen.args!r} ended with {self.popen.wait()}")
        return line.strip()

    def start(self, do: str, count: int) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps({"do": do, "count": count, "bytes": ITEM_BYTES}) + "\n")
        self.popen.stdin.flush()

    def end(self) -> Any:
        return json.loads(self.hear())


def ping_pong(one: Peer, two: Peer, count: int) -> float:
    two.start("pong", count)
    one.start("ping", count)
    times: list[float] = one.end()
    two.end()
    return statistics.median(times)


def one_way(one: Peer, two: Peer, count: int) -> float:
    began = time.perf_counter()
    two.start("get", count)
    one.start("put", count)
    one.end()
    two.end()
    return count / (time.perf_counter() - began)


def batches(one: Peer, two: Peer, count: int) -> float:
    """One after the other, since Redis has no blocking variadic pop from a list by LPOP."""
    began = time.perf_counter()
    one.start("put_many", count)
    one.end()
    two.start("get_many", count)
    two.end()
    return count / (time.perf_counter() - began)


MEASURES: dict[str, Callable[[Peer, Peer, int], float]] = {
    "ping-pong": ping_pong,
    "one way": one_way,
    "batches": batches,
}


def start_syncbridge(stack: ExitStack, work: Path) -> tuple[int, dict[str, str]]:
    path = work / "syncbridge.sock"
    server = stack.enter_context(
        subprocess.Popen(
            [BINARY, "serve", "--listen", "127.0.0.1:0", "--unix", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    )
    stack.callback(server.kill)
    assert server.stdout is not None
    line = server.stdout.readline().strip()
    if not line.startswith("listening grpc://"):
        raise SystemExit(f"syncbridge serve did not start: {line!r}")
    return server.pid, {"tcp": line.removeprefix("listening "), "unix": f"unix://{path}"}


def start_redis(stack: ExitStack, work: Path) -> dict[str, str]:
    """Nothing on disk, as with our server without --data; the port is one that was free a moment ago."""
    import socket

    import redis

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = work / "redis.sock"
    options = {
        "port": port,
        "bind": "127.0.0.1",
        "unixsocket": path,
        "save": "",
        "appendonly": "no",
        "dir": work,
    }
    command = [
        "redis-server",
        *(str(part) for name, value in options.items() for part in (f"--{name}", value)),
    ]
    server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    stack.callback(server.kill)
    addresses = {"tcp": f"redis://127.0.0.1:{port}", "unix": f"unix://{path}"}
    deadline = time.monotonic() + 10
    while True:
        try:
            redis.Redis.from_url(addresses["unix"]).ping()
            return addresses
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def compare(runs: int, scale: float) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of the table, and what waiting costs the server."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        _, ours = start_syncbridge(stack, work)
        addresses = {"syncbridge": ours, "redis": start_redis(stack, work)}
        peers = {
            (system, transport): [Peer(stack, system, addresses[system][transport]) for _ in range(2)]
            for system in SYSTEMS
            for transport in TRANSPORTS
        }
        figures: dict[tuple[str, str, str], list[float]] = {}
        for run in range(runs + 1):
            print(f"run {run} of {runs}{' (warming up, not counted)' if run == 0 else ''}", file=sys.stderr)
            for name, task in TASKS.items():
                for transport in TRANSPORTS:
                    for system in SYSTEMS if run % 2 else reversed(SYSTEMS):
                        one, two = peers[system, transport]
                        figure = MEASURES[name](one, two, max(200, int(task.count * scale)))
                        if run > 0:
                            figures.setdefault((name, transport, system), []).append(figure)
    return [row(name, transport, figures) for name in TASKS for transport in TRANSPORTS], memory()


def row(name: str, transport: str, figures: dict[tuple[str, str, str], list[float]]) -> dict[str, Any]:
    task = TASKS[name]
    ours, theirs = (figures[name, transport, system] for system in SYSTEMS)
    ratios = [a / b if task.more_is_better else b / a for a, b in zip(ours, theirs, strict=True)]
    return {
        "task": name,
        "title": task.title,
        "unit": task.unit,
        "transport": transport,
        "syncbridge": spread(ours),
        "redis": spread(theirs),
        # Above 1: syncbridge is that many times as good.
        "ratio": spread(ratios),
    }


def spread(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "runs": values}


def memory() -> dict[str, Any]:
    """On a server of its own, whose heap has no room left over from other work."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        pid, addresses = start_syncbridge(stack, work)
        command = [str(BINARY.parent / "examples" / "memory"), addresses["tcp"], str(pid)]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    figures: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return figures


def show(rows: list[dict[str, Any]], waiting: dict[str, Any], runs: int) -> None:
    print(
        f"\n{runs} runs, interleaved; median (least to most); {ITEM_BYTES} bytes an item; {os.cpu_count()} cores\n"
    )
    print(f"{'':38}{'':6}{'syncbridge':>42}{'redis':>42}{'times as good':>22}")
    for one in rows:
        cells = [cell(one[system], one["unit"]) for system in SYSTEMS]
        ratio = one["ratio"]
        times = f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})"
        print(f"{one['title']:38}{one['transport']:6}{cells[0]:>42}{cells[1]:>42}{times:>22}")
    print()
    checks = [
        ("an idle session, without its connection", "bytes_per_session", 16 * 1024, "bytes"),
        ("a parked wait", "bytes_per_wait", 1024, "bytes"),
        (f"a release while {waiting['waits']:,} waits are parked, longest", "release_max_ms", 50, "ms"),
    ]
    for title, key, most, unit in checks:
        verdict = "ok" if waiting[key] <= most else "TOO MUCH"
        print(f"{title:60}{waiting[key]:>10,.4g} {unit:6} at most {most:,}: {verdict}")


def cell(values: dict[str, Any], unit: str) -> str:
    return f"{values['median']:,.0f} ({values['least']:,.0f} to {values['most']:,.0f}) {unit}"


def main() -> None:
    parser = argparse.ArgumentParser(description="syncbridge against Redis")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to see that it runs")
    arguments = parser.parse_args()
    rows, waiting = compare(arguments.runs, 0.1 if arguments.quick else 1.0)
    show(rows, waiting, arguments.runs)
    if arguments.json:
        machine = {
            "cores": os.cpu_count(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        }
        arguments.json.write_text(
            json.dumps({"machine": machine, "rows": rows, "waiting": waiting}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
