"""The README's examples do what they say, as they stand there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import syncbridge
from harness import ROOT, Process, Server, java


def example(language: str, url: str) -> str:
    """The README's example in that language, at the address of a server that runs."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found
    code, moved = re.subn(r"grpc://127\.0\.0\.1:7420", url, found[1])
    assert moved == 1
    return code


def test_python(server: Server) -> None:
    with Process(sys.executable, "-c", example("python", server.url)) as program:
        assert program.rest() == ["a.png"]
    with syncbridge.connect(server.url) as bridge:
        assert bridge.queue("jobs").empty()
        assert bridge.semaphore("gpu").available() == 4


def test_java(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "Example.java"
    source.write_text(
        "import io.syncbridge.*; import java.util.concurrent.*;\n"
        "class Example { public static void main(String[] args) throws Exception {\n"
        f"{example('java', server.url)}}} }}\n"
    )
    with syncbridge.connect(server.url) as bridge, java(source) as program:
        bridge.event("ready").set()
        bridge.queue("jobs", maxsize=100).put({"path": "a.png"})
        assert program.rest() == ["{path=a.png}"]
        assert bridge.semaphore("gpu").available() == 4
