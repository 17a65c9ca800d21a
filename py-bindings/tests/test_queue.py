"""Queues, on every placement (docs/semantics.md, section 5)."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import syncbridge
from syncbridge import Bridge
from syncbridge.exceptions import (
    ConfigMismatch,
    DecodeError,
    EncodeError,
    QueueEmpty,
    QueueFull,
    QueueShutDown,
    StaleToken,
    SyncBridgeError,
    TooManyTasksDone,
)
from threads import Running, eventually

Another = Callable[[], Bridge]


@dataclass(order=True)
class Job:
    priority: int
    item: Any = field(compare=False)


@pytest.mark.parametrize(
    ("factory", "expected"), [("queue", [3, 1, 2]), ("lifo_queue", [2, 1, 3]), ("priority_queue", [1, 2, 3])]
)
def test_order(bridge: Bridge, factory: str, expected: list[int]) -> None:
    items = getattr(bridge, factory)()
    for item in (3, 1, 2):
        items.put(item)
    assert items.qsize() == 3
    assert [items.get() for _ in range(3)] == expected
    assert items.empty()


def test_priorities_mix_kinds_and_take_an_explicit_key(bridge: Bridge) -> None:
    items = bridge.priority_queue("mixed")
    ascending: list[Any] = [-1e9, True, 1.5, 2**70, b"x", "a", ("a", {"no": "key"})]
    items.put({"no": "key"}, priority=("b",))
    for item in reversed(ascending):
        items.put(item)
    assert [items.get() for _ in range(8)] == [*ascending, {"no": "key"}]
    with pytest.raises(EncodeError, match="priority="):
        items.put({"no": "key"})
    with pytest.raises(TypeError):
        bridge.queue().put(1, priority=1)  # type: ignore[call-arg]


def test_equal_priorities_leave_in_order_of_arrival(bridge: Bridge) -> None:
    items = bridge.priority_queue()
    for n in range(5):
        items.put(["x", n], priority=7)
    assert [items.get()[1] for _ in range(5)] == list(range(5))


def test_an_empty_queue_waits_or_says_so(bridge: Bridge) -> None:
    items = bridge.queue("empty")
    for get in (items.get_nowait, lambda: items.get(block=False), lambda: items.get(timeout=0)):
        with pytest.raises(queue.Empty) as raised:
            get()
        assert isinstance(raised.value, QueueEmpty)
        assert isinstance(raised.value, SyncBridgeError)
        assert raised.value.reason == "EMPTY"
    began = time.monotonic()
    with pytest.raises(queue.Empty):
        items.get(timeout=0.15)
    assert 0.14 < time.monotonic() - began < 2
    waiting = Running(items.get)
    eventually(lambda: items.describe().waiting_to_get == 1)
    items.put("here")
    assert waiting.result() == "here"


def test_a_full_queue_waits_or_says_so(bridge: Bridge) -> None:
    items = bridge.queue("full", maxsize=2)
    assert items.maxsize == 2
    items.put(1)
    assert not items.full()
    items.put(2)
    assert items.full()
    with pytest.raises(queue.Full) as raised:
        items.put_nowait(3)
    assert isinstance(raised.value, QueueFull)
    with pytest.raises(queue.Full):
        items.put(3, timeout=0.05)
    waiting = Running(lambda: items.put(3))
    eventually(lambda: items.describe().waiting_to_put == 1)
    assert items.get() == 1
    waiting.result()
    assert [items.get(), items.get()] == [2, 3]


def test_arguments_are_checked_as_in_the_standard_library(bridge: Bridge) -> None:
    items = bridge.queue(maxsize=1)
    for call in (items.get, lambda timeout: items.put(1, timeout=timeout)):
        for timeout in (-1, float("nan")):
            with pytest.raises(ValueError, match="'timeout' must be a non-negative number"):
                call(timeout=timeout)
    with pytest.raises(ValueError, match="min"):
        items.get_many(1, min=2)
    with pytest.raises(ValueError, match="linger"):
        items.get_many(1, linger=-1)
    assert bridge.queue(maxsize=-3).maxsize == 0


def test_task_done_and_join(bridge: Bridge) -> None:
    items = bridge.queue("join")
    items.join()
    items.put_many("abc")
    with pytest.raises(TimeoutError):
        items.join(timeout=0.05)
    joining = Running(items.join)
    items.get_many(2)
    items.task_done()
    items.task_done()
    assert items.unfinished_tasks == 1
    with items.lease():
        pass
    joining.result()
    with pytest.raises(ValueError, match=r".") as raised:
        items.task_done()
    assert isinstance(raised.value, TooManyTasksDone)


def test_many_at_once(bridge: Bridge) -> None:
    items = bridge.queue("many", maxsize=5)
    ids = items.put_many(range(3))
    assert len(set(ids)) == 3
    with pytest.raises(queue.Full):
        items.put_many(range(3), timeout=0)
    assert items.put_many([]) == []
    assert items.qsize() == 3
    assert items.get_many(2) == [0, 1]
    assert items.get_many(10, linger=0.01) == [2]
    with pytest.raises(queue.Empty):
        items.get_many(3, timeout=0.01)
    collecting = Running(lambda: items.get_many(3, min=3))
    items.put_many([7, 8])
    eventually(lambda: items.describe().waiting_to_get == 1)
    items.put(9)
    assert collecting.result() == [7, 8, 9]


def test_a_lease_is_acknowledged_or_comes_back(bridge: Bridge) -> None:
    jobs = bridge.queue("leases")
    jobs.put({"n": 1}, headers={"traceparent": "00-x"})
    with jobs.lease(timeout=5) as job:
        assert (job.value, job.attempt, job.headers) == ({"n": 1}, 1, {"traceparent": "00-x"})
        assert job.age >= 0
        assert jobs.describe().leased == 1
    assert jobs.unfinished_tasks == 0
    with pytest.raises(StaleToken):
        job.nack()

    jobs.put_many(["a", "b"])
    with pytest.raises(RuntimeError, match="broken"), jobs.lease() as job:
        raise RuntimeError("broken")
    first = jobs.lease()
    assert (first.value, first.attempt) == ("a", 2)
    assert first.token > job.token
    first.nack(to="back")
    assert [jobs.get(), jobs.get()] == ["b", "a"]
    with pytest.raises(ValueError, match="'place', 'front' or 'back'"):
        first.nack(to="top")


def test_settled_by_hand_inside_the_block(bridge: Bridge) -> None:
    jobs = bridge.queue("by hand")
    jobs.put("a")
    with jobs.lease() as job:
        job.reject("no good")
    assert jobs.empty()
    (dead,) = jobs.dead_letters()
    assert (dead.value, dead.attempts, dead.dead_reason) == ("a", 1, "REJECTED: no good")
    (consumer,) = dead.consumers
    assert consumer.endswith(f":{os.getpid()}")


def test_a_batch_of_leases(bridge: Bridge) -> None:
    jobs = bridge.queue("batches")
    jobs.put_many(range(6))
    with jobs.lease_many(3) as batch:
        assert len(batch) == 3
        assert batch.values == [0, 1, 2]
        assert [job.value for job in batch] == [0, 1, 2]
        batch[1].nack()
        assert [job.value for job in batch[:2]] == [0, 1]
    assert jobs.unfinished_tasks == 4

    def fail_after_one() -> None:
        with jobs.lease_many(2) as batch:
            assert batch.values == [1, 3]
            batch[0].ack()
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail_after_one()
    assert jobs.get_many(10) == [3, 4, 5]


def test_dead_letters(bridge: Bridge) -> None:
    jobs = bridge.queue("fragile", max_deliveries=2, dead_letters="fragile.dead")
    jobs.put("poison")
    for attempt in (1, 2):
        job = jobs.lease(timeout=1)
        assert job.attempt == attempt
        job.nack(error=f"failure {attempt}")
    assert jobs.empty()
    assert bridge.queue("fragile.dead").get(timeout=1) == "poison"
    with pytest.raises(ConfigMismatch, match="max_deliveries"):
        bridge.queue("fragile", max_deliveries=3)


def test_browse_peek_remove_purge(bridge: Bridge) -> None:
    items = bridge.queue("looked at")
    with pytest.raises(queue.Empty):
        items.peek()
    ids = items.put_many(range(250))
    assert items.peek() == 0
    assert [item.value for item in items.browse()] == list(range(250))
    assert [item.id for item in items.browse()] == ids
    assert items.remove([ids[0], ids[7], 1]) == [ids[0], ids[7]]
    assert items.get() == 1
    assert items.purge() == 247
    assert items.empty()


def test_shutdown_lets_what_is_there_out(bridge: Bridge) -> None:
    items = bridge.queue("stopping")
    items.put(1)
    items.shutdown()
    assert items.is_shutdown
    with pytest.raises(syncbridge.ShutDown):
        items.put(2)
    assert items.get() == 1
    with pytest.raises(QueueShutDown):
        items.get()


def test_immediate_shutdown_ends_every_wait(bridge: Bridge) -> None:
    items, full = bridge.queue("stopped"), bridge.queue("stopped, full", maxsize=1)
    full.put(1)
    getting, putting, joining = Running(items.get), Running(lambda: full.put(2)), Running(full.join)
    eventually(lambda: items.describe().waiting_to_get == 1 and full.describe().waiting_to_put == 1)
    items.shutdown(immediate=True)
    full.shutdown(immediate=True)
    joining.result()
    for call in (getting, putting):
        with pytest.raises(syncbridge.ShutDown):
            call.result()
    assert full.qsize() == 0


def test_names_are_shared_between_sessions(bridge: Bridge, another: Another) -> None:
    other = another()
    getting = Running(other.queue("shared").get)
    bridge.queue("shared").put("x")
    assert getting.result() == "x"
    assert bridge.queue().name != other.queue().name


def test_what_a_session_leased_goes_back_with_it(bridge: Bridge, another: Another) -> None:
    jobs, other = bridge.queue("held"), another()
    jobs.put_many("ab")
    taken = other.queue("held").lease_many(2)
    assert jobs.empty()
    other.close()
    assert jobs.lease(timeout=5).attempt == 2
    with pytest.raises((SyncBridgeError, ConnectionError)):
        taken.ack()
    with pytest.raises((SyncBridgeError, ConnectionError)):
        other.queue("held").get(timeout=1)


def test_options_that_differ_are_refused(bridge: Bridge) -> None:
    bridge.queue("declared", maxsize=3)
    assert bridge.queue("declared").maxsize == 3
    with pytest.raises(ConfigMismatch) as raised:
        bridge.queue("declared", maxsize=4)
    assert raised.value.metadata["option"] == "maxsize"
    with pytest.raises(ConfigMismatch):
        bridge.priority_queue("declared")


def test_threads_share_a_queue_and_count_exactly(bridge: Bridge) -> None:
    items, each, stop = bridge.queue("crowd", maxsize=20), 200, "stop"

    def produce(first: int) -> None:
        for n in range(first, first + each):
            items.put(n)

    def consume() -> list[int]:
        taken = []
        while (item := items.get(timeout=20)) != stop:
            taken.append(item)
            items.task_done()
        items.task_done()
        return taken

    consumers = [Running(consume) for _ in range(8)]
    producers = [Running(lambda first=n * each: produce(first)) for n in range(8)]  # type: ignore[misc]
    for producer in producers:
        producer.result()
    items.put_many([stop] * 8)
    taken = [item for consumer in consumers for item in consumer.result()]
    assert sorted(taken) == list(range(8 * each))
    items.join(timeout=5)


def test_in_one_process_the_very_object_comes_out() -> None:
    with syncbridge.connect("mem:identity") as bridge:
        items, thing = bridge.queue(), object()
        items.put(thing)
        assert items.peek() is thing
        assert items.get() is thing
        jobs = bridge.priority_queue()
        jobs.put(Job(1, print))
        with jobs.lease() as job:
            assert job.value.item is print


def test_a_finalizer_may_use_the_queue_that_drops_its_object() -> None:
    class Phoenix:
        def __init__(self, items: syncbridge.Queue[Any], name: str) -> None:
            self.items, self.name = items, name

        def __del__(self) -> None:
            self.items.put(self.name)

    with syncbridge.connect("mem:finalizers") as bridge:
        items = bridge.queue("phoenix")
        drops: list[Callable[[], object]] = [
            items.purge,
            lambda: items.remove([item.id for item in items.browse()]),
            lambda: items.get() and None,
            lambda: items.lease().ack(),
        ]
        for n, drop in enumerate(drops):
            items.put(Phoenix(items, f"reborn {n}"))
            Running(drop).result()
            assert items.get(timeout=5) == f"reborn {n}"
            assert items.empty()

    bridge = syncbridge.connect("mem:finalizers, again")
    survivors = syncbridge.connect("mem:survivors").queue("survivors")
    bridge.queue().put(Phoenix(survivors, "outlived its bridge"))
    del bridge
    assert survivors.qsize() <= 1
    assert survivors.get(timeout=5) == "outlived its bridge"


def test_across_a_connection_values_are_encoded(served: Bridge) -> None:
    items = served.queue("encoded")
    with pytest.raises(TypeError, match="codec="):
        items.put(object())
    with pytest.raises(TypeError, match="codec="):
        items.put_many([1, object()])
    assert items.empty()
    value = {"a": (1, 2.5, b"x", {3}), None: [2**80]}
    items.put(value)
    assert items.get() == value


@pytest.mark.parametrize("take", ["get", "lease"])
def test_what_cannot_be_decoded_is_a_dead_letter(served: Bridge, take: str) -> None:
    items, reader = served.queue("pickled", codec="pickle"), served.queue("pickled")
    bad, _good = items.put(print), items.put([1])
    with pytest.raises(DecodeError, match="opts in") as raised:
        getattr(reader, take)(timeout=1)
    assert raised.value.item_id == bad
    (dead,) = reader.dead_letters()
    assert dead.id == bad
    assert isinstance(dead.value, DecodeError)
    assert "UNDECODABLE" in f"{dead.dead_reason} {dead.last_error}"
    assert items.get(timeout=1) == [1]


def test_a_batch_goes_back_but_for_what_cannot_be_decoded(served: Bridge) -> None:
    items, reader = served.queue("batch"), served.queue("batch", codec="pickle")
    items.put_many([1, 2])
    bad = reader.put(print)
    items.put(4)
    with pytest.raises(DecodeError) as raised:
        items.get_many(10)
    assert raised.value.item_id == bad
    assert items.get_many(10) == [1, 2, 4]


def test_codecs(served: Bridge) -> None:
    class Upper:
        def encode(self, value: Any) -> tuple[str, bytes]:
            return "text/plain", value.upper().encode()

        def decode(self, content_type: str, data: bytes) -> Any:
            return content_type, data

    json = served.queue("json", codec="json")
    json.put({"a": [1, None]})
    (item,) = json.browse()
    assert (item.content_type, item.value) == ("application/json", {"a": [1, None]})
    assert served.queue("json").get() == {"a": [1, None]}
    own = served.queue("own", codec=Upper())
    own.put("x")
    assert own.get() == ("text/plain", b"X")
    with pytest.raises(TypeError, match="codec="):
        served.queue("json", codec="yaml")  # type: ignore[arg-type]


def test_a_closed_bridge_says_so(bridge: Bridge) -> None:
    items = bridge.queue("closed")
    waiting = Running(items.get)
    eventually(lambda: items.describe().waiting_to_get == 1)
    bridge.close()
    with pytest.raises(SyncBridgeError):
        waiting.result()
    with pytest.raises(SyncBridgeError, match="closed"):
        items.put(1)
    bridge.close()
