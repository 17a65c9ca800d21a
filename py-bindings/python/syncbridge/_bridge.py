"""Bridges: a session with a server or an engine, the maker of everything else."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any

from . import _syncbridge
from .exceptions import NotPicklableError, SyncBridgeError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ._codec import CodecLike
    from ._event import Event
    from ._queue import LifoQueue, PriorityQueue, Queue, SimpleQueue
    from ._semaphore import BoundedSemaphore, Semaphore

#: How long a fork waits for the server to know of what the child will use, in seconds.
_FORK_SECONDS = 1.0
#: How long the end of the program waits for what is still to be said, in seconds.
_EXIT_SECONDS = 1.0


class Bridge:
    """A session with a namespace. Made by :func:`connect`; a context manager that closes it.

    Threads share it. What this process holds through it goes back when it is closed, and when the process ends,
    however that happens.
    """

    def __init__(self, url: str, *, name: str | None = None, session_ttl: float = 15.0) -> None:
        self._native = _syncbridge.Bridge(url, name or _program(), session_ttl)
        self._name, self._session_ttl = name, session_ttl
        _live.add(self)
        _by_place.setdefault(self._native.place, self)
        _close_with_worker()

    @property
    def url(self) -> str:
        """Where it is connected to."""
        return self._native.url

    def flush(self, timeout: float | None = None) -> None:
        """Waits until the server has everything that was said; :exc:`~syncbridge.exceptions.Unavailable` after
        ``timeout``.

        A release, ack or set with ``flush="later"`` is not awaited: it travels with the next call, or by itself
        within a few milliseconds, and at most 1,024 are under way. What failed of those is told here, by
        :meth:`close`, or by the next one on the same object, which is made all the same: with the reason of the
        first, and how many in ``metadata["failed"]``.
        """
        self._native.flush(timeout)

    def close(self) -> None:
        """Ends the session: everything held goes back, every wait ends, later calls fail.

        Before that it flushes, for a second at most.
        """
        if _by_place.get(self._native.place) is self:
            del _by_place[self._native.place]
        self._native.close(_EXIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<syncbridge.Bridge {self.url}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._native.is_local:
            raise NotPicklableError(_cannot_leave(self.url))
        return _shared, (self._native.place, self._name, self._session_ttl)

    def queue(
        self,
        name: str | None = None,
        maxsize: int | None = None,
        *,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
        ephemeral: bool | None = None,
        codec: CodecLike = None,
    ) -> Queue[Any]:
        """A FIFO queue. Without a name it is one of its own; an option that is not given is no opinion."""
        from ._queue import Queue

        return Queue(
            maxsize,
            name=name,
            bridge=self,
            max_deliveries=max_deliveries,
            dead_letters=dead_letters,
            ephemeral=ephemeral,
            codec=codec,
        )

    def lifo_queue(
        self,
        name: str | None = None,
        maxsize: int | None = None,
        *,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
        ephemeral: bool | None = None,
        codec: CodecLike = None,
    ) -> LifoQueue[Any]:
        """A queue whose latest item comes out first."""
        from ._queue import LifoQueue

        return LifoQueue(
            maxsize,
            name=name,
            bridge=self,
            max_deliveries=max_deliveries,
            dead_letters=dead_letters,
            ephemeral=ephemeral,
            codec=codec,
        )

    def priority_queue(
        self,
        name: str | None = None,
        maxsize: int | None = None,
        *,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
        ephemeral: bool | None = None,
        codec: CodecLike = None,
    ) -> PriorityQueue[Any]:
        """A queue whose smallest item comes out first."""
        from ._queue import PriorityQueue

        return PriorityQueue(
            maxsize,
            name=name,
            bridge=self,
            max_deliveries=max_deliveries,
            dead_letters=dead_letters,
            ephemeral=ephemeral,
            codec=codec,
        )

    def simple_queue(self, name: str | None = None, *, codec: CodecLike = None) -> SimpleQueue[Any]:
        """An unbounded FIFO queue with the few methods of ``queue.SimpleQueue``."""
        from ._queue import SimpleQueue

        return SimpleQueue(name=name, bridge=self, codec=codec)

    def event(
        self, name: str | None = None, *, auto_reset: bool | None = None, ephemeral: bool | None = None
    ) -> Event:
        """A flag to wait for."""
        from ._event import Event

        return Event(name=name, bridge=self, auto_reset=auto_reset, ephemeral=ephemeral)

    def semaphore(
        self,
        name: str | None = None,
        value: int | None = None,
        *,
        ownership: str | None = None,
        ephemeral: bool | None = None,
    ) -> Semaphore:
        """A semaphore of ``value`` permits, 1 unless anybody says otherwise."""
        from ._semaphore import Semaphore

        return Semaphore(value, name=name, bridge=self, ownership=ownership, ephemeral=ephemeral)

    def bounded_semaphore(
        self,
        name: str | None = None,
        value: int | None = None,
        *,
        ownership: str | None = None,
        ephemeral: bool | None = None,
    ) -> BoundedSemaphore:
        """A semaphore of which no more can be released than was acquired."""
        from ._semaphore import BoundedSemaphore

        return BoundedSemaphore(value, name=name, bridge=self, ownership=ownership, ephemeral=ephemeral)


class Handle:
    """What everything that a bridge makes has in common.

    A handle stands for an object: two that stand for the same one are equal, and a copy is the handle itself.
    Pickled, it attaches to its object wherever it is unpickled, and never makes a new one: :exc:`ObjectGone`. The
    objects of ``mem:`` are in this process, and their handles cannot leave it.
    """

    _bridge: Bridge
    _native: Any
    #: It belongs to the processes that have a handle, and goes with the last one.
    _anonymous: bool
    #: What was said about it when it was opened.
    _options: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name; one was made up for it if none was given."""
        name: str = self._native.name
        return name

    @property
    def bridge(self) -> Bridge:
        """The bridge that it belongs to."""
        return self._bridge

    def _make(self, bridge: Bridge, name: str | None, options: dict[str, Any]) -> Any:
        """Its native part."""
        raise NotImplementedError

    def _open(self, bridge: Bridge, name: str | None, options: dict[str, Any]) -> None:
        self._bridge, self._anonymous, self._options = bridge, name is None, options
        self._native = self._make(bridge, name, options)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._bridge._native.is_local:
            raise NotPicklableError(_cannot_leave(self._bridge.url))
        self._native.share()
        return _attach, (type(self), self._bridge, self.name, self._anonymous, self._options)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def _identity(self) -> tuple[str, str, str]:
        return self._bridge._native.place, type(self._native).__name__, self.name

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, Handle) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def _describe_state(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        cls = type(self).__name__
        if not self._bridge._native.is_local:
            # Asking a server is nothing that a repr should do.
            return f"<syncbridge.{cls} {self.name!r} at {self._bridge.url}>"
        try:
            return f"<syncbridge.{cls} at {id(self):#x}: {self._describe_state()}>"
        except SyncBridgeError as error:
            return f"<syncbridge.{cls} at {id(self):#x}: {error}>"


def connect(
    url: str | None = None, *, token: str | None = None, name: str | None = None, session_ttl: float = 15.0
) -> Bridge:
    """Opens a session.

    ``url``: ``grpc://HOST:PORT/NAMESPACE``, ``unix:///PATH#NAMESPACE``, or ``mem:`` (``mem:NAME``) for an engine in
    this process; ``SYNCBRIDGE_URL`` or else ``mem:`` if it is not given. ``name`` is the program's, for people.
    ``session_ttl``: for how many seconds what it holds outlives a lost connection.
    """
    if token is not None:
        raise NotImplementedError("token= is not there yet: this version has no authentication; leave it out")
    return Bridge(url or os.environ.get("SYNCBRIDGE_URL") or "mem:", name=name, session_ttl=session_ttl)


def default_bridge() -> Bridge:
    """The bridge of whatever is made without ``bridge=``: to ``SYNCBRIDGE_URL``, else ``mem:``."""
    global _default
    with _lock:
        if _default is None or _is_of_parent(_default):
            _default = connect()
        return _default


def shutdown() -> None:
    """Closes the default bridge. The next use of it makes a new one."""
    global _default
    with _lock:
        bridge, _default = _default, None
    if bridge is not None:
        bridge.close()


_default: Bridge | None = None
#: The bridges that unpickled handles made for themselves.
_kept: dict[str, Bridge] = {}
#: The first open bridge to each namespace: what is unpickled uses it.
_by_place: weakref.WeakValueDictionary[str, Bridge] = weakref.WeakValueDictionary()
_live: weakref.WeakSet[Bridge] = weakref.WeakSet()
_lock = threading.Lock()
_pid = os.getpid()
_exit_of_worker: Any = None
_watches_workers = False


def _shared(place: str, name: str | None, session_ttl: float) -> Bridge:
    """The bridge through which unpickled handles of one namespace work in this process: the one that it has, else one
    like that which was pickled."""
    with _lock:
        bridge = _by_place.get(place)
        if bridge is None:
            bridge = _kept[place] = Bridge(place, name=name, session_ttl=session_ttl)
        return bridge


def _attach(cls: type[Handle], bridge: Bridge, name: str, anonymous: bool, options: dict[str, Any]) -> Handle:
    handle = cls.__new__(cls)
    handle._bridge, handle._anonymous, handle._options = bridge, anonymous, options
    handle._native = handle._make(bridge, name, {**options, "attached": anonymous})
    return handle


def _cannot_leave(url: str) -> str:
    return (
        f"{url} lives in this process and its handles cannot leave it; connect to a server instead "
        "(syncbridge.Server() embeds one: connect to its url), or run threads instead of processes"
    )


def _program() -> str:
    return os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) and sys.argv[0] else "python"


