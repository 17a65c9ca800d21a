"""syncbridge: a put is answered when the server has it, a get waits."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import syncbridge

from . import WINDOW, Addresses, BatchQueue, Client, Event, Queue, Semaphore

TARGET = Path(__file__).resolve().parents[2] / "target" / "release"


class Waiters:
    """An event that also says how many wait for it, which the package does not tell."""

    def __init__(self, event: Any) -> None:
        self.set, self.clear, self.wait = event.set, event.clear, event.wait
        self._event = event

    def waiting(self) -> int:
        waiting: int = self._event._native.describe()[2]
        return waiting


class Unawaited:
    """Releases that the caller does not wait for."""

    def __init__(self, semaphore: Any) -> None:
        self.acquire = semaphore.acquire
        self.release = partial(semaphore.release, flush="later")


class SyncBridge(Client):
    def __init__(self, address: str) -> None:
        self.bridge = syncbridge.connect(address)

    def queue(self, name: str) -> Queue:
        return self.bridge.queue(name)

    def batches(self, name: str) -> BatchQueue:
        return self.bridge.queue(name)

    def stream_out(self, name: str, item: bytes, count: int) -> None:
        """One by one; at most so many are not acknowledged."""
        with self.bridge.queue(name).producer(WINDOW) as producer:
            put = producer.put
            for _ in range(count):
                put(item)

    def stream_in(self, name: str, count: int) -> None:
        """One by one; so many are brought ahead of need."""
        with self.bridge.queue(name).consumer(WINDOW) as consumer:
            get = consumer.get
            for _ in range(count):
                get()

    def stream_in_many(self, name: str, count: int) -> None:
        """As many at a time as are there."""
        get_many = self.bridge.queue(name).get_many
        while count > 0:
            count -= len(get_many(min(count, WINDOW)))

    def arrays(self, name: str) -> Queue:
        return self.bridge.queue(name)

    def semaphore(self, name: str, permits: int) -> Semaphore:
        return self.bridge.semaphore(name, permits)

    def unawaited_semaphore(self, name: str, permits: int) -> Semaphore:
        return Unawaited(self.bridge.semaphore(name, permits))

    def event(self, name: str) -> Event:
        return Waiters(self.bridge.event(name))


def serve(
    stack: ExitStack, work: Path, options: Sequence[str] = (), prefix: Sequence[str] = ()
) -> tuple[int, Addresses]:
    """A server in memory, as `syncbridge serve` starts it: its process id, and where it is."""
    path = work / "syncbridge.sock"
    # What a line calls TCP is measured over TCP.
    profiler = os.environ.get("BENCH_SERVER_PREFIX", "").split()
    prefix = [*prefix, *profiler]
    command = [*prefix, str(TARGET / "syncbridge"), "serve", "--listen", "127.0.0.1:0", "--no-local"]
    server = stack.enter_context(
        subprocess.Popen(
            [*command, "--unix", path, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    )
    # A profiler writes down at the end what it has.
    stack.callback(server.terminate if profiler else server.kill)
    assert server.stdout is not None
    line = server.stdout.readline().strip()
    if not line.startswith("listening grpc://"):
        raise RuntimeError(f"syncbridge serve did not start: {line!r}")
    return server.pid, {"tcp": line.removeprefix("listening "), "unix": f"unix://{path}"}


class System:
    def start(self, stack: ExitStack, work: Path) -> Addresses:
        _, addresses = serve(stack, work)
        return addresses

    def client(self, address: str) -> Client:
        return SyncBridge(address)


SYSTEM = System()
