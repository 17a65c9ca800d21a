"""What is compared: one module for each system, and here what they have in common.

A system starts its server and makes clients. A client gives what its users would use, so that a measurement calls that
and nothing in between; what a system does not have is Missing, with the reason.
"""

from __future__ import annotations

import importlib
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

#: How many items a batch has.
BATCH = 100
#: How many items may be under way in a stream.
WINDOW = 1024


class Missing(Exception):
    """It cannot be measured here. The message says why, and goes into the table."""


class Queue(Protocol):
    def put(self, item: Any, /) -> object: ...
    def get(self) -> Any: ...


class BatchQueue(Protocol):
    def put_many(self, items: Sequence[bytes], /) -> object: ...
    def get_many(self, most: int, /) -> Sequence[bytes]: ...


class Semaphore(Protocol):
    def acquire(self) -> object: ...
    def release(self) -> object: ...


class Event(Protocol):
    def set(self) -> None: ...
    def clear(self) -> None: ...
    def wait(self) -> object: ...
    def waiting(self) -> int: ...


class Client:
    """One process's use of a system."""

    def queue(self, name: str) -> Queue:
        """A queue of bytes; get waits."""
        raise Missing("it has no queues")

    def batches(self, name: str) -> BatchQueue:
        """The same, many items in one call."""
        raise Missing("it has no batches")

    def stream_out(self, name: str, item: bytes, count: int) -> None:
        """Puts an item so many times, as fast as the system can with up to WINDOW of them under way."""
        raise Missing("it has no windows")

    def stream_in(self, name: str, count: int) -> None:
        """Gets so many, while they are put."""
        raise Missing("it has no windows")

    def stream_in_many(self, name: str, count: int) -> None:
        """The same, with what is there at a time."""
        raise Missing("it has no windows")

    def arrays(self, name: str) -> Queue:
        """A queue of numpy arrays, in the best form that the system has."""
        raise Missing("it has no arrays")

    def json_arrays(self, name: str) -> Queue:
        """A queue of numpy arrays as base64 in JSON."""
        raise Missing("nobody would")

    def semaphore(self, name: str, permits: int) -> Semaphore:
        """A semaphore that exists once; every client gives the same number."""
        raise Missing("it has no semaphores")

    def unawaited_semaphore(self, name: str, permits: int) -> Semaphore:
        """The same, with releases that are not waited for."""
        raise Missing("its releases are waited for")

    def event(self, name: str) -> Event:
        """A flag that many wait for."""
        raise Missing("it has no events")


#: By transport: what a client needs in order to connect.
Addresses = Mapping[str, Any]


class System(Protocol):
    def start(self, stack: ExitStack, work: Path) -> Addresses:
        """Starts a server that ends with the stack and has a directory of its own."""

    def client(self, address: Any) -> Client:
        """Connects; called in another process."""


def load(name: str) -> System:
    """The system of that name. Its packages are imported only now."""
    try:
        system: System = importlib.import_module(f"systems.{name}").SYSTEM
    except ImportError as error:
        raise Missing(f"the Python package {error.name} is not installed") from error
    return system


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def until(ready: Callable[[], object], errors: type[Exception] | tuple[type[Exception], ...]) -> None:
    """Tries until a server that was just started answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            ready()
            return
        except errors:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
