"""Producers, and releases, acks and sets that are not awaited (docs/semantics.md, sections 5 and 16)."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable

import pytest
from syncbridge import Bridge
from syncbridge.exceptions import InvalidArgument, QueueFull, QueueShutDown, StaleToken, WaitTimeout
from threads import Running, eventually

Another = Callable[[], Bridge]


def test_items_arrive_in_order(bridge: Bridge) -> None:
    queue = bridge.queue("q")
    with queue.producer(window=64) as producer:
        assert producer.put("first") == 0
        assert producer.put("second", headers={"a": "b"}) == 1
        producer.put_many(range(500))
    assert producer.undelivered == 0
    assert queue.qsize() == 502
    assert queue.get() == "first"
    with queue.lease() as delivery:
        assert (delivery.value, delivery.headers) == ("second", {"a": "b"})
    assert queue.get_many(500) == list(range(500))


def test_priorities(bridge: Bridge) -> None:
    queue = bridge.priority_queue("q")
    with queue.producer() as producer:
        producer.put("b", priority=2)
        producer.put("a", priority=1)
        producer.put_many(["d", "c"])
    assert queue.get_many(4) == ["a", "b", "c", "d"]
    with pytest.raises(TypeError, match="priority="), bridge.queue("fifo").producer() as producer:
        producer.put("x", priority=1)


def test_a_put_waits_for_room_in_the_window(bridge: Bridge, another: Another) -> None:
    queue = bridge.queue("q", maxsize=2)
    producer = queue.producer(window=3)
    for number in range(5):
        producer.put(number, timeout=20)
    with pytest.raises(QueueFull):
        producer.put("too many", block=False)
    with pytest.raises(QueueFull):
        producer.put("too many", timeout=0.02)
    with pytest.raises(WaitTimeout):
        producer.flush(timeout=0.02)
    assert producer.undelivered == 3
    putting = Running(lambda: producer.put_many(range(5, 100)))
    mine = another().queue("q")
    assert [mine.get(timeout=20) for _ in range(100)] == list(range(100))
    putting.result()
    producer.close()
    with pytest.raises(InvalidArgument):
        producer.put("late")
    with pytest.raises(ValueError, match="window"):
        queue.producer(window=0)


def test_what_failed_is_told(bridge: Bridge) -> None:
    queue = bridge.queue("q")
    producer = queue.producer()
    producer.put("kept")
    producer.flush()
    queue.shutdown()
    taken = failed = 0
    for number in range(100):
        try:
            producer.put(number)
            taken += 1
        except QueueShutDown as error:
            failed += int(error.metadata["failed"])
    try:
        producer.flush()
    except QueueShutDown as error:
        failed += int(error.metadata["failed"])
        assert error.metadata["numbers"]
    assert 0 < taken == failed
    producer.close()


def test_threads_share_a_producer(bridge: Bridge) -> None:
    queue = bridge.queue("q", maxsize=50)
    with queue.producer(window=20) as producer:
        threads = [
            threading.Thread(target=lambda of=of: [producer.put((of, number)) for number in range(100)])
            for of in range(4)
        ]
        for thread in threads:
            thread.start()
        items = [queue.get(timeout=20) for _ in range(400)]
        for thread in threads:
            thread.join()
    for of in range(4):
        assert [number for thread, number in items if thread == of] == list(range(100))


def test_one_that_is_dropped_says_what_was_not_delivered(bridge: Bridge) -> None:
    queue = bridge.queue("q", maxsize=1)
    producers = [queue.producer()]
    for number in range(3):
        producers[0].put(number)
    eventually(lambda: producers[0].undelivered == 2)
    with pytest.warns(ResourceWarning, match="2 items of a producer of 'q' were not delivered"):
        producers.clear()
    eventually(lambda: queue.describe().waiting_to_put == 0)
    assert queue.get() == 0
    assert queue.empty()


INTERRUPTED = """
    import os, signal, sys, threading, time
    import syncbridge

    signal.signal(signal.SIGINT, signal.default_int_handler)
    bridge = syncbridge.connect(sys.argv[1])
    full = bridge.queue("full", maxsize=1)
    producer = full.producer(window=4)

    def sleeps():
        with open(f"/proc/self/task/{os.getpid()}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "S"

    def interrupt():
        while producer.undelivered < 4 or not sleeps():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    for what in (lambda: [producer.put(number) for number in range(100)], producer.flush):
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            what()
        except KeyboardInterrupt:
            print(what == producer.flush, producer.undelivered)
    print([full.get(timeout=5) for _ in range(5)])
    producer.close()
"""


def test_ctrl_c_ends_the_wait_for_room(url: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED), url]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout == "False 4\nTrue 4\n[0, 1, 2, 3, 4]\n", run.stderr


def test_not_awaited(bridge: Bridge, another: Another) -> None:
    other = another()
    door = bridge.semaphore("door", 1)
    assert door.acquire()
    door.release(flush="later")
    assert other.semaphore("door").acquire(timeout=20)
    other.semaphore("door").release()
    door.acquire_permit().release(flush="later")
    assert other.semaphore("door").acquire(timeout=20)

    bridge.event("flag").set(flush="later")
    assert other.event("flag").wait(timeout=20)

    queue = bridge.queue("q")
    queue.put_many(range(2500))
    for _ in range(2000):
        queue.lease().ack(flush="later")
    queue.lease_many(500).ack(flush="later")
    bridge.flush()
    figures = queue.describe()
    assert (figures.ready, figures.leased) == (0, 0)
    with pytest.raises(ValueError, match="'later'"):
        door.release(flush="now")  # type: ignore[arg-type]


def test_what_was_not_awaited_and_failed_is_told(bridge: Bridge) -> None:
    queue = bridge.queue("q", max_deliveries=1)
    queue.put("a")
    delivery = queue.lease()
    delivery.nack()
    try:
        delivery.ack(flush="later")
    except StaleToken as error:  # an engine in this process answers at once
        assert error.metadata["failed"] == "1"
    else:
        with pytest.raises(StaleToken) as told:
            bridge.flush()
        assert told.value.metadata["failed"] == "1"
    bridge.flush()


AT_EXIT = """
    import sys
    import syncbridge

    bridge = syncbridge.connect(sys.argv[1])
    queue = bridge.queue("q", max_deliveries=1)
    queue.put_many(["a", "b"])
    first, second = queue.lease(), queue.lease()
    first.nack()
    second.ack(flush="later")
    try:
        first.ack(flush="later")
    except syncbridge.SyncBridgeError:
        sys.exit("told at once")
"""


def test_the_end_of_the_program_brings_in_what_was_not_awaited(served: Bridge) -> None:
    command = [sys.executable, "-c", textwrap.dedent(AT_EXIT), served.url]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "RuntimeWarning" in run.stderr
    assert "1 un-awaited calls on the queue q failed" in run.stderr
    figures = served.queue("q").describe()
    assert (figures.ready, figures.leased, figures.dead) == (0, 0, 1)
