"""Producers: puts that are not awaited one by one."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import _syncbridge

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ._queue import Queue

T = TypeVar("T")


class Producer(Generic[T]):
    """Puts items in order and learns later how that went.

    Made by :meth:`Queue.producer`; a context manager that flushes. At most ``window`` items are un-acknowledged; then
    a put waits for room. The first item leaves at once; while one batch is under way the next items gather and leave
    together, so none waits for a timer. Threads may share a producer.

    Each item has a number, from 0 on. What failed is told once, by the next put, flush or close, as the exception of
    the first failure: ``metadata["failed"]`` says how many, ``metadata["numbers"]`` which, ``metadata["unknown"]`` of
    how many it cannot be known. The item of a put that raises was not taken.
    """

    def __init__(self, queue: Queue[T], window: int) -> None:
        self._queue = queue
        self._native = _syncbridge.Producer(queue._native, window)

    def put(
        self,
        item: T,
        block: bool = True,
        timeout: float | None = None,
        *,
        priority: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Puts an item and returns its number. Waits for room in the window, not for the server; :exc:`Full`."""
        return self._native.put(item, as_timeout(block, timeout), priority, as_headers(headers))

    def put_many(self, items: Iterable[T]) -> None:
        """Puts items one after the other. Interrupted while it waits for room, it has put the first ones."""
        self._native.put_many(list(items))

    def flush(self, timeout: float | None = None) -> None:
        """Waits until everything that was put is in the queue, and tells what failed.

        :exc:`TimeoutError`: it is still under way.
        """
        self._native.flush(as_timeout(True, timeout))

    def close(self) -> None:
        """Takes no more, and flushes."""
        self._native.close()

    @property
    def undelivered(self) -> int:
        """How many items are not acknowledged, or failed and that was not told."""
        return self._native.undelivered()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        native = getattr(self, "_native", None)
        if native is not None and (left := native.undelivered()):
            where = f"a producer of {self._queue.name!r}"
            text = f"{left} items of {where} were not delivered: flush() it, or use a with block"
            warnings.warn(text, ResourceWarning, stacklevel=1, source=self)

    def __repr__(self) -> str:
        return f"<syncbridge.Producer of {self._queue.name!r}: {self.undelivered} undelivered>"


def as_timeout(block: bool, timeout: float | None) -> float | None:
    """What ``block`` and ``timeout`` of a put or get mean together."""
    if not block:
        return 0.0
    if timeout is not None and not timeout >= 0:
        raise ValueError("'timeout' must be a non-negative number")
    return timeout


def as_headers(headers: Mapping[str, str] | None) -> list[tuple[str, str]] | None:
    """Headers as the native part takes them."""
    return list(headers.items()) if headers else None
