"""peer.py SYSTEM ADDRESS: one process of the bench. Reads tasks, a line of JSON each, and answers with figures."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

BATCH = 100


class System(Protocol):
    """What is compared, in the words of its users."""

    def put(self, queue: str, item: bytes) -> None: ...
    def get(self, queue: str) -> bytes: ...
    def put_many(self, queue: str, items: Sequence[bytes]) -> None: ...
    def get_many(self, queue: str, most: int) -> Sequence[bytes]: ...


class SyncBridge:
    """syncbridge: a put is answered when the server has it, a get waits."""

    def __init__(self, address: str) -> None:
        import syncbridge

        self.bridge = syncbridge.connect(address)
        self.queues: dict[str, Any] = {}

    def queue(self, name: str) -> Any:
        if name not in self.queues:
            self.queues[name] = self.bridge.queue(name)
        return self.queues[name]

    def put(self, queue: str, item: bytes) -> None:
        self.queue(queue).put(item)

    def get(self, queue: str) -> bytes:
        item: bytes = self.queue(queue).get()
        return item

    def put_many(self, queue: str, items: Sequence[bytes]) -> None:
        self.queue(queue).put_many(items)

    def get_many(self, queue: str, most: int) -> Sequence[bytes]:
        items: Sequence[bytes] = self.queue(queue).get_many(most)
        return items


class Redis:
    """Redis lists: LPUSH and BRPOP, variadic RPUSH and LPOP with a count; redis-py with hiredis."""

    def __init__(self, address: str) -> None:
        import redis
        from redis.utils import HIREDIS_AVAILABLE

        assert HIREDIS_AVAILABLE
        self.redis: Any = redis.Redis.from_url(address)

    def put(self, queue: str, item: bytes) -> None:
        self.redis.lpush(queue, item)

    def get(self, queue: str) -> bytes:
        item: bytes = self.redis.brpop(queue)[1]
        return item

    def put_many(self, queue: str, items: Sequence[bytes]) -> None:
        self.redis.rpush(queue, *items)

    def get_many(self, queue: str, most: int) -> Sequence[bytes]:
        items: Sequence[bytes] = self.redis.lpop(queue, most)
        return items


def ping(system: System, count: int, item: bytes) -> list[float]:
    """Microseconds of each round trip through the two queues."""
    times = []
    for _ in range(count):
        began = time.perf_counter_ns()
        system.put("ping", item)
        system.get("pong")
        times.append((time.perf_counter_ns() - began) / 1e3)
    return times


def pong(system: System, count: int) -> None:
    for _ in range(count):
        system.put("pong", system.get("ping"))


def put(system: System, count: int, item: bytes) -> None:
    for _ in range(count):
        system.put("way", item)


def get(system: System, count: int) -> None:
    for _ in range(count):
        system.get("way")


def put_many(system: System, count: int, item: bytes) -> None:
    items = [item] * BATCH
    for _ in range(count // BATCH):
        system.put_many("bulk", items)


def get_many(system: System, count: int) -> None:
    left = count
    while left > 0:
        left -= len(system.get_many("bulk", BATCH))


def main(name: str, address: str) -> None:
    system: System = SyncBridge(address) if name == "syncbridge" else Redis(address)
    print("ready", flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        count, item = task["count"], b"x" * task["bytes"]
        answer: object = None
        if task["do"] == "ping":
            answer = ping(system, count, item)
        elif task["do"] in ("put", "put_many"):
            {"put": put, "put_many": put_many}[task["do"]](system, count, item)
        else:
            {"pong": pong, "get": get, "get_many": get_many}[task["do"]](system, count)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
