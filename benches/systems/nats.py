"""NATS over TCP: JetStream in memory as a work queue, nats-py driven by the calling thread.

A put returns when the server has acknowledged it; a get fetches one message and acknowledges it.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nats
from nats.js.api import RetentionPolicy, StorageType

from . import Addresses, BatchQueue, Client, Missing, Queue, free_port, until

FOREVER = 3600.0


class WorkQueue:
    def __init__(self, client: Nats, name: str) -> None:
        self.run, self.jetstream, self.name = client.loop.run_until_complete, client.jetstream, name
        self.run(
            self.jetstream.add_stream(
                name=name,
                subjects=[name],
                storage=StorageType.MEMORY,
                retention=RetentionPolicy.WORK_QUEUE,
            )
        )
        self.subscription: Any = None

    def put(self, item: bytes) -> None:
        self.run(self.jetstream.publish(self.name, item))

    def put_many(self, items: Sequence[bytes]) -> None:
        async def publish() -> None:
            await asyncio.gather(*(self.jetstream.publish(self.name, item) for item in items))

        self.run(publish())

    def get(self) -> bytes:
        return self.get_many(1)[0]

    def get_many(self, most: int) -> Sequence[bytes]:
        async def fetch() -> Sequence[bytes]:
            if self.subscription is None:
                self.subscription = await self.jetstream.pull_subscribe(self.name, durable=self.name)
            messages = await self.subscription.fetch(most, timeout=FOREVER)
            for message in messages:
                await message.ack()
            return [message.data for message in messages]

        return self.run(fetch())


class Nats(Client):
    def __init__(self, address: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.connection: Any = self.loop.run_until_complete(nats.connect(address))
        self.jetstream: Any = self.connection.jetstream()
        self.queues: dict[str, WorkQueue] = {}

    def work_queue(self, name: str) -> WorkQueue:
        if name not in self.queues:
            self.queues[name] = WorkQueue(self, name)
        return self.queues[name]

    def queue(self, name: str) -> Queue:
        return self.work_queue(name)

    def batches(self, name: str) -> BatchQueue:
        return self.work_queue(name)


class System:
    def start(self, stack: ExitStack, work: Path) -> Addresses:
        if shutil.which("nats-server") is None:
            raise Missing("nats-server is not on the PATH")
        port = free_port()
        command = ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(work)]
        server = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        stack.callback(server.kill)
        address = f"nats://127.0.0.1:{port}"
        # Its own client complains aloud where nobody listens yet.
        until(lambda: socket.create_connection(("127.0.0.1", port)).close(), OSError)
        return {"tcp": address}

    def client(self, address: str) -> Client:
        return Nats(address)


SYSTEM = System()
