"""Every behaviour is tested on an engine in this process and across a connection."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import syncbridge

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[syncbridge.Server]:
    with syncbridge.Server() as server:
        yield server


@pytest.fixture(params=["mem", "served"])
def url(request: pytest.FixtureRequest) -> str:
    """A namespace of its own."""
    number = next(_numbers)
    if request.param == "mem":
        return f"mem:test-{number}"
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
