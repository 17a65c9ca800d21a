"""Consumers that prefetch (docs/semantics.md, section 5)."""

from __future__ import annotations

import itertools
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import syncbridge
from syncbridge import Bridge
from syncbridge.exceptions import DecodeError, InvalidArgument, QueueEmpty, QueueShutDown, Unavailable
from test_processes import in_a_forked_child
from threads import Running, eventually

Another = Callable[[], Bridge]


def test_items_come_in_order(bridge: Bridge) -> None:
    queue = bridge.queue("q")
    with queue.consumer(prefetch=16) as consumer:
        putting = Running(lambda: [queue.put(number) for number in range(500)])
        assert [consumer.get(timeout=20) for _ in range(500)] == list(range(500))
        putting.result()
        queue.put("x")
        eventually(lambda: queue.describe().offered == 1)
        assert consumer.get(timeout=20) == "x"
        with pytest.raises(QueueEmpty):
            consumer.get_nowait()
        with pytest.raises(QueueEmpty):
            consumer.get(timeout=0.02)
        queue.put("y")
        assert consumer.get() == "y"
    assert repr(consumer) == "<syncbridge.Consumer of 'q'>"


def test_it_iterates_until_the_queue_is_shut_down(bridge: Bridge, another: Another) -> None:
    queue, other = bridge.queue("q"), another().queue("q")
    consumer = queue.consumer()
    taking = Running(lambda: list(consumer))
    other.put_many(range(300))
    other.shutdown()
    assert taking.result() == list(range(300))
    with pytest.raises(QueueShutDown):
        consumer.get()
    assert list(consumer) == []


def test_leases(bridge: Bridge) -> None:
    queue = bridge.queue("q", max_deliveries=2)
    queue.put("headed", headers={"a": "b"})
    queue.put_many(["acked later", "nacked", "failed", "rejected", "left"])
    with queue.consumer(prefetch=3, lease=True) as jobs:
        with jobs.get(timeout=20) as job:
            assert (job.value, job.headers, job.attempt) == ("headed", {"a": "b"}, 1)
        jobs.get(timeout=20).ack(flush="later")
        jobs.get(timeout=20).nack(to="back")
        with pytest.raises(KeyError), jobs.get(timeout=20) as job:
            raise KeyError(job.value)
        # What comes back may be behind what has been brought already.
        again = {job.value: job for job in (jobs.get(timeout=20) for _ in range(4))}
        attempts = {value: job.attempt for value, job in again.items()}
        assert attempts == {"failed": 2, "nacked": 2, "rejected": 1, "left": 1}
        again["failed"].ack()
        again["rejected"].reject("no good")
        again["nacked"].ack()
    bridge.flush()
    figures = queue.describe()
    assert (figures.ready, figures.leased, figures.offered, figures.dead) == (0, 1, 0, 1)
    assert repr(jobs) == "<syncbridge.Consumer of 'q', leasing>"


def test_a_lease_for_a_time_comes_back(bridge: Bridge) -> None:
    queue = bridge.queue("q")
    queue.put("x")
    with queue.consumer(lease=True, max_hold=0.05) as jobs:
        assert [jobs.get(timeout=20).attempt for _ in range(3)] == [1, 2, 3]


