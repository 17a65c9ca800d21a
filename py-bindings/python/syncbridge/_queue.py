"""Queues with the interface of ``queue`` and what a queue between processes needs beyond it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeVar, overload

from . import _syncbridge
from ._bridge import Bridge, Handle, default_bridge
from ._codec import CodecLike, resolve
from ._consumer import Consumer
from ._producer import Producer, as_headers, as_timeout
from ._syncbridge import Batch, BrowsedItem, Delivery, QueueFigures
from .exceptions import QueueEmpty

T = TypeVar("T")

_PAGE = 100


class _BaseQueue(Handle, Generic[T]):
    _native: _syncbridge.Queue
    _discipline = "fifo"

    def _make(self, bridge: Bridge, name: str | None, options: dict[str, Any]) -> _syncbridge.Queue:
        return _syncbridge.Queue(bridge._native, name, discipline=self._discipline, **options)

    def _describe_state(self) -> str:
        return f"{self.qsize()} items"

    def qsize(self) -> int:
        """How many items a get would find now."""
        return self._native.describe().ready

    def empty(self) -> bool:
        """Whether a get would find nothing now."""
        return self.qsize() == 0


class Queue(_BaseQueue[T]):
    """A FIFO queue, as ``queue.Queue``.

    With a ``name`` it is shared by everyone who uses that name; without one it belongs to those who have a handle, this
    process and whom it hands one to, and goes with the last. An option that is not given is no opinion; the first one
    given counts.

    ``maxsize``: how many waiting items it holds; 0 is unbounded. ``max_deliveries``: after how many leases without an
    ack an item is a dead letter. ``dead_letters``: the queue that receives those. ``ephemeral``: deleted with the last
    session that uses it. ``codec``: how values become bytes; see :class:`syncbridge.Codec`.
    """

    def __init__(
        self,
        maxsize: int | None = None,
        *,
        name: str | None = None,
        bridge: Bridge | None = None,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
        ephemeral: bool | None = None,
        codec: CodecLike = None,
    ) -> None:
        options = {
            "maxsize": None if maxsize is None else max(maxsize, 0),
            "max_deliveries": max_deliveries,
            "dead_letters": dead_letters,
            "ephemeral": ephemeral,
            "codec": resolve(codec),
        }
        self._open(bridge or default_bridge(), name, options)

    def put(
        self,
        item: T,
        block: bool = True,
        timeout: float | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Puts an item and returns its id. Waits while the queue is full; :exc:`Full`, :exc:`ShutDown`."""
        if block and timeout is None and headers is None:
            # As nearly all do. In one process the calls below cost a good part of the put.
            return self._native.put(item)
        return self._native.put(item, as_timeout(block, timeout), None, as_headers(headers))

    def put_nowait(self, item: T) -> int:
        """``put(item, block=False)``."""
        return self._native.put(item, 0.0)

    def put_many(self, items: Iterable[T], block: bool = True, timeout: float | None = None) -> list[int]:
        """Puts all items in one step, or none, and returns their ids."""
        return self._native.put_many(list(items), as_timeout(block, timeout))

    def producer(self, window: int = 1024) -> Producer[T]:
        """Puts that are not awaited one by one: at most ``window`` items are un-acknowledged at a time."""
        return Producer(self, window)

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Takes the next item for good. Waits while there is none; :exc:`Empty`, :exc:`ShutDown`."""
        # As with put: nearly all do, and in one process what stands between costs a good part of it.
        item: T = (
            self._native.get() if block and timeout is None else self._native.get(as_timeout(block, timeout))
        )
        return item

    def get_nowait(self) -> T:
        """``get(block=False)``."""
        item: T = self._native.get(0.0)
        return item

    def get_many(self, max: int, min: int = 1, linger: float = 0.0, timeout: float | None = None) -> list[T]:
        """Takes up to ``max`` items in one step.

        Returns when ``max`` are there, or ``linger`` seconds after the first ``min`` were; after ``timeout`` with at
        least ``min``, else :exc:`Empty`.
        """
        return self._native.get_many(max, min, linger, as_timeout(True, timeout))

    def lease(self, block: bool = True, timeout: float | None = None) -> Delivery[T]:
        """Takes the next item until it is settled: it comes back unless it is acknowledged.

        As a context manager: ack on success, nack on exception.
        """
        return self._native.lease(as_timeout(block, timeout))

    def lease_many(
        self, max: int, min: int = 1, linger: float = 0.0, timeout: float | None = None
    ) -> Batch[T]:
        """Leases up to ``max`` items in one step, as :meth:`get_many`.

        As a context manager: whatever has not been settled one by one is acknowledged on success, given back on
        exception.
        """
        return self._native.lease_many(max, min, linger, as_timeout(True, timeout))

    @overload
    def consumer(self, prefetch: int = 64, *, lease: Literal[False] = False) -> Consumer[T]: ...
    @overload
    def consumer(
        self, prefetch: int = 64, *, lease: Literal[True], max_hold: float | None = None
    ) -> Consumer[Delivery[T]]: ...
    def consumer(
        self, prefetch: int = 64, *, lease: bool = False, max_hold: float | None = None
    ) -> Consumer[Any]:
        """Takes items one after the other, with up to ``prefetch`` more brought ahead of need.

        For good, or with ``lease`` until each is settled, for at most ``max_hold`` seconds if that is given.
        """
        return Consumer(self, prefetch, lease=lease, max_hold=max_hold)

    def task_done(self, count: int = 1) -> None:
        """Says that items gotten earlier are done. An ack says so by itself."""
        self._native.task_done(count)

    def join(self, timeout: float | None = None) -> None:
        """Waits until every item put has been taken and done; :exc:`TimeoutError`."""
        self._native.join(as_timeout(True, timeout))

    def shutdown(self, immediate: bool = False) -> None:
        """No more puts; gets go on until nothing is left or can come back. ``immediate``: drops what is waiting."""
        self._native.shutdown(immediate)

    @property
    def maxsize(self) -> int:
        """How many waiting items it holds at most; 0 is unbounded."""
        return self._native.describe().maxsize

    @property
    def unfinished_tasks(self) -> int:
        """Items put and not yet done."""
        return self._native.describe().unfinished

    @property
    def is_shutdown(self) -> bool:
        """Whether it has been shut down."""
        return self._native.describe().is_shutdown

    def full(self) -> bool:
        """Whether a put would wait now."""
        figures = self._native.describe()
        return 0 < figures.maxsize <= figures.ready + figures.delayed

    def describe(self) -> QueueFigures:
        """Its figures now: items by state, who waits."""
        return self._native.describe()

    def browse(self) -> Iterator[BrowsedItem[T]]:
        """The waiting items, without taking them, in the order in which they would leave."""
        return self._pages(dead=False)

    def dead_letters(self) -> Iterator[BrowsedItem[T]]:
        """The dead letters that stay in this queue, oldest first. A queue named as ``dead_letters=`` has its own."""
        return self._pages(dead=True)

    def peek(self) -> T:
        """The next item, without taking it; :exc:`Empty`."""
        for item in self.browse():
            return item.value
        raise QueueEmpty(f"the queue {self.name!r} has no item to peek at")

    def remove(self, ids: Iterable[int]) -> list[int]:
        """Removes waiting items by id and says which of them went."""
        return self._native.remove(list(ids))

    def purge(self) -> int:
        """Removes all waiting items and says how many there were."""
        return self._native.purge()

    def _pages(self, *, dead: bool) -> Iterator[BrowsedItem[T]]:
        after = None
        while True:
            page, after = self._native.browse(dead, _PAGE, after)
            yield from page
            if after is None:
                return


class LifoQueue(Queue[T]):
    """A queue whose latest item comes out first, as ``queue.LifoQueue``."""

    _discipline = "lifo"


class PriorityQueue(Queue[T]):
    """A queue whose smallest item comes out first, as ``queue.PriorityQueue``; equal ones in order of arrival.

    An item is its own key if it is a number, bytes, str, a tuple that begins with these, or a dataclass with
    ``order=True``; else say ``priority=``. See ``docs/priority-keys.md``.
    """

    _discipline = "priority"

    def put(
        self,
        item: T,
        block: bool = True,
        timeout: float | None = None,
        *,
        priority: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Puts an item, under ``priority`` if that is given, and returns its id."""
        return self._native.put(item, as_timeout(block, timeout), priority, as_headers(headers))


class SimpleQueue(_BaseQueue[T]):
    """An unbounded FIFO queue, as ``queue.SimpleQueue``."""

    def __init__(
        self, *, name: str | None = None, bridge: Bridge | None = None, codec: CodecLike = None
    ) -> None:
        self._open(bridge or default_bridge(), name, {"codec": resolve(codec)})

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        """Puts an item. It never waits: ``block`` and ``timeout`` are there for the interface's sake."""
        self._native.put(item, None)

    def put_nowait(self, item: T) -> None:
        """``put(item)``."""
        self._native.put(item, None)

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Takes the next item. Waits while there is none; :exc:`Empty`."""
        item: T = self._native.get(as_timeout(block, timeout))
        return item

    def get_nowait(self) -> T:
        """``get(block=False)``."""
        item: T = self._native.get(0.0)
        return item
