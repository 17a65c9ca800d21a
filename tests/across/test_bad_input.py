"""Nonsense on the wire: an error each, and the server stays what it was."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from harness import Server
from syncbridge.v1 import (
    event_service_pb2 as event,
    event_service_pb2_grpc as event_grpc,
    queue_service_pb2 as queue,
    queue_service_pb2_grpc as queue_grpc,
    session_service_pb2 as session,
)

METHODS = [
    "SessionService/Open",
    "SessionService/KeepAlive",
    "SessionService/Close",
    "QueueService/Put",
    "QueueService/GetMany",
    "QueueService/Ack",
    "QueueService/Browse",
    "EventService/Set",
    "SemaphoreService/Acquire",
    "AdminService/ListObjects",
]
# What a call with nonsense may end with: never UNKNOWN or INTERNAL, and never a lost connection.
HONEST = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.OUT_OF_RANGE,
}


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def is_well(server: Server) -> bool:
    with grpc.insecure_channel(server.address) as channel:
        answer = event_grpc.EventServiceStub(channel).Set(
            event.EventServiceSetRequest(event="well"), timeout=5
        )
    return bool(answer.version) and server.popen.poll() is None


def resident_bytes(server: Server) -> int:
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_random_bytes_on_the_socket(server: Server) -> None:
    chance = random.Random(20_261)
    host, port = server.address.split(":")
    for start in [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"] * 20:
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(start + chance.randbytes(chance.randrange(1, 2000)))
    assert is_well(server)


def test_random_bytes_as_messages(server: Server, channel: grpc.Channel) -> None:
    chance = random.Random(20_262)
    for _ in range(30):
        for method in METHODS:
            call = channel.unary_unary(f"/syncbridge.v1.{method}")
            try:
                call(chance.randbytes(chance.randrange(1, 200)), timeout=5)
            except grpc.RpcError as error:
                # What prost cannot decode is tonic's INTERNAL, before the server's own code is reached.
                decoding = "decode" in (error.details() or "")
                assert error.code() in HONEST or decoding, (method, error)
    assert is_well(server)


def test_random_frames_on_the_session_stream(server: Server, channel: grpc.Channel) -> None:
    """Each ends the stream, by a status or by a farewell that says why."""
    chance = random.Random(20_263)
    attach = channel.stream_stream(
        "/syncbridge.v1.SessionService/Attach", response_deserializer=session.AttachResponse.FromString
    )
    headless = session.AttachRequest(sequence=1, heartbeat=1).SerializeToString()
    for first in [headless, *(chance.randbytes(chance.randrange(1, 200)) for _ in range(100))]:
        try:
            answers = list(attach(iter([first]), timeout=5))
        except grpc.RpcError:
            continue
        assert answers[-1].HasField("farewell")
        assert answers[-1].farewell.message
    assert is_well(server)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", grpc.StatusCode.INVALID_ARGUMENT),
        ("a\0b", grpc.StatusCode.INVALID_ARGUMENT),
        ("a/b", grpc.StatusCode.INVALID_ARGUMENT),
        ("a\nb", grpc.StatusCode.INVALID_ARGUMENT),
        ("x" * 256, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
    ids=["empty", "nul", "slash", "newline", "long"],
)
def test_names_that_cannot_be(
    server: Server, channel: grpc.Channel, name: str, code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        event_grpc.EventServiceStub(channel).Set(event.EventServiceSetRequest(event=name))
    assert refused.value.code() == code
    assert is_well(server)


def test_absurd_sizes_and_unknown_ids(server: Server, channel: grpc.Channel) -> None:
    stub = queue_grpc.QueueServiceStub(channel)
    absurd: list[Callable[[], object]] = [
        lambda: stub.GetMany(
            queue.QueueServiceGetManyRequest(queue="q", max=2**32 - 1, min=2**32 - 1), timeout=0.2
        ),
        lambda: stub.Get(queue.QueueServiceGetRequest(queue="q", handle=2**63), timeout=0.2),
        lambda: stub.Ack(queue.QueueServiceAckRequest(queue="q", tokens=[2**64 - 1] * 10_000), timeout=5),
        lambda: stub.Ack(
            queue.QueueServiceAckRequest(queue="q"), metadata=(("syncbridge-session", "ff" * 16),), timeout=5
        ),
        lambda: stub.Ack(
            queue.QueueServiceAckRequest(queue="q"), metadata=(("syncbridge-session", "zz"),), timeout=5
        ),
        lambda: stub.PutMany(
            queue.QueueServicePutManyRequest(queue="q", items=[queue.NewItem(key=b"k" * 100_000)] * 100),
            timeout=5,
        ),
        lambda: stub.Browse(queue.QueueServiceBrowseRequest(queue="q", page_token="nonsense"), timeout=5),
    ]
    for call in absurd:
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert refused.value.code() in HONEST, refused.value
    assert is_well(server)


def test_nothing_leaks(server: Server, channel: grpc.Channel) -> None:
    """Failed calls and abandoned connections leave nothing behind."""
    host, port = server.address.split(":")
    stub = queue_grpc.QueueServiceStub(channel)

    def round_of_nonsense() -> None:
        for _ in range(500):
            with socket.create_connection((host, int(port)), timeout=5) as raw:
                raw.sendall(b"\xff" * 64)
            with pytest.raises(grpc.RpcError):
                stub.Get(queue.QueueServiceGetRequest(queue="a\0b"))

    round_of_nonsense()
    before = resident_bytes(server)
    round_of_nonsense()
    assert resident_bytes(server) - before < 2 * 1024 * 1024
