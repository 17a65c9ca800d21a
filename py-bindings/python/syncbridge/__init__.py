"""Queues, events and semaphores shared between processes, machines and languages.

``from syncbridge import Queue, Event`` is a drop-in for ``from queue import Queue`` and
``from threading import Event``. :func:`connect` opens a session with a server;
without one everything happens in this process.
"""

from __future__ import annotations

from queue import Empty, Full

from . import exceptions
from ._bridge import Bridge, connect, shutdown
from ._codec import Codec
from ._consumer import Consumer
from ._event import Event
from ._producer import Producer
from ._queue import LifoQueue, PriorityQueue, Queue, SimpleQueue
from ._semaphore import BoundedSemaphore, Semaphore
from ._server import Server
from ._syncbridge import (
    Batch,
    BrowsedItem,
    Delivery,
    Permit,
    PermitHolder,
    QueueFigures,
    SemaphoreFigures,
    __version__,
)
from .exceptions import ShutDown, SyncBridgeError

__all__ = [
    "Batch",
    "BoundedSemaphore",
    "Bridge",
    "BrowsedItem",
    "Codec",
    "Consumer",
    "Delivery",
    "Empty",
    "Event",
    "Full",
    "LifoQueue",
    "Permit",
    "PermitHolder",
    "PriorityQueue",
    "Producer",
    "Queue",
    "QueueFigures",
    "Semaphore",
    "SemaphoreFigures",
    "Server",
    "ShutDown",
    "SimpleQueue",
    "SyncBridgeError",
    "__version__",
    "connect",
    "exceptions",
    "shutdown",
]
