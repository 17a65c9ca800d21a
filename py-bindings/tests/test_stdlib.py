"""CPython's own tests of ``queue`` and ``threading``, run against our classes on every placement.

What is left out is listed with its reason; everything else must pass as it stands.
"""

from __future__ import annotations

import importlib
import queue
import threading
import unittest
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import syncbridge

lock_tests: Any = pytest.importorskip("test.lock_tests", reason="this Python comes without its tests")
test_queue: Any = importlib.import_module("test.test_queue")

LEFT_OUT = {
    "test_at_fork_reinit": "reaches for the lock inside threading's classes; there is none inside ours",
    "test_shrinking_queue": "assigns to maxsize; the bound is an option of the shared queue, declared once",
}
LEFT_OUT_SERVED = {
    "test_repr": "a repr that asked a server could hang a debugger; it shows name and URL instead",
    "test_references": "is about the identity of objects, and across a connection values are copies",
    "test_reentrancy": "puts from a finalizer of an item; across a connection items are copies without one",
}
# test_queue.FailingQueueTest is left out as a whole: it overrides _put and _get; the inside is the engine's.


def placed(name: str, bridge: syncbridge.Bridge) -> type:
    """Our class of that name on a bridge, with the constructor of the standard library's."""
    base: Any = getattr(syncbridge, name)

    class Placed(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, bridge=bridge, **options)

    Placed.__name__ = name
    return Placed


def a_queue(name: str, mixin: str) -> Callable[[syncbridge.Bridge], type]:
    def make(bridge: syncbridge.Bridge) -> type:
        members = {
            "queue": SimpleNamespace(Empty=queue.Empty, Full=queue.Full),
            "type2test": placed(name, bridge),
        }
        return type(name, (getattr(test_queue, mixin), unittest.TestCase), members)

    return make


def a_lock(name: str, attribute: str) -> Callable[[syncbridge.Bridge], type]:
    def make(bridge: syncbridge.Bridge) -> type:
        return type(name, (getattr(lock_tests, f"{name}Tests"),), {attribute: placed(name, bridge)})

    return make


CASES = {
    "Queue": a_queue("Queue", "BaseQueueTestMixin"),
    "LifoQueue": a_queue("LifoQueue", "BaseQueueTestMixin"),
    "PriorityQueue": a_queue("PriorityQueue", "BaseQueueTestMixin"),
    "SimpleQueue": a_queue("SimpleQueue", "BaseSimpleQueueTest"),
    "Event": a_lock("Event", "eventtype"),
    "Semaphore": a_lock("Semaphore", "semtype"),
    "BoundedSemaphore": a_lock("BoundedSemaphore", "semtype"),
}


@pytest.mark.parametrize("name", CASES)
def test_as_in_cpython(name: str, bridge: syncbridge.Bridge) -> None:
    left_out = LEFT_OUT if bridge.url.startswith("mem:") else LEFT_OUT | LEFT_OUT_SERVED
    case = CASES[name](bridge)
    names = [test for test in unittest.TestLoader().getTestCaseNames(case) if test not in left_out]
    result = unittest.TestResult()
    unittest.TestSuite(map(case, names)).run(result)
    assert not [text for _, text in (*result.errors, *result.failures)]
    assert result.testsRun == len(names) >= 4


def test_the_exceptions_are_those_of_the_standard_library() -> None:
    assert syncbridge.Empty is queue.Empty
    assert syncbridge.Full is queue.Full
    assert getattr(queue, "ShutDown", syncbridge.ShutDown) is syncbridge.ShutDown


def test_drop_in_for_a_producer_and_a_consumer() -> None:
    items: syncbridge.Queue[int] = syncbridge.Queue(maxsize=2)
    done, room = syncbridge.Event(), syncbridge.Semaphore(1)

    def consume() -> None:
        for _ in range(10):
            with room:
                items.get()
                items.task_done()
        done.set()

    threading.Thread(target=consume, daemon=True).start()
    for n in range(10):
        items.put(n)
    items.join()
    assert done.wait(5)
    assert items.empty()
