"""What calls raise: one class per reason of the closed list in ``docs/errors.md``.

Each has two bases, :class:`SyncBridgeError` and what users of the standard library catch already.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

__all__ = [
    "BrokenBarrier",
    "BrokenPipe",
    "Cancelled",
    "ConfigMismatch",
    "CrossNamespace",
    "DecodeError",
    "Duplicate",
    "EncodeError",
    "EndOfPipe",
    "Fenced",
    "ForkedHandleError",
    "InternalError",
    "InvalidArgument",
    "JoinIncomplete",
    "LimitExceeded",
    "NotPicklableError",
    "ObjectGone",
    "OutcomeUnknown",
    "ProtocolVersionError",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "SessionDenied",
    "SessionExpired",
    "SessionRequired",
    "ShutDown",
    "StaleToken",
    "SyncBridgeError",
    "TooManyReleases",
    "TooManyTasksDone",
    "Unavailable",
    "WaitTimeout",
]

if TYPE_CHECKING:

    class ShutDown(Exception):
        """``queue.ShutDown``, which Python has from 3.13 on."""

else:
    try:
        from queue import ShutDown
    except ImportError:

        class ShutDown(Exception):
            """``queue.ShutDown``, which Python has from 3.13 on."""


class SyncBridgeError(Exception):
    """A call failed. Unless its class says otherwise, nothing was changed."""

    #: The reason as it is on the wire, e.g. ``"LIMIT_EXCEEDED"``.
    reason: str = ""
    #: What was asked, what was found, what to do.
    message: str
    #: Details by name.
    metadata: dict[str, str]

    def __init__(self, message: str = "", metadata: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata or {}

    def __reduce__(self) -> tuple[type[SyncBridgeError], tuple[str, dict[str, str]]]:
        return type(self), (self.message, self.metadata)


class InvalidArgument(SyncBridgeError, ValueError):
    """An argument has a value that it may not have."""

    reason = "INVALID_ARGUMENT"


class LimitExceeded(SyncBridgeError, RuntimeError):
    """A bound is reached; ``metadata`` has its name and value."""

    reason = "LIMIT_EXCEEDED"


class ConfigMismatch(SyncBridgeError, ValueError):
    """The object was declared with another option."""

    reason = "CONFIG_MISMATCH"


class ObjectGone(SyncBridgeError, LookupError):
    """The object behind a handle no longer exists."""

    reason = "OBJECT_GONE"


class SessionRequired(SyncBridgeError, RuntimeError):
    """Something would be held, and the call has no session."""

    reason = "SESSION_REQUIRED"


class SessionExpired(SyncBridgeError, ConnectionError):
    """The session is over; what it held has gone back."""

    reason = "SESSION_EXPIRED"


class SessionDenied(SyncBridgeError, PermissionError):
    """The secret is not that of the session."""

    reason = "SESSION_DENIED"


class ProtocolVersionError(SyncBridgeError, ConnectionError):
    """Client and server speak different versions of the protocol."""

    reason = "PROTOCOL_VERSION"


class QueueFull(SyncBridgeError, queue.Full):
    """The queue had no room in time."""

    reason = "FULL"


class QueueEmpty(SyncBridgeError, queue.Empty):
    """The queue had no item in time."""

    reason = "EMPTY"


class WaitTimeout(SyncBridgeError, TimeoutError):
    """What was asked for was not granted in time."""

    reason = "TIMED_OUT"


class Cancelled(SyncBridgeError, RuntimeError):
    """The call was withdrawn by its caller."""

    reason = "CANCELLED"


class QueueShutDown(SyncBridgeError, ShutDown):
    """The queue is shut down."""

    reason = "SHUT_DOWN"


class StaleToken(SyncBridgeError, RuntimeError):
    """What the token named was settled before, or was lost with its session."""

    reason = "STALE"


class TooManyReleases(SyncBridgeError, ValueError):
    """A bounded semaphore is at its limit."""

    reason = "TOO_MANY_RELEASES"


class TooManyTasksDone(SyncBridgeError, ValueError):
    """``task_done`` was called more often than items were put."""

    reason = "TOO_MANY_TASKS_DONE"


class BrokenBarrier(SyncBridgeError, threading.BrokenBarrierError):
    """A party of the barrier failed, or somebody aborted or reset it."""

    reason = "BROKEN_BARRIER"


class EndOfPipe(SyncBridgeError, EOFError):
    """The other end of the pipe is closed, and everything that it sent was received."""

    reason = "END_OF_PIPE"


class BrokenPipe(SyncBridgeError, BrokenPipeError):
    """The end of the pipe that would receive is closed."""

    reason = "BROKEN_PIPE"


class CrossNamespace(SyncBridgeError, ValueError):
    """One call names objects of two namespaces."""

    reason = "CROSS_NAMESPACE"


class JoinIncomplete(SyncBridgeError):
    """``join`` has nothing left to wait for but items that were lost with their consumers."""

    reason = "JOIN_INCOMPLETE"


class Fenced(SyncBridgeError, RuntimeError):
    """A change came with a lower fencing token than one that was seen before."""

    reason = "FENCED"


class Duplicate(SyncBridgeError, ValueError):
    """An item of that key is there already, and duplicates are refused."""

    reason = "DUPLICATE"


class OutcomeUnknown(SyncBridgeError, ConnectionError):
    """The session was lost with the answer: the call may or may not have happened."""

    reason = "OUTCOME_UNKNOWN"


class Unavailable(SyncBridgeError, ConnectionError):
    """The server cannot be reached, or takes no new work."""

    reason = "UNAVAILABLE"


class InternalError(SyncBridgeError, RuntimeError):
    """A defect of the server; its log has the rest."""

    reason = "INTERNAL"


class EncodeError(SyncBridgeError, TypeError):
    """A value has no encoding, or no priority key."""


class DecodeError(SyncBridgeError, ValueError):
    """An item cannot be decoded. It is not lost: a ``get`` or ``lease`` that found it made it a dead letter."""

    #: Which item.
    item_id: int

    def __init__(self, message: str = "", item_id: int = 0) -> None:
        super().__init__(message, {"item_id": str(item_id)})
        self.item_id = item_id

    def __reduce__(self) -> tuple[type[DecodeError], tuple[str, int]]:  # type: ignore[override]
        return type(self), (self.message, self.item_id)


class ForkedHandleError(SyncBridgeError, RuntimeError):
    """A ``mem:`` handle was used in a forked child."""


class NotPicklableError(SyncBridgeError, TypeError):
    """A handle cannot leave its process."""


_BY_REASON: dict[str, type[SyncBridgeError]] = {
    cls.reason: cls for cls in SyncBridgeError.__subclasses__() if cls.reason
}


def from_reason(reason: str, message: str, metadata: dict[str, str]) -> SyncBridgeError:
    """The exception that stands for an error of the engine."""
    return _BY_REASON.get(reason, InternalError)(message, metadata)
