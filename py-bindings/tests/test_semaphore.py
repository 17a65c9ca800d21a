"""Semaphores, on every placement (docs/semantics.md, section 7)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from syncbridge import Bridge
from syncbridge.exceptions import StaleToken, TooManyReleases, WaitTimeout
from threads import Running, eventually

Another = Callable[[], Bridge]


def test_permits_are_taken_and_returned(bridge: Bridge) -> None:
    gpu = bridge.semaphore("gpu", 2)
    with gpu as entered:
        assert entered
        assert gpu.available() == 1
        assert gpu.acquire(timeout=0)
        assert not gpu.acquire(blocking=False)
        assert not gpu.acquire(timeout=0.05)
        gpu.release()
    assert gpu.available() == 2


def test_what_nobody_holds_is_a_signal(bridge: Bridge, another: Another) -> None:
    done = bridge.semaphore("done", 0)
    waiting = Running(another().semaphore("done").acquire)
    eventually(lambda: done.describe().waiting == 1)
    done.release()
    assert waiting.result()
    assert done.available() == 0
    done.release(3)
    assert done.describe().signals == 3
    assert done.drain() == 3
    assert done.drain() == 0


def test_many_at_once_wait_at_the_head_of_the_line(bridge: Bridge) -> None:
    pool = bridge.semaphore("pool", 3)
    assert pool.acquire(n=2)
    large = Running(lambda: pool.acquire(n=3))
    eventually(lambda: pool.describe().waiting == 1)
    assert not pool.acquire(timeout=0)
    pool.release(2)
    assert large.result()
    assert pool.describe().held == 3
    for n in (0, -1):
        with pytest.raises(ValueError, match="one or more"):
            pool.acquire(n=n)
        with pytest.raises(ValueError, match="one or more"):
            pool.release(n)
    with pytest.raises(ValueError, match="non-blocking"):
        pool.acquire(False, timeout=1)


def test_a_permit_is_returned_by_its_handle_only(bridge: Bridge) -> None:
    door = bridge.semaphore("door", 2)
    with door.acquire_permit() as permit:
        assert (permit.permits, door.available()) == (1, 1)
        with pytest.raises(WaitTimeout):
            door.acquire_permit(2, timeout=0)
        second = door.acquire_permit()
        assert second.token > permit.token
        second.release()
        second.release()
        assert door.available() == 1
    assert door.available() == 2


def test_a_bound_is_kept(bridge: Bridge) -> None:
    door = bridge.bounded_semaphore("bounded", 1)
    with pytest.raises(ValueError, match=r".") as raised:
        door.release()
    assert isinstance(raised.value, TooManyReleases)
    with door:
        pass
    with pytest.raises(ValueError, match=">= 0"):
        bridge.semaphore(value=-1)


def test_the_limit_can_change(bridge: Bridge) -> None:
    pool = bridge.semaphore("elastic", 1)
    assert pool.acquire()
    pool.set_limit(3)
    assert pool.available() == 2
    pool.set_limit(0)
    assert pool.available() == -1
    pool.release()
    assert pool.available() == 0


def test_what_a_session_held_goes_back_with_it(bridge: Bridge, another: Another) -> None:
    door, other = bridge.semaphore("held", 1), another()
    permit = other.semaphore("held").acquire_permit()
    waiting = Running(lambda: door.acquire(timeout=20))
    eventually(lambda: door.describe().waiting == 1)
    other.close()
    assert waiting.result()
    with pytest.raises((StaleToken, ConnectionError)):
        permit.release()
    unowned = another()
    assert unowned.semaphore("signals", 1, ownership="none").acquire()
    unowned.close()
    assert bridge.semaphore("signals").available() == 0


def test_holders_say_who_has_what(bridge: Bridge) -> None:
    door = bridge.semaphore("watched", 3)
    assert door.holders() == []
    with door.acquire_permit(2) as permit:
        (holder,) = door.holders()
        assert (holder.token, holder.permits, holder.by_token) == (permit.token, 2, True)
        assert holder.session.endswith(f":{os.getpid()}")
        assert holder.held_for >= 0
    assert door.holders() == []
