"""Ctrl-C ends every wait within 200 ms and loses nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest
import syncbridge

WITHIN_S = 0.2

#: Sends itself Ctrl-C from another thread once the wait is parked, and says how long the wait lived after that.
PROGRAM = """
    import os, signal, sys, threading, time, traceback
    import syncbridge

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    bridge = syncbridge.connect(sys.argv[1])
    full = bridge.queue("full", maxsize=1)
    full.put("first")
    empty, unset, door = bridge.queue("empty"), bridge.event("unset"), bridge.semaphore("door", 0)
    consumer = empty.consumer(prefetch=3)
    sent = []

    def inside():
        main = sys._current_frames()[threading.main_thread().ident]
        return [frame.f_code.co_name for frame, _ in traceback.walk_stack(main)]

    def interrupt(parked):
        while not parked():
            time.sleep(0.001)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    WAITS = {
        "get": (empty.get, lambda: empty.describe().waiting_to_get),
        "get in time": (lambda: empty.get(timeout=60), lambda: empty.describe().waiting_to_get),
        "get_many": (lambda: empty.get_many(5), lambda: empty.describe().waiting_to_get),
        "lease": (empty.lease, lambda: empty.describe().waiting_to_get),
        "consumer": (consumer.get, lambda: "get" in inside()),
        "put": (lambda: full.put("second"), lambda: full.describe().waiting_to_put),
        "join": (full.join, lambda: "join" in inside()),
        "event": (unset.wait, lambda: unset._native.describe()[2]),
        "semaphore": (door.acquire, lambda: door.describe().waiting),
        "permit": (door.acquire_permit, lambda: door.describe().waiting),
    }
    wait, parked = WAITS[sys.argv[2]]
    threading.Thread(target=interrupt, args=(parked,), daemon=True).start()
    try:
        wait()
    except KeyboardInterrupt:
        print(time.monotonic() - sent[0])
    empty.put("kept")
    door.release()
    assert empty.get(timeout=5) == "kept"
    assert door.acquire(timeout=5)
    assert full.get(timeout=5) == "first"
    try:
        print(full.get(timeout=0))
    except syncbridge.Empty:
        print("withdrawn")
"""


@pytest.fixture(params=["mem:", "served"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "mem:":
        yield "mem:"
        return
    with syncbridge.Server() as server:
        yield server.url


@pytest.mark.parametrize(
    "wait",
    ["get", "get in time", "get_many", "lease", "consumer", "put", "join", "event", "semaphore", "permit"],
)
def test_ctrl_c_ends_a_wait_and_loses_nothing(url: str, wait: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), url, wait]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    took, left = done.stdout.split()
    assert float(took) < WITHIN_S
    assert left == "withdrawn"


def test_ctrl_c_ends_connecting() -> None:
    program = """
        import os, signal, sys, threading, time
        import syncbridge

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        sent = []

        def interrupt():
            sys.stdin.readline()
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        try:
            syncbridge.connect(sys.argv[1]).queue("q").put(1)
        except KeyboardInterrupt:
            print(time.monotonic() - sent[0])
    """
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"grpc://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", textwrap.dedent(program), url]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            connection, _ = silent.accept()
            took, _ = child.communicate("now\n", timeout=60)
            connection.close()
    assert float(took) < WITHIN_S
