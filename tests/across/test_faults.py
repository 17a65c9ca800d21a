"""Processes that are killed, stopped or left without their server: nothing is lost, doubled or left hanging."""

from __future__ import annotations

import random
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import syncbridge
from harness import Process, Server, client, eventually
from syncbridge.exceptions import OutcomeUnknown, SyncBridgeError

CLIENTS = Path(__file__).resolve().parent / "clients"
TTL = 2.0


@pytest.mark.parametrize("how", ["get", "lease"])
def test_killed_consumers_lose_nothing(server: Server, how: str) -> None:
    """1,000 items and a SIGKILL every few dozen: all arrive, and twice only what a victim had in its hands."""
    chance = random.Random(how)
    items = syncbridge.connect(server.url).queue("items")
    seen: dict[int, list[tuple[int, int]]] = {}
    last: dict[int, int] = {}
    killed: set[int] = set()
    with ExitStack() as stack:
        consumers: list[Process] = []

        def start() -> None:
            consumers.append(stack.enter_context(client(CLIENTS / "consumer.py", server.url, how)))

        def note(consumer: Process, line: str) -> None:
            number, taken_at = map(int, line.split())
            seen.setdefault(number, []).append((taken_at, consumer.pid))
            last[consumer.pid] = number

        def listen() -> bool:
            heard = False
            for consumer in consumers:
                while not consumer.lines.empty():
                    line = consumer.lines.get()
                    if line is not None and line != "ready":
                        note(consumer, line)
                    heard = True
            return heard

        for _ in range(3):
            start()
        for consumer in consumers:
            assert consumer.line() == "ready"
        put = 0
        while put < 1000:
            some = min(chance.randrange(20, 60), 1000 - put)
            items.put_many(range(put, put + some))
            put += some
            at = chance.randrange(put - some, put)
            eventually(lambda at=at: (listen(), at in seen)[1], within=10)  # type: ignore[misc]
            victim = chance.choice([one for one in consumers if one.pid not in killed])
            killed.add(victim.pid)
            victim.kill()
            start()
        eventually(lambda: (listen(), len(seen) == 1000)[1], within=20)
    assert sorted(seen) == list(range(1000))
    for number, takers in seen.items():
        # In the order in which they took it: a victim's last line may be read after its successor's.
        for _, early in sorted(takers)[:-1]:
            assert early in killed, f"{number} came twice although {early} lived"
            assert last[early] == number, f"{number} came twice; {early} had gone on to {last[early]}"
    assert items.qsize() == 0


def test_a_killed_client_gives_everything_back_within_two_seconds(server: Server) -> None:
    bridge = syncbridge.connect(server.url)
    door = bridge.semaphore("door", 1)
    with client(CLIENTS / "holder.py", server.url, "15") as holder:
        assert holder.line() == "holding"
        holder.signal(signal.SIGKILL)
        began = time.monotonic()
        assert door.acquire(timeout=10)
        assert time.monotonic() - began < 2.0


def test_a_stopped_client_is_out_and_finds_out(server: Server) -> None:
    bridge = syncbridge.connect(server.url)
    items, door = bridge.queue("items"), bridge.semaphore("door", 1)
    with client(CLIENTS / "holder.py", server.url, str(TTL)) as holder:
        assert holder.line() == "holding"
        holder.signal(signal.SIGSTOP)
        began = time.monotonic()
        items.put("on its way")
        assert door.acquire(timeout=TTL + 5)
        assert time.monotonic() - began < TTL + 1
        assert items.get(timeout=1) == "on its way"

        holder.signal(signal.SIGCONT)
        holder.tell("release")
        assert holder.line().startswith(("StaleToken", "SessionExpired"))
        assert not door.acquire(timeout=0.2), "a stale release let somebody in"
        items.put("fresh")
        assert holder.line() == "got fresh"


def test_a_restarted_server_leaves_nothing_hanging(server: Server) -> None:
    bridge = syncbridge.connect(server.url)
    items = bridge.queue("items", maxsize=10)
    waits = bridge.queue("waits")
    got: list[object] = []
    ended: list[str] = []
    stop = threading.Event()

    def wait() -> None:
        got.append(waits.get())

    def put() -> None:
        try:
            while not stop.is_set():
                items.put("x", timeout=3)
            ended.append("stopped")
        except OutcomeUnknown:
            ended.append("unknown")
        except SyncBridgeError as error:
            ended.append(type(error).__name__)

    waiting = [threading.Thread(target=wait, daemon=True) for _ in range(100)]
    putting = [threading.Thread(target=put, daemon=True) for _ in range(20)]
    for thread in waiting + putting:
        thread.start()
    with syncbridge.connect(server.url) as other:
        eventually(lambda: other.queue("items").full(), within=10)
    server.kill()
    with Server(server.address) as again:
        began = time.monotonic()
        assert again.address == server.address
        stop.set()
        for thread in putting:
            thread.join(timeout=10)
        assert time.monotonic() - began < 5.0
        assert len(ended) == 20
        assert set(ended) <= {"stopped", "unknown", "QueueFull"}
        waits.put_many(range(100), timeout=5)
        for thread in waiting:
            thread.join(timeout=10)
        assert sorted(got, key=str) == sorted(range(100), key=str)


def test_what_waits_is_not_in_the_way_of_what_releases(server: Server) -> None:
    """Two hundred threads of one client wait; the permit that they wait for is released by the same client."""
    bridge = syncbridge.connect(server.url)
    door = bridge.semaphore("door", 1)
    assert door.acquire(timeout=1)
    entered = threading.Semaphore(0)

    def enter() -> None:
        with door:
            entered.release()

    crowd = [threading.Thread(target=enter, daemon=True) for _ in range(200)]
    for thread in crowd:
        thread.start()
    door.release()
    for _ in crowd:
        assert entered.acquire(timeout=10)
    for thread in crowd:
        thread.join(timeout=10)
