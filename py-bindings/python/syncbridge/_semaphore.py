"""Semaphores with the interface of ``threading.Semaphore``."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Literal

from . import _syncbridge
from ._bridge import Bridge, Handle, default_bridge
from ._syncbridge import Permit, PermitHolder, SemaphoreFigures
from .exceptions import WaitTimeout


class Semaphore(Handle):
    """A semaphore of ``value`` permits, as ``threading.Semaphore``.

    What is acquired is held by this process and goes back when it ends. A release of what nobody holds adds one, so
    ``Semaphore(0)`` signals. ``ownership="none"``: nothing goes back by itself. ``ephemeral``: deleted with the last
    session that uses it.
    """

    _native: _syncbridge.Semaphore
    _bounded: bool | None = None

    def __init__(
        self,
        value: int | None = None,
        *,
        name: str | None = None,
        bridge: Bridge | None = None,
        ownership: str | None = None,
        ephemeral: bool | None = None,
    ) -> None:
        if value is not None and value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        options = {"limit": value, "ownership": ownership, "ephemeral": ephemeral}
        self._open(bridge or default_bridge(), name, options)

    def _make(self, bridge: Bridge, name: str | None, options: dict[str, Any]) -> _syncbridge.Semaphore:
        return _syncbridge.Semaphore(bridge._native, name, bounded=self._bounded, **options)

    def _describe_state(self) -> str:
        return f"value={self.available()}"

    def acquire(self, blocking: bool = True, timeout: float | None = None, n: int = 1) -> bool:
        """Takes ``n`` permits, all or none, in line with everybody else; False if the time was over first."""
        return self._native.acquire(_permits(n), _timeout(blocking, timeout))

    def acquire_permit(self, n: int = 1, *, timeout: float | None = None) -> Permit:
        """Takes ``n`` permits that only the handle returned gives back (a context manager); :exc:`TimeoutError`."""
        permit = self._native.acquire_permit(_permits(n), timeout)
        if permit is None:
            raise WaitTimeout(f"no {n} permits of {self.name!r} became free within {timeout} s")
        return permit

    def release(self, n: int = 1, *, flush: Literal["later"] | None = None) -> None:
        """Returns this thread's newest permits, else another's; what nobody holds is added.

        ``flush="later"`` does not wait for the server, as :meth:`Bridge.flush` says.
        """
        if n < 1:
            raise ValueError("n must be one or more")
        self._native.release(n, flush)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def available(self) -> int:
        """How many permits could be acquired now."""
        return self._native.describe().available

    def drain(self) -> int:
        """Acquires all that is available, without waiting, and says how much that was."""
        return self._native.drain()

    def set_limit(self, limit: int) -> None:
        """Changes the number of permits. Nothing that is held is revoked."""
        self._native.set_limit(limit)

    def describe(self) -> SemaphoreFigures:
        """Its figures now."""
        return self._native.describe()

    def holders(self) -> list[PermitHolder]:
        """Who holds permits, the oldest grants first; at most a page (1000)."""
        return self._native.holders()


class BoundedSemaphore(Semaphore):
    """A semaphore of which no more can be released than was acquired, as ``threading.BoundedSemaphore``."""

    _bounded = True

    def _describe_state(self) -> str:
        figures = self._native.describe()
        return f"value={figures.available}/{figures.limit}"


def _permits(n: int) -> int:
    if n < 1:
        raise ValueError("n must be one or more")
    return n


def _timeout(blocking: bool, timeout: float | None) -> float | None:
    if blocking:
        return timeout
    if timeout is not None:
        raise ValueError("can't specify timeout for non-blocking acquire")
    return 0.0
