"""ØMQ without a broker: each queue is a PUSH socket of one process that is connected to a PULL socket of another.

Nothing is between the two: nobody answers a put, keeps what a dead process had, or serves several in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from . import Addresses, BatchQueue, Client, Queue

Array = np.ndarray[Any, Any]


class Line:
    """The first use decides which end of it this process has."""

    def __init__(self, context: Any, address: str) -> None:
        self.context, self.address = context, address

    @cached_property
    def put(self) -> Any:
        socket = self.context.socket(zmq.PUSH)
        socket.set_hwm(0)
        socket.connect(self.address)
        return socket.send

    @cached_property
    def get(self) -> Any:
        socket = self.context.socket(zmq.PULL)
        socket.set_hwm(0)
        socket.bind(self.address)
        return socket.recv

    def put_many(self, items: Sequence[bytes]) -> None:
        put = self.put
        for item in items:
            put(item)

    def get_many(self, most: int) -> Sequence[bytes]:
        get = self.get
        return [get() for _ in range(most)]


class Arrays:
    def __init__(self, line: Line) -> None:
        self.line = line

    def put(self, array: Array) -> None:
        self.line.put(array, copy=False)

    def get(self) -> Array:
        return np.frombuffer(self.line.get(), np.float32).reshape(224, 224, 3)


class Zmq(Client):
    def __init__(self, directory: str) -> None:
        self.context, self.directory = zmq.Context(), directory
        self.lines: dict[str, Line] = {}

    def line(self, name: str) -> Line:
        if name not in self.lines:
            self.lines[name] = Line(self.context, f"ipc://{self.directory}/{name}")
        return self.lines[name]

    def queue(self, name: str) -> Queue:
        return self.line(name)

    def batches(self, name: str) -> BatchQueue:
        return self.line(name)

    def arrays(self, name: str) -> Queue:
        return Arrays(self.line(name))


class System:
    def start(self, stack: ExitStack, work: Path) -> Addresses:
        return {"unix": str(work)}

    def client(self, address: str) -> Client:
        return Zmq(address)


SYSTEM = System()
