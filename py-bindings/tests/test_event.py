"""Events, on every placement (docs/semantics.md, section 6)."""

from __future__ import annotations

import time
from collections.abc import Callable

from syncbridge import Bridge
from threads import Running, eventually

Another = Callable[[], Bridge]


def test_set_wakes_everybody(bridge: Bridge, another: Another) -> None:
    ready = bridge.event("ready")
    assert not ready.is_set()
    waiting = [Running(event.wait) for event in (ready, ready, another().event("ready"))]
    eventually(lambda: ready._native.describe()[2] == 3)
    ready.set()
    assert all(wait.result() for wait in waiting)
    assert ready.is_set()
    assert ready.wait(timeout=0)
    ready.clear()
    assert not ready.is_set()


def test_a_wait_ends_with_its_time(bridge: Bridge) -> None:
    ready = bridge.event()
    began = time.monotonic()
    assert not ready.wait(0.15)
    assert 0.14 < time.monotonic() - began < 2
    assert not ready.wait(0)
    assert not ready.wait(-1)


def test_a_pulse_is_not_missed(bridge: Bridge) -> None:
    pulse = bridge.event("pulse")
    seen = pulse.version
    pulse.set()
    pulse.clear()
    assert pulse.version == seen + 1
    assert not pulse.wait(timeout=0)
    assert pulse.wait(timeout=0, after=seen)
    assert not pulse.wait(timeout=0, after=seen + 1)


def test_auto_reset_wakes_one(bridge: Bridge) -> None:
    turn = bridge.event("turn", auto_reset=True)
    turn.set()
    assert turn.wait(timeout=0)
    assert not turn.is_set()
    waiting = [Running(lambda: turn.wait(timeout=20)) for _ in range(2)]
    eventually(lambda: turn._native.describe()[2] == 2)
    turn.set()
    eventually(lambda: turn._native.describe()[2] == 1)
    turn.set()
    assert all(wait.result() for wait in waiting)