def _is_of_parent(bridge: Bridge) -> bool:
    return bridge._native.is_local and os.getpid() != _pid


def _before_fork() -> None:
    """A child finds what its parent made, also where the parent lets go of it."""
    end = time.monotonic() + _FORK_SECONDS
    for bridge in list(_live):
        # A server that does not answer keeps nobody from forking.
        with contextlib.suppress(SyncBridgeError):
            bridge._native.share_all(max(0.0, end - time.monotonic()))
    _close_with_forked_worker()


def _after_fork_in_child() -> None:
    global _lock
    # Another thread of the parent may have held it.
    _lock = threading.Lock()


def _at_exit() -> None:
    _syncbridge.program_ends()
    _close_all()


def _close_all() -> None:
    end = time.monotonic() + _EXIT_SECONDS
    for bridge in list(_live):
        try:
            bridge._native.close(max(0.0, end - time.monotonic()))
        except SyncBridgeError as error:
            # What else cannot be said any more does not matter: the session goes with the process.
            if "failed" in error.metadata:
                warnings.warn(f"{bridge.url}: {error}", RuntimeWarning, stacklevel=1)


def _close_with_worker() -> None:
    """Workers of multiprocessing skip atexit."""
    global _exit_of_worker
    if "multiprocessing.process" not in sys.modules:
        return
    from multiprocessing import parent_process, util

    if parent_process() is not None and (_exit_of_worker is None or not _exit_of_worker.still_active()):
        _exit_of_worker = util.Finalize(None, _close_all, exitpriority=0)


def _close_with_forked_worker() -> None:
    """A forked worker may use the bridges that it inherits, and never make one."""
    global _watches_workers
    if not _watches_workers and "multiprocessing.util" in sys.modules:
        from multiprocessing import util

        _watches_workers = True
        util.register_after_fork(_live, lambda _: _close_with_worker())


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
