"""RabbitMQ over TCP: pika, publisher confirms, and consumers that acknowledge each delivery."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pika
from pika.exceptions import AMQPConnectionError

from . import Addresses, Client, Missing, Queue, free_port, until


class Classic:
    """A transient classic queue. A put returns when the broker has confirmed it."""

    def __init__(self, channel: Any, name: str) -> None:
        channel.queue_declare(name)
        self.channel, self.name = channel, name
        self.deliveries: Any = None

    def put(self, item: bytes) -> None:
        self.channel.basic_publish("", self.name, item)

    def get(self) -> bytes:
        if self.deliveries is None:
            self.deliveries = self.channel.consume(self.name)
        method, _, body = next(self.deliveries)
        self.channel.basic_ack(method.delivery_tag)
        item: bytes = body
        return item


class RabbitMq(Client):
    def __init__(self, port: int) -> None:
        self.connection: Any = connect(port)
        self.queues: dict[str, Classic] = {}

    def queue(self, name: str) -> Queue:
        if name not in self.queues:
            # A channel has one consumer in pika's blocking interface.
            channel = self.connection.channel()
            channel.confirm_delivery()
            self.queues[name] = Classic(channel, name)
        return self.queues[name]


def connect(port: int) -> Any:
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0))


class System:
    def start(self, stack: ExitStack, work: Path) -> Addresses:
        # The real one: what Debian has on the PATH starts it as another user and in another session.
        path = os.pathsep.join(["/usr/lib/rabbitmq/bin", os.environ.get("PATH", "")])
        executable = shutil.which("rabbitmq-server", path=path)
        if executable is None:
            raise Missing("rabbitmq-server is not on the PATH")
        port = free_port()
        environment = {
            **os.environ,
            "HOME": str(work),
            "RABBITMQ_NODENAME": f"bench{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(work / "data"),
            "RABBITMQ_LOG_BASE": str(work / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(work / "plugins"),
        }
        # Erlang's port mapper stays otherwise; it goes only where nobody else needs it.
        stack.callback(
            subprocess.run, ["epmd", "-kill"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        server = stack.enter_context(
            subprocess.Popen([executable], env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
        )
        # All that the script has started.
        stack.callback(os.killpg, server.pid, signal.SIGKILL)
        until(lambda: connect(port).close(), AMQPConnectionError)
        return {"tcp": port}

    def client(self, address: int) -> Client:
        return RabbitMq(address)


SYSTEM = System()
