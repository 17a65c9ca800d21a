"""Threads whose results and failures reach the test, and waiting for a state instead of sleeping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
PATIENCE_S = 20


class Running(Generic[T]):
    """A call on a thread of its own."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._results: list[T] = []
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], T]) -> None:
        try:
            self._results.append(call())
        except BaseException as failure:
            self._failures.append(failure)

    def result(self) -> T:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the call did not end"
        if self._failures:
            raise self._failures[0]
        return self._results[0]


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.001)