def test_whoever_waits_gets_what_a_busy_consumer_has_not_taken(bridge: Bridge, another: Another) -> None:
    queue, other = bridge.queue("q"), another().queue("q")
    queue.put_many(range(10))
    busy = queue.consumer(prefetch=100)
    assert busy.get() == 0
    eventually(lambda: queue.describe().offered == 9)
    assert [other.get(timeout=20) for _ in range(5)] == [9, 8, 7, 6, 5]
    assert [busy.get(timeout=20) for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(QueueEmpty):
        busy.get(timeout=0.02)
    other.put("more")
    assert busy.get(timeout=20) == "more"


def test_what_was_not_taken_goes_back_in_its_place(bridge: Bridge) -> None:
    queue = bridge.queue("q", max_deliveries=1)
    queue.put_many(range(10))
    consumer = queue.consumer(prefetch=4, lease=True)
    consumer.get().ack()
    eventually(lambda: queue.describe().offered == 3)
    consumer.close()
    consumer.close()
    eventually(lambda: queue.qsize() == 9)
    with pytest.raises(InvalidArgument, match="closed"):
        consumer.get()
    dropped = [queue.consumer(prefetch=4)]
    assert dropped[0].get() == 1
    dropped.clear()
    eventually(lambda: queue.qsize() == 8)
    batch = queue.lease_many(8)
    assert [(job.value, job.attempt) for job in batch] == [(number, 1) for number in range(2, 10)]


def test_one_thread_at_a_time(bridge: Bridge) -> None:
    queue = bridge.queue("q")
    consumer = queue.consumer()
    waiting = Running(consumer.get)

    def is_told() -> bool:
        try:
            consumer.get_nowait()
        except QueueEmpty:
            return False
        except RuntimeError as error:
            return "make one for each thread" in str(error)
        raise AssertionError("nothing was put")

    eventually(is_told)
    queue.put("x")
    assert waiting.result() == "x"


def test_what_is_wrong_is_said(bridge: Bridge) -> None:
    queue = bridge.queue("q")
    for wrong in (
        lambda: queue.consumer(prefetch=0),
        lambda: queue.consumer(lease=True, max_hold=-1),
        lambda: queue.consumer().get(timeout=-1),
    ):
        with pytest.raises(ValueError, match=r"prefetch|max_hold|timeout"):
            wrong()


def test_what_cannot_be_decoded_is_a_dead_letter(served: Bridge) -> None:
    items = served.queue("pickled to a consumer", codec="pickle")
    bad = items.put(print)
    items.put([1])
    consumer = served.queue(items.name).consumer()
    with pytest.raises(DecodeError, match="opts in") as raised:
        consumer.get(timeout=20)
    assert raised.value.item_id == bad
    (dead,) = items.dead_letters()
    assert dead.id == bad
    consumer.close()
    assert items.get(timeout=20) == [1]


def test_a_forked_child_has_none_of_it(served: Bridge) -> None:
    queue = served.queue("fork and consume")
    queue.put_many(range(5))
    consumer = queue.consumer()
    assert consumer.get() == 0
    answer = in_a_forked_child(lambda: str(consumer.get()))
    assert answer.startswith(Unavailable.__name__)
    assert "make another one here" in answer
    assert [consumer.get(timeout=20) for _ in range(4)] == [1, 2, 3, 4]


KILLED = """
    import sys
    import syncbridge

    bridge = syncbridge.connect(sys.argv[1])
    queue = bridge.queue("killed")
    lease, count = sys.argv[2] == "lease", int(sys.argv[3])
    consumer = queue.consumer(prefetch=50, lease=lease)
    for _ in range(count):
        item = consumer.get()
        if lease:
            item.ack()
    if lease:
        held = consumer.get()
    bridge.flush()
    print("holds" if lease else "holds nothing", flush=True)
    sys.stdin.read()
"""


@contextmanager
def child(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("how", ["lease", "get"])
@pytest.mark.parametrize("where", ["server", "process"])
def test_a_killed_consumer_loses_nothing(request: pytest.FixtureRequest, where: str, how: str) -> None:
    count, taken = 200, 37
    fixture = request.getfixturevalue(where)
    url = (
        f"{fixture.url}/killed-{how}" if isinstance(fixture, syncbridge.Server) else f"{fixture}#killed-{how}"
    )
    with syncbridge.connect(url) as bridge:
        queue = bridge.queue("killed", max_deliveries=3)
        queue.put_many(range(count))
        with child(KILLED, url, how, str(taken)) as consumer:
            assert consumer.stdout
            assert consumer.stdout.readline().startswith("holds")
            assert queue.describe().offered > 0
            consumer.kill()
            consumer.wait()
        left = [queue.lease(timeout=20) for _ in range(count - taken)]
        assert sorted(job.value for job in left) == list(range(taken, count))
        # Only what it had in hand was delivered before.
        attempts = {job.value: job.attempt for job in left if job.attempt != 1}
        assert attempts == ({taken: 2} if how == "lease" else {})
        assert queue.empty()


def test_consumers_share_the_work(bridge: Bridge, another: Another) -> None:
    """Each item is taken once, though consumers come and go with what they have not taken."""
    count = 600
    queues = [another().queue("q") for _ in range(3)]

    def work(queue: syncbridge.Queue[int]) -> list[int]:
        done: list[int] = []
        while True:
            with queue.consumer(prefetch=20) as consumer:
                mine = list(itertools.islice(consumer, 15))
            done += mine
            if len(mine) < 15:
                return done

    running = [Running(lambda queue=queue: work(queue)) for queue in queues]  # type: ignore[misc]
    with bridge.queue("q").producer() as producer:
        producer.put_many(range(count))
    bridge.queue("q").shutdown()
    done = [item for worker in running for item in worker.result()]
    assert sorted(done) == list(range(count))
