"""Every behaviour is tested on an engine in this process, on an embedded server, and on one in a process of its own."""

from __future__ import annotations

import itertools
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import syncbridge

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[syncbridge.Server]:
    with syncbridge.Server() as server:
        yield server


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of `syncbridge serve`, on a unix socket."""
    path = tmp_path_factory.mktemp("server") / "socket"
    script = Path(sysconfig.get_path("scripts")) / "syncbridge"
    command: list[str | Path] = [script, "serve", "--listen", "none", "--unix", path, "--log", "warn"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdout.readline() == f"listening unix://{path}\n"
        yield f"unix://{path}"
        server.terminate()
    assert server.returncode == 0


@pytest.fixture(params=["mem", "served", "process"])
def url(request: pytest.FixtureRequest) -> str:
    """A namespace of its own."""
    number = next(_numbers)
    if request.param == "mem":
        return f"mem:test-{number}"
    if request.param == "process":
        return f"{request.getfixturevalue('process')}#test-{number}"
    server: syncbridge.Server = request.getfixturevalue("server")
    return f"{server.url}/test-{number}"


@pytest.fixture
def bridge(url: str) -> Iterator[syncbridge.Bridge]:
    with syncbridge.connect(url) as bridge:
        yield bridge


@pytest.fixture
def another(bridge: syncbridge.Bridge) -> Iterator[Callable[[], syncbridge.Bridge]]:
    """Makes further sessions with the same namespace."""
    made: list[syncbridge.Bridge] = []

    def connect() -> syncbridge.Bridge:
        made.append(syncbridge.connect(bridge.url))
        return made[-1]

    yield connect
    for session in made:
        session.close()


@pytest.fixture
def served(server: syncbridge.Server) -> Iterator[syncbridge.Bridge]:
    with syncbridge.connect(f"{server.url}/test-{next(_numbers)}") as bridge:
        yield bridge
