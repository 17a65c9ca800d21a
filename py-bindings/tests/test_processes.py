"""More than one process: pickling, fork, spawn, and the end of a program."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from typing import Any

import pytest
import syncbridge
from syncbridge import Bridge
from syncbridge.exceptions import ForkedHandleError, NotPicklableError


def in_a_forked_child(call: Callable[[], str]) -> str:
    """What ``call`` returns in a forked child, or the name of what it raises."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = call()
        except BaseException as failure:
            answer = f"{type(failure).__name__}: {failure}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return answer


def run(program: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(program), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_mem_handle_cannot_be_pickled() -> None:
    with syncbridge.connect("mem:pickle") as bridge:
        for handle in (
            bridge,
            bridge.queue("q"),
            bridge.event("e"),
            bridge.semaphore("s"),
            bridge.simple_queue(),
        ):
            with pytest.raises(NotPicklableError, match="connect to a server instead"):
                pickle.dumps(handle)


def test_a_mem_handle_says_so_in_a_forked_child() -> None:
    with syncbridge.connect("mem:fork") as bridge:
        items, event, door = bridge.queue("q"), bridge.event("e"), bridge.semaphore("s")
        calls: list[Callable[[], Any]] = [lambda: items.put(1), event.is_set, door.acquire, bridge.queue]
        for call in calls:
            answer = in_a_forked_child(lambda call=call: str(call()))  # type: ignore[misc]
            assert answer.startswith(ForkedHandleError.__name__)
            assert "connect both to a server" in answer
        assert in_a_forked_child(lambda: bridge.close() or "closed") == "closed"  # type: ignore[func-returns-value]
        items.put(1)
        assert items.get() == 1


def test_the_default_bridge_of_a_forked_child_is_its_own() -> None:
    items: syncbridge.Queue[int] = syncbridge.Queue()
    items.put(1)

    def child() -> str:
        own: syncbridge.Queue[int] = syncbridge.Queue()
        own.put(2)
        return str(own.get(timeout=1))

    assert in_a_forked_child(child) == "2"
    assert items.get() == 1


@pytest.mark.parametrize("how", ["sys.exit()", "raise ValueError", "pass"])
def test_the_end_of_a_program_gives_everything_back(served: Bridge, how: str) -> None:
    served.queue("jobs").put("a")
    program = f"""
        import sys, syncbridge
        bridge = syncbridge.connect(sys.argv[1], session_ttl=60)
        job, permit = bridge.queue("jobs").lease(), bridge.semaphore("door", 1).acquire_permit()
        print("holding", flush=True)
        {how}
    """
    began = time.monotonic()
    done = run(program, served.url)
    assert done.stdout == "holding\n"
    with served.queue("jobs").lease(timeout=1) as job:
        assert job.value == "a"
    assert served.semaphore("door").acquire(timeout=1)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("url", ["mem:", "served"])
def test_a_program_that_closes_nothing_still_ends(served: Bridge, url: str) -> None:
    program = """
        import sys, threading, syncbridge
        items = syncbridge.connect(sys.argv[1]).queue("never")
        threading.Thread(target=items.get, daemon=True).start()
        while not items.describe().waiting_to_get:
            pass
    """
    began = time.monotonic()
    done = run(program, served.url if url == "served" else url)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - began < 5
