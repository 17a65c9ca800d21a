"""Events with the interface of ``threading.Event``."""

from __future__ import annotations

from typing import Any, Literal

from . import _syncbridge
from ._bridge import Bridge, Handle, default_bridge


class Event(Handle):
    """A flag to wait for, as ``threading.Event``.

    ``auto_reset``: a set wakes one waiter and clears it. ``ephemeral``: deleted with the last session that uses it.
    """

    _native: _syncbridge.Event

    def __init__(
        self,
        *,
        name: str | None = None,
        bridge: Bridge | None = None,
        auto_reset: bool | None = None,
        ephemeral: bool | None = None,
    ) -> None:
        options = {"auto_reset": auto_reset, "ephemeral": ephemeral}
        self._open(bridge or default_bridge(), name, options)

    def _make(self, bridge: Bridge, name: str | None, options: dict[str, Any]) -> _syncbridge.Event:
        return _syncbridge.Event(bridge._native, name, **options)

    def _describe_state(self) -> str:
        return "set" if self.is_set() else "unset"

    def is_set(self) -> bool:
        """Whether it is set now."""
        return self._native.describe()[0]

    @property
    def version(self) -> int:
        """The number of the latest set: 0 before the first, one more with every set."""
        return self._native.describe()[1]

    def set(self, *, flush: Literal["later"] | None = None) -> None:
        """Sets it and wakes everybody who waits.

        ``flush="later"`` does not wait for the server, as :meth:`Bridge.flush` says.
        """
        self._native.set(flush)

    def clear(self) -> None:
        """Clears it."""
        self._native.clear()

    def wait(self, timeout: float | None = None, *, after: int | None = None) -> bool:
        """Waits until it is set; False if the time was over first.

        ``after``: a :attr:`version`; also returns for a newer set that has been cleared since, so that no pulse is
        missed.
        """
        return self._native.wait(timeout, after)
