"""Servers and client processes for the tests: started, listened to, and gone at the end of the test."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).resolve().parents[2]
BINARY = (
    ROOT / "target" / ("debug" if os.environ.get("PROFILE", "dev") == "dev" else "release") / "syncbridge"
)
JAR = ROOT / "java-bindings" / "target" / "syncbridge.jar"


class Process:
    """A child process whose output can be waited for, line by line."""

    def __init__(self, *command: str | Path) -> None:
        self.popen = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def line(self, timeout: float = 10.0) -> str:
        """The next line; an error if there is none in time."""
        try:
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"{self.popen.args!r} said nothing for {timeout} s") from None
        if line is None:
            raise EOFError(f"{self.popen.args!r} ended with {self.popen.wait()}")
        return line

    def rest(self, timeout: float = 60.0) -> list[str]:
        """All lines to the end of the process, which must be a good one."""
        self.popen.wait(timeout)
        lines = list(iter(lambda: self.lines.get(timeout=timeout), None))
        assert self.popen.returncode == 0, (self.popen.args, self.popen.returncode, lines[-5:])
        return [line for line in lines if line is not None]

    def tell(self, line: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(10)
        self._reader.join(10)
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                stream.close()


class Server(Process):
    """`syncbridge serve`, once it accepts."""

    def __init__(self, listen: str = "127.0.0.1:0", *options: str | Path) -> None:
        super().__init__(BINARY, "serve", "--listen", listen, *options)
        line = self.line()
        assert line.startswith("listening grpc://"), line
        self.url = line.removeprefix("listening ")
        self.address = self.url.removeprefix("grpc://").partition("/")[0]


def client(script: Path, *arguments: str | int) -> Process:
    """A Python client process: a script beside the tests."""
    return Process(sys.executable, script, *map(str, arguments))


def java(source: Path, *arguments: str | int) -> Process:
    """A Java client process, straight from its source."""
    return Process("java", "-cp", JAR, source, *map(str, arguments))


def eventually(condition: Callable[[], bool], within: float) -> float:
    """Waits for a fact that nothing announces; how long it took, or an error."""
    began = time.monotonic()
    for _ in _ticks(within):
        if condition():
            return time.monotonic() - began
    raise TimeoutError(f"not so within {within} s")


def _ticks(within: float) -> Iterator[None]:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        yield
        time.sleep(0.005)
    yield
