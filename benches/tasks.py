"""What a Python process of the bench does when told to: the calls that a user would make, and little else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import systems
from systems import BATCH, Client, Missing, Queue

#: Of an array: 602,112 bytes of float32, an image of the usual size.
SHAPE = (224, 224, 3)
PERMITS = 8


@dataclass(frozen=True)
class Task:
    """What to do, how often, and with items of how many bytes."""

    do: str
    count: int = 0
    size: int = 100


@dataclass(frozen=True)
class Skipped:
    """The answer of a process whose system does not have what was asked for."""

    reason: str


def ping(client: Client, task: Task) -> list[float]:
    """Microseconds of each round trip through two queues."""
    put, get, item = client.queue("ping").put, client.queue("pong").get, b"x" * task.size
    clock, times = time.perf_counter_ns, []
    for _ in range(task.count):
        began = clock()
        put(item)
        get()
        times.append((clock() - began) / 1e3)
    return times


def pong(client: Client, task: Task) -> None:
    get, put = client.queue("ping").get, client.queue("pong").put
    for _ in range(task.count):
        put(get())


def _put(queue: Queue, count: int, item: object) -> None:
    put = queue.put
    for _ in range(count):
        put(item)


def _get(queue: Queue, count: int) -> None:
    get = queue.get
    for _ in range(count):
        get()


def put(client: Client, task: Task) -> None:
    _put(client.queue("way"), task.count, b"x" * task.size)


def get(client: Client, task: Task) -> None:
    _get(client.queue("way"), task.count)


def put_array(client: Client, task: Task) -> None:
    _put(client.arrays("arrays"), task.count, _array())


def get_array(client: Client, task: Task) -> None:
    _get(client.arrays("arrays"), task.count)


def put_json(client: Client, task: Task) -> None:
    _put(client.json_arrays("arrays"), task.count, _array())


def get_json(client: Client, task: Task) -> None:
    _get(client.json_arrays("arrays"), task.count)


def _array() -> object:
    import numpy as np

    return np.random.default_rng(1).random(SHAPE, np.float32)


def put_many(client: Client, task: Task) -> None:
    queue, items = client.batches("bulk"), [b"x" * task.size] * BATCH
    for _ in range(task.count // BATCH):
        queue.put_many(items)


def get_many(client: Client, task: Task) -> None:
    queue, left = client.batches("bulk"), task.count
    while left > 0:
        left -= len(queue.get_many(BATCH))


def stream_out(client: Client, task: Task) -> None:
    client.stream_out("stream", b"x" * task.size, task.count)


def stream_in(client: Client, task: Task) -> None:
    client.stream_in("stream", task.count)


def stream_in_many(client: Client, task: Task) -> None:
    client.stream_in_many("stream", task.count)


def permits(client: Client, task: Task) -> None:
    _acquire_and_release(client.semaphore("permits", PERMITS), task.count)


def permits_unawaited(client: Client, task: Task) -> None:
    _acquire_and_release(client.unawaited_semaphore("permits", PERMITS), task.count)


def _acquire_and_release(semaphore: systems.Semaphore, count: int) -> None:
    acquire, release = semaphore.acquire, semaphore.release
    for _ in range(count):
        acquire()
        release()


def pairs(client: Client, task: Task) -> float:
    """Puts and gets of the same thread, so many a second."""
    queue, item = client.queue("pairs"), b"x" * task.size
    put, get = queue.put, queue.get
    began = time.perf_counter()
    for _ in range(task.count):
        put(item)
        get()
    return task.count / (time.perf_counter() - began)


def wait(client: Client, task: Task) -> int:
    """So many threads wait for an event; when the last one went on, by the clock of all processes."""
    event, ends = client.event("start"), [0] * task.count

    def one(number: int) -> None:
        event.wait()
        ends[number] = time.monotonic_ns()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(task.count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(ends)


def set_event(client: Client, task: Task) -> int:
    """Sets the event once so many wait for it; when it began to."""
    event = client.event("start")
    while event.waiting() < task.count:
        time.sleep(0.005)
    began = time.monotonic_ns()
    event.set()
    return began


def clear_event(client: Client, task: Task) -> None:
    client.event("start").clear()


TASKS: dict[str, Callable[[Client, Task], object]] = {
    task.__name__: task
    for task in (
        ping,
        pong,
        put,
        get,
        put_array,
        get_array,
        put_json,
        get_json,
        put_many,
        get_many,
        stream_out,
        stream_in,
        stream_in_many,
        permits,
        permits_unawaited,
        pairs,
        wait,
        set_event,
        clear_event,
    )
}


def serve(system: str, address: Any, connection: Connection[object, Task]) -> None:
    """The main function of a process of the bench: one task after the other, until the bench is gone."""
    client = systems.load(system).client(address)
    connection.send(None)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            answer = TASKS[task.do](client, task)
        except Missing as missing:
            answer = Skipped(str(missing))
        connection.send(answer)
