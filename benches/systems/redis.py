"""Redis lists: LPUSH and BRPOP, variadic RPUSH and LPOP with a count; redis-py with hiredis; tokens for permits."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import redis
from redis.utils import HIREDIS_AVAILABLE

from . import BATCH, Addresses, BatchQueue, Client, Missing, Queue, Semaphore, free_port, until

Array = np.ndarray[Any, Any]


class List:
    def __init__(self, client: Any, name: str) -> None:
        self.redis, self.name = client, name
        self.put = partial(client.lpush, name)

    def get(self) -> bytes:
        item: bytes = self.redis.brpop(self.name)[1]
        return item

    def put_many(self, items: Sequence[bytes]) -> None:
        self.redis.rpush(self.name, *items)

    def get_many(self, most: int) -> Sequence[bytes]:
        items: Sequence[bytes] = self.redis.lpop(self.name, most)
        return items


class RawArrays:
    """Bytes alone: who gets them must know the type and the shape."""

    def __init__(self, items: List) -> None:
        self.items = items

    def put(self, array: Array) -> None:
        self.items.put(array.tobytes())

    def get(self) -> Array:
        return np.frombuffer(self.items.get(), np.float32).reshape(224, 224, 3)


class JsonArrays:
    """A message that says what it is, in the form that every language reads."""

    def __init__(self, items: List) -> None:
        self.items = items

    def put(self, array: Array) -> None:
        data = base64.b64encode(array.tobytes()).decode()
        self.items.put(json.dumps({"dtype": array.dtype.str, "shape": array.shape, "data": data}))

    def get(self) -> Array:
        message = json.loads(self.items.get())
        return np.frombuffer(base64.b64decode(message["data"]), message["dtype"]).reshape(message["shape"])


class Tokens:
    """A list with as many tokens as there are permits free."""

    def __init__(self, client: Any, name: str, permits: int) -> None:
        if client.set(f"{name}:made", 1, nx=True):
            client.rpush(name, *[b"token"] * permits)
        self.acquire = partial(client.blpop, name)
        self.release = partial(client.rpush, name, b"token")


class Redis(Client):
    def __init__(self, address: str) -> None:
        if not HIREDIS_AVAILABLE:
            raise Missing("redis-py does not use hiredis")
        self.redis: Any = redis.Redis.from_url(address)

    def queue(self, name: str) -> Queue:
        return List(self.redis, name)

    def batches(self, name: str) -> BatchQueue:
        return List(self.redis, name)

    def stream_out(self, name: str, item: bytes, count: int) -> None:
        for _ in range(count // BATCH):
            self.redis.rpush(name, *[item] * BATCH)

    def stream_in(self, name: str, count: int) -> None:
        while count > 0:
            count -= len(self.redis.blmpop(0, 1, name, direction="LEFT", count=BATCH)[1])

    def arrays(self, name: str) -> Queue:
        return RawArrays(List(self.redis, name))

    def json_arrays(self, name: str) -> Queue:
        return JsonArrays(List(self.redis, name))

    def semaphore(self, name: str, permits: int) -> Semaphore:
        return Tokens(self.redis, name, permits)


class System:
    def start(self, stack: ExitStack, work: Path) -> Addresses:
        """Nothing on disk, as with our server without --data."""
        if shutil.which("redis-server") is None:
            raise Missing("redis-server is not on the PATH")
        path, port = work / "redis.sock", free_port()
        options = {
            "port": port,
            "bind": "127.0.0.1",
            "unixsocket": path,
            "save": "",
            "appendonly": "no",
            "dir": work,
        }
        command = [
            "redis-server",
            *(str(part) for key, value in options.items() for part in (f"--{key}", value)),
        ]
        server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        stack.callback(server.kill)
        addresses = {"tcp": f"redis://127.0.0.1:{port}", "unix": f"unix://{path}"}
        until(redis.Redis.from_url(addresses["unix"]).ping, redis.ConnectionError)
        return addresses

    def client(self, address: str) -> Client:
        return Redis(address)


SYSTEM = System()
