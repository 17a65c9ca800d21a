"""What Python's standard library has between processes: `multiprocessing.Manager`, and `multiprocessing.Queue`.

A manager is a server with a thread for each client. A `multiprocessing.Queue` is a pipe that processes inherit, with a
thread that writes into it; a put returns before anybody has the item.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import Addresses, BatchQueue, Client, Queue, Semaphore

SPAWN = multiprocessing.get_context("spawn")
#: Of each kind, since managers have no names and pipes must be inherited.
QUEUES = ("ping", "pong", "way", "bulk", "arrays")
PERMITS = 8


class OneByOne:
    """A batch is nothing special to it."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def put_many(self, items: Sequence[bytes]) -> None:
        put = self.queue.put
        for item in items:
            put(item)

    def get_many(self, most: int) -> Sequence[bytes]:
        get = self.queue.get
        return [get() for _ in range(most)]


class Handles(Client):
    """Queues and semaphores that this process was given when it was started."""

    def __init__(self, handles: Mapping[str, Any]) -> None:
        self.handles = handles

    def queue(self, name: str) -> Queue:
        queue: Queue = self.handles[name]
        return queue

    def batches(self, name: str) -> BatchQueue:
        return OneByOne(self.queue(name))

    def arrays(self, name: str) -> Queue:
        return self.queue(name)

    def semaphore(self, name: str, permits: int) -> Semaphore:
        if "semaphore" not in self.handles:
            return super().semaphore(name, permits)
        assert permits == PERMITS
        semaphore: Semaphore = self.handles["semaphore"]
        return semaphore


class System:
    def start(self, stack: ExitStack, work: Path) -> Addresses:
        manager = stack.enter_context(SPAWN.Manager())
        managed: dict[str, Any] = {name: manager.Queue() for name in QUEUES}
        managed["semaphore"] = manager.Semaphore(PERMITS)
        # What a manager made goes with the last proxy, and this process has the only ones until the others have begun.
        stack.callback(managed.clear)
        return {"manager": managed, "pipe": {name: SPAWN.Queue() for name in QUEUES}}

    def client(self, address: Mapping[str, Any]) -> Client:
        return Handles(address)


SYSTEM = System()
