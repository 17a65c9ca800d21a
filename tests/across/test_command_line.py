"""What a user sees first: the server starts, or one clear line says why not."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest
import syncbridge
from harness import BINARY, Server
from syncbridge.exceptions import ProtocolVersionError, Unavailable
from syncbridge.v1 import session_service_pb2 as session, session_service_pb2_grpc as session_grpc


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BINARY, "serve", *options], capture_output=True, text=True, timeout=5, check=False)


def test_a_port_in_use_is_one_clear_line(server: Server) -> None:
    other = serve("--listen", server.address)
    assert other.returncode != 0
    last = other.stderr.strip().splitlines()[-1]
    assert server.address in last
    assert "use" in last


def test_beyond_loopback_it_wants_to_be_told(server: Server) -> None:
    refused = serve("--listen", "0.0.0.0:0")
    assert refused.returncode != 0
    assert "--insecure" in refused.stderr


def test_a_signal_drains_and_ends_it_well(server: Server) -> None:
    bridge = syncbridge.connect(server.url)
    bridge.queue("jobs").put("a")
    server.signal(signal.SIGTERM)
    assert server.popen.wait(5) == 0


def test_status_says_what_is_going_on(server: Server) -> None:
    bridge = syncbridge.connect(server.url)
    bridge.queue("jobs").put("a")
    said = subprocess.run(
        [BINARY, "status", "--url", server.url], capture_output=True, text=True, timeout=5, check=True
    )
    assert "default" in said.stdout


def test_the_unix_socket_serves_the_same_objects(tmp_path: Path) -> None:
    path = tmp_path / "bridge.sock"
    with Server("127.0.0.1:0", "--unix", path) as server:
        syncbridge.connect(f"unix://{path}").queue("jobs").put("a")
        assert syncbridge.connect(server.url).queue("jobs").get(timeout=1) == "a"


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def clear(error: Exception, *words: str) -> None:
    assert "\n" not in str(error)
    for word in words:
        assert word in str(error)


def test_nobody_there(closed_port: int) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        syncbridge.connect(f"grpc://127.0.0.1:{closed_port}").queue("jobs").put("a")
    assert time.monotonic() - began < 5.5
    clear(refused.value, str(closed_port))


def test_no_such_host() -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        syncbridge.connect("grpc://nowhere.invalid:7420").queue("jobs").put("a")
    assert time.monotonic() - began < 5.5
    clear(refused.value, "nowhere.invalid")


def test_somebody_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            syncbridge.connect(f"grpc://127.0.0.1:{silent.getsockname()[1]}").queue("jobs").put("a")
        assert time.monotonic() - began < 5.5


def test_not_an_address() -> None:
    with pytest.raises(ValueError, match="grpc://"):
        syncbridge.connect("http://127.0.0.1")


class Newer(session_grpc.SessionServiceServicer):  # type: ignore[misc]
    """A server of a later protocol."""

    def Attach(self, request_iterator, context):  # type: ignore[no-untyped-def]
        next(request_iterator)
        yield session.AttachResponse(welcome=session.Welcome(protocol_version=99, server_version="99.0.0"))
        for _ in request_iterator:
            pass


def test_another_protocol_version_is_named() -> None:
    newer = grpc.server(futures.ThreadPoolExecutor(2))
    session_grpc.add_SessionServiceServicer_to_server(Newer(), newer)
    port = newer.add_insecure_port("127.0.0.1:0")
    newer.start()
    try:
        began = time.monotonic()
        with pytest.raises(ProtocolVersionError) as refused:
            syncbridge.connect(f"grpc://127.0.0.1:{port}").queue("jobs").put("a")
        assert time.monotonic() - began < 5.5
        clear(refused.value, "99")
    finally:
        newer.stop(None)
