"""Fixtures: a fresh server, and the modules that protoc makes from proto/ for any Python program."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness import ROOT, Server  # noqa: E402


def generate_stubs() -> None:
    """Makes syncbridge.v1, as the proto package is called, below the wheel's package of that name."""
    import syncbridge
    from grpc_tools import protoc

    stubs = ROOT / "target" / "stubs"
    stubs.mkdir(parents=True, exist_ok=True)
    files = sorted(str(file) for file in (ROOT / "proto").glob("syncbridge/v1/*.proto"))
    bundled = Path(protoc.__file__).parent / "_proto"
    arguments = [f"-I{ROOT / 'proto'}", f"-I{bundled}", f"--python_out={stubs}", f"--grpc_python_out={stubs}"]
    if protoc.main(["protoc", *arguments, *files]) != 0:
        raise pytest.UsageError("protoc refused proto/")
    syncbridge.__path__.append(str(stubs / "syncbridge"))


generate_stubs()  # before the tests are imported, which import it


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        yield one
