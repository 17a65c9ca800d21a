"""Handles in other processes: by pickle and by fork (docs/semantics.md, section 4)."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import sysconfig
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import syncbridge
from syncbridge import Bridge
from syncbridge.exceptions import ObjectGone
from threads import eventually

METHODS = ["spawn", "fork", "forkserver"]


@pytest.fixture
def brief() -> Iterator[Bridge]:
    """A session whose shared objects do not stay for long, with a server of its own."""
    with syncbridge.Server() as server, syncbridge.connect(server.url, session_ttl=1) as bridge:
        yield bridge


def in_child(call: Callable[[], object]) -> int:
    """Starts it in a forked child, which then ends without the exit handlers of its parent."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if call() else 2
        finally:
            os._exit(code)
    return pid


def ended_well(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def objects(url: str) -> int:
    """How many there are in the whole server."""
    script = Path(sysconfig.get_path("scripts")) / "syncbridge"
    done = subprocess.run(
        [script, "status", "--url", url, "--json"], capture_output=True, text=True, timeout=20
    )
    return sum(namespace["objects"] for namespace in json.loads(done.stdout)["namespaces"])


def _work(source: Any, target: Any, done: Any, slots: Any) -> None:
    with slots:
        for item in iter(source.get, None):
            target.put((os.getpid(), item))
    done.set()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_handles_are_arguments_of_processes(served: Bridge, method: str, named: bool) -> None:
    def name(text: str) -> str | None:
        return text if named else None

    source, target = served.queue(name("source"), 10), served.simple_queue(name("target"))
    done, slots = served.event(name("done")), served.bounded_semaphore(name("slots"), 1)
    source.put(0)
    context: Any = multiprocessing.get_context(method)
    child = context.Process(target=_work, args=(source, target, done, slots))
    child.start()
    for number in (1, 2, None):
        source.put(number)
    assert [target.get(timeout=20) for _ in range(3)] == [(child.pid, number) for number in range(3)]
    assert done.wait(timeout=20)
    child.join(20)
    assert child.exitcode == 0
    assert slots.acquire(timeout=20)
    source.put("still there")
    assert source.get(timeout=5) == "still there"


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_of_anonymous_objects(brief: Bridge, method: str) -> None:
    handles = [brief.queue(), brief.simple_queue(), brief.event(), brief.semaphore()]
    handles[0].put(None)
    context: Any = multiprocessing.get_context(method)
    child = context.Process(target=_work, args=handles)
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert objects(brief.url) == 4
    del handles, child
    eventually(lambda: objects(brief.url) == 0)


def test_what_is_pickled_outlives_its_maker(brief: Bridge) -> None:
    program = """
        import pickle, sys, syncbridge
        items = syncbridge.connect(sys.argv[1]).priority_queue(maxsize=3)
        items.put_many([2, 1])
        print(pickle.dumps(items).hex(), flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(program), brief.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout
        pickled = bytes.fromhex(maker.stdout.readline())
        maker.kill()
    items = pickle.loads(pickled)
    assert (type(items), items.bridge, items.maxsize) == (syncbridge.PriorityQueue, brief, 3)
    assert [items.get(timeout=5), items.get(timeout=5)] == [1, 2]


def test_an_unpickled_handle_attaches_and_creates_nothing(brief: Bridge) -> None:
    items: syncbridge.Queue[int] = brief.queue()
    items.put(1)
    pickled = pickle.dumps(items)
    del items
    time_to_attach: syncbridge.Queue[int] = pickle.loads(pickled)
    assert time_to_attach.get() == 1
    del time_to_attach
    eventually(lambda: objects(brief.url) == 0)
    with pytest.raises(ObjectGone, match="there is no queue anonymous-"):
        pickle.loads(pickled)


def test_a_named_one_is_what_it_was_declared_as(served: Bridge) -> None:
    items: syncbridge.LifoQueue[int] = served.lifo_queue("named", 2, max_deliveries=4)
    pickled = pickle.dumps(items)
    items.put(1)
    del items
    again: syncbridge.LifoQueue[int] = pickle.loads(pickled)
    assert (again.name, again.maxsize, again.get()) == ("named", 2, 1)


def test_handles_of_one_object_are_equal(served: Bridge) -> None:
    items = served.queue("q")
    assert items == served.queue("q") == syncbridge.Queue(name="q", bridge=served)
    assert items not in {served.queue("p"), served.event("q"), served.queue()}
    assert {items: 1}[pickle.loads(pickle.dumps(items))] == 1
    anonymous = served.event()
    assert pickle.loads(pickle.dumps(anonymous)) == anonymous != served.event()
    assert items != "q"


def test_a_copy_is_the_handle_itself(bridge: Bridge) -> None:
    items = bridge.queue()
    assert copy.copy(items) is items
    assert copy.deepcopy({"items": items})["items"] is items


def test_one_that_comes_back_is_used_once(brief: Bridge) -> None:
    items: syncbridge.Queue[int] = brief.queue()
    again: syncbridge.Queue[int] = pickle.loads(pickle.dumps(items))
    third: syncbridge.Queue[int] = pickle.loads(pickle.dumps(again))
    assert again.bridge is brief
    items.put(1)
    del items, again
    brief._native.flush(5)
    assert third.get() == 1
    del third
    eventually(lambda: objects(brief.url) == 0)


def test_the_bridge_of_a_pickle_is_the_one_that_is_there(served: Bridge) -> None:
    assert pickle.loads(pickle.dumps(served)) is served
    pickled = pickle.dumps(served.queue("q"))
    served.close()
    one, other = pickle.loads(pickled), pickle.loads(pickled)
    assert one.bridge is other.bridge is not served
    one.bridge.close()


def test_a_forked_child_uses_what_it_inherited(served: Bridge) -> None:
    items: syncbridge.Queue[int] = served.queue()
    pids = [in_child(lambda number=number: items.put(number)) for number in (1, 2)]  # type: ignore[misc]
    assert all(ended_well(pid) for pid in pids)
    assert sorted([items.get(timeout=5), items.get(timeout=5)]) == [1, 2]
    items.put(3)
    assert items.get() == 3


def test_what_the_parent_lets_go_of_the_child_has(served: Bridge) -> None:
    kept: list[syncbridge.Queue[int]] = [served.queue()]
    kept[0].put(1)
    reading, writing = os.pipe()
    pid = in_child(lambda: os.read(reading, 1) == b"x" and kept[0].get(timeout=5) == 1)
    kept.clear()
    served._native.flush(5)
    os.write(writing, b"x")
    assert ended_well(pid)
    os.close(reading)
    os.close(writing)


def test_an_inherited_object_is_not_made_anew(brief: Bridge) -> None:
    kept: list[syncbridge.Queue[int]] = [brief.queue()]
    reading, writing = os.pipe()

    def child() -> bool:
        assert os.read(reading, 1) == b"x"
        with pytest.raises(ObjectGone):
            kept[0].put(1)
        return True

    pid = in_child(child)
    kept.clear()
    eventually(lambda: objects(brief.url) == 0)
    os.write(writing, b"x")
    assert ended_well(pid)
    os.close(reading)
    os.close(writing)


def test_a_fork_does_not_wait_for_a_server_that_is_silent(tmp_path: Path) -> None:
    script = Path(sysconfig.get_path("scripts")) / "syncbridge"
    command: list[str | Path] = [
        script,
        "serve",
        "--listen",
        "none",
        "--unix",
        tmp_path / "s",
        "--log",
        "warn",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = server.stdout.readline().removeprefix("listening ").strip()
        bridge = syncbridge.connect(url)
        items: syncbridge.Queue[int] = bridge.queue()
        items.put(1)
        server.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert ended_well(in_child(lambda: True))
        assert time.monotonic() - began < 5
        server.send_signal(signal.SIGCONT)
        assert items.get(timeout=10) == 1
        bridge.close()
        server.terminate()
