"""Processes that work on command: Python ones, which are told tasks through a pipe, and Java ones, by lines of text."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

import java
import tasks
from systems import Missing
from tasks import Skipped, Task

SPAWN = multiprocessing.get_context("spawn")
#: How long anything may take before it counts as hung.
PATIENCE_SECONDS = 120.0


class Peer(Protocol):
    #: What becomes readable when it answers.
    handle: Any

    def tell(self, task: Task) -> None: ...
    def hear(self) -> Any: ...


class PythonPeer:
    def __init__(self, stack: ExitStack, system: str, address: Any) -> None:
        handle: Connection[Task, Any]
        handle, other = SPAWN.Pipe()
        self.handle = handle
        self.process = SPAWN.Process(target=tasks.serve, args=(system, address, other), daemon=True)
        self.process.start()
        other.close()
        stack.callback(self._end)

    def _end(self) -> None:
        # First, so that it does not complain of the connection.
        self.process.kill()
        self.process.join()
        self.handle.close()

    def tell(self, task: Task) -> None:
        self.handle.send(task)

    def hear(self) -> Any:
        try:
            return self.handle.recv()
        except EOFError:
            self.process.join(5)
            raise RuntimeError(f"a Python process ended with {self.process.exitcode}") from None


class JavaPeer:
    def __init__(self, stack: ExitStack, system: str, address: str) -> None:
        self.process = stack.enter_context(
            subprocess.Popen(
                java.command(system, address), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        stack.callback(self.process.kill)
        self.handle = self.process.stdout

    def tell(self, task: Task) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{task.do} {task.count} {task.size}\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a Java process ended with {self.process.wait(5)}")
        return json.loads(line)


KINDS: dict[str, Callable[[ExitStack, str, Any], Peer]] = {"python": PythonPeer, "java": JavaPeer}


def start(stack: ExitStack, kinds: Sequence[str], system: str, address: Any) -> list[Peer]:
    """Processes of these kinds, connected."""
    crew = [KINDS[kind](stack, system, address) for kind in kinds]
    hear_all(crew)
    return crew


def tell_all(crew: Sequence[Peer], orders: Sequence[Task]) -> list[Any]:
    """Everybody does something at the same time; what they answer."""
    for peer, task in zip(crew, orders, strict=True):
        peer.tell(task)
    return hear_all(crew)


def hear_all(crew: Sequence[Peer]) -> list[Any]:
    """What they answer, in their order. The first that cannot do it ends the waiting for the others."""
    answers: list[Any] = [None] * len(crew)
    waiting = {peer.handle: number for number, peer in enumerate(crew)}
    while waiting:
        ready = wait(list(waiting), PATIENCE_SECONDS)
        if not ready:
            raise TimeoutError(f"no answer within {PATIENCE_SECONDS:.0f} s")
        for handle in ready:
            number = waiting.pop(handle)
            answers[number] = answer = crew[number].hear()
            if isinstance(answer, Skipped):
                raise Missing(answer.reason)
    return answers
