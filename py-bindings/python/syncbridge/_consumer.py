"""Consumers: items that are brought ahead of need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import _syncbridge
from ._producer import as_timeout
from .exceptions import ShutDown

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ._queue import Queue

T = TypeVar("T")


class Consumer(Generic[T]):
    """Takes items one after the other and has the next ones brought meanwhile: between half of ``prefetch`` and all.

    Made by :meth:`Queue.consumer`; an iterator that ends when the queue is shut down and nothing is left or can come
    back, and a context manager that closes it. Where ``lease`` is set, each item is a :class:`Delivery`, to be settled
    as one of :meth:`Queue.lease`.

    What was brought and not taken yet is nobody's: no attempt counts, others who wait for an item get it back though
    this consumer is busy, and it goes back in its place when the consumer is closed or dropped, or its process ends. A
    consumer is for one thread at a time.
    """

    def __init__(self, queue: Queue[Any], prefetch: int, *, lease: bool, max_hold: float | None) -> None:
        self._queue, self._lease = queue, lease
        self._native = _syncbridge.Consumer(queue._native, prefetch, lease, max_hold)

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """The next item. Waits while there is none; ``block=False`` takes only what has been brought already.

        :exc:`Empty`, :exc:`ShutDown`.
        """
        item: T = self._native.get(as_timeout(block, timeout))
        return item

    def get_nowait(self) -> T:
        """``get(block=False)``."""
        item: T = self._native.get(0.0)
        return item

    def close(self) -> None:
        """Gives back what has not been taken, and takes no more."""
        self._native.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            item: T = self._native.get(None)
        except ShutDown:
            raise StopIteration from None
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<syncbridge.Consumer of {self._queue.name!r}{', leasing' if self._lease else ''}>"
