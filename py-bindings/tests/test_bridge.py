"""Bridges, servers, exceptions."""

from __future__ import annotations

import pickle
import re
import socket
import time
from pathlib import Path

import pytest
import syncbridge
from syncbridge import exceptions
from syncbridge.exceptions import InvalidArgument, SyncBridgeError, Unavailable


def test_a_mem_engine_is_shared_by_its_name() -> None:
    with (
        syncbridge.connect("mem:one") as one,
        syncbridge.connect("mem:one") as same,
        syncbridge.connect("mem:two") as two,
    ):
        one.queue("q").put(1)
        assert two.queue("q").empty()
        assert same.queue("q").get() == 1


def test_the_default_bridge(monkeypatch: pytest.MonkeyPatch, server: syncbridge.Server) -> None:
    syncbridge.shutdown()
    assert syncbridge.Queue().bridge.url == "mem:"
    assert syncbridge.Queue().bridge is syncbridge.Event().bridge
    syncbridge.shutdown()
    monkeypatch.setenv("SYNCBRIDGE_URL", server.url)
    assert syncbridge.Semaphore().bridge.url == server.url
    assert syncbridge.connect().url == server.url
    syncbridge.shutdown()
    syncbridge.shutdown()


def test_what_is_not_there_yet_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="token="):
        syncbridge.connect("mem:", token="secret")


@pytest.mark.parametrize("url", ["", "http://localhost", "grpc://", "mem:a/b", "nonsense"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(InvalidArgument):
        syncbridge.Bridge(url)
    with pytest.raises(ValueError, match="session_ttl"):
        syncbridge.connect("mem:", session_ttl=-1)


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        began = time.monotonic()
        with pytest.raises(Unavailable) as raised:
            syncbridge.connect(f"grpc://127.0.0.1:{taken.getsockname()[1]}").queue("q").put(1)
        assert isinstance(raised.value, ConnectionError)
        assert time.monotonic() - began < 6


def test_a_server_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with syncbridge.Server(listen=None, unix=path) as server:
        assert server.url == f"unix://{path}"
        with syncbridge.connect(server.url) as bridge:
            bridge.queue("q").put("x")
            assert bridge.queue("q").get() == "x"


def test_a_server_on_this_host_is_reached_by_its_local_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def connections(server: syncbridge.Server) -> int:
        name = "@syncbridge/" + server.url.removeprefix("grpc://")
        sockets = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        return sum(socket[5] == "03" and socket[7:] == [name] for socket in sockets)

    with syncbridge.Server() as server:
        with syncbridge.connect(server.url) as bridge:
            bridge.queue("q").put("x")
            assert connections(server) == 1
            monkeypatch.setenv("SYNCBRIDGE_LOCAL_TRANSPORT", "off")
            with syncbridge.connect(server.url) as other:
                assert other.queue("q").get() == "x"
                assert connections(server) == 1
        monkeypatch.setenv("SYNCBRIDGE_LOCAL_TRANSPORT", "perhaps")
        with pytest.raises(InvalidArgument, match="SYNCBRIDGE_LOCAL_TRANSPORT"):
            syncbridge.connect(server.url).queue("q")


def test_a_port_that_is_taken() -> None:
    with syncbridge.Server() as server:
        address = server.url.removeprefix("grpc://")
        with pytest.raises(OSError, match=address.split(":")[1]):
            syncbridge.Server(listen=address)


def test_a_server_that_ends_ends_what_waits() -> None:
    server = syncbridge.Server()
    bridge = syncbridge.connect(server.url)
    items = bridge.queue("q")
    items.put(1)
    server.shutdown()
    server.shutdown()
    with pytest.raises(SyncBridgeError):
        items.put(2, timeout=0.5)


def test_reprs_say_what_and_where(bridge: syncbridge.Bridge) -> None:
    assert repr(bridge) == f"<syncbridge.Bridge {bridge.url}>"
    bridge.queue("q").put("x")
    if bridge.url.startswith("mem:"):
        assert repr(bridge.queue("q")).endswith(": 1 items>")
    else:
        assert repr(bridge.queue("q")) == f"<syncbridge.Queue 'q' at {bridge.url}>"
    job = bridge.queue("q").lease()
    assert repr(job) == f"<syncbridge.Delivery id={job.id} attempt=1 value='x'>"


def test_every_exception_survives_pickling() -> None:
    for name in exceptions.__all__:
        error = getattr(exceptions, name)("why")
        copied = pickle.loads(pickle.dumps(error))
        assert type(copied) is type(error)
        assert str(copied) == "why"
        assert isinstance(error, SyncBridgeError) or name == "ShutDown"
    made = exceptions.from_reason("LIMIT_EXCEEDED", "too much", {"limit": "x", "value": "1"})
    assert (made.reason, made.message, made.metadata["limit"]) == ("LIMIT_EXCEEDED", "too much", "x")
    proto = Path(__file__).parents[2] / "proto" / "syncbridge" / "v1" / "error.proto"
    reasons = set(re.findall(r"REASON_(\w+) = [1-9]", proto.read_text()))
    # Only what locks answer with has no class here, as locks have none.
    assert reasons - set(exceptions._BY_REASON) == {"DEADLOCK", "LOCK_LOST", "NOT_OWNER"}


@pytest.mark.parametrize("name", ["", "a/b", "nul\x00", "x" * 256])
def test_names_that_are_none(bridge: syncbridge.Bridge, name: str) -> None:
    for make in (bridge.queue, bridge.event, bridge.semaphore):
        with pytest.raises(SyncBridgeError, match=r"name|queue|event|semaphore"):
            make(name)
