"""Objects without a name are gone with their last reference (docs/semantics.md, section 4)."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import syncbridge
from syncbridge import Bridge
from syncbridge.exceptions import ConfigMismatch
from threads import eventually


class Thing:
    """Travels by reference."""


def gone(declare: Callable[[], object]) -> bool:
    """Whether another declaration fits, which it does only where there is no such object."""
    try:
        declare()
    except ConfigMismatch:
        return False
    return True


def test_they_do_not_pile_up(bridge: Bridge, another: Callable[[], Bridge]) -> None:
    names = []
    for number in range(1000):
        items: syncbridge.Queue[int] = bridge.queue()
        items.put(number)
        names.append(items.name)
    del items
    other = another()
    for name in names:
        eventually(lambda name=name: gone(lambda: other.queue(name=name, ephemeral=False)))  # type: ignore[misc]


def test_events_and_semaphores_go_too(bridge: Bridge, another: Callable[[], Bridge]) -> None:
    event, semaphore, other = bridge.event(), bridge.semaphore(value=1), another()
    event.set()
    semaphore.acquire()
    e, s = event.name, semaphore.name
    del event, semaphore
    eventually(lambda: gone(lambda: other.event(name=e, ephemeral=False)))
    eventually(lambda: gone(lambda: other.semaphore(name=s, ephemeral=False)))


def test_a_delivery_and_a_permit_keep_theirs(bridge: Bridge) -> None:
    items: syncbridge.Queue[int] = bridge.queue()
    items.put(1)
    semaphore = bridge.semaphore(value=1)
    delivery, permit = items.lease(), semaphore.acquire_permit()
    del items, semaphore
    assert not bridge.event().is_set()
    assert delivery.value == 1
    delivery.ack()
    permit.release()


def test_what_is_in_them_is_released() -> None:
    with syncbridge.connect("mem:released") as bridge:
        items: syncbridge.Queue[Thing] = bridge.queue()
        thing = Thing()
        seen = weakref.ref(thing)
        items.put(thing)
        del thing
        assert seen()
        del items
        assert seen() is None
