"""The main job: a Python trainer, three Python workers and a Java client share one server, and a worker is killed.

Starts everything, shows progress, kills one worker with SIGKILL while it holds a batch and a permit, and measures how
soon both are back. Java has the last word: it counts.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import syncbridge

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "target" / ("release" if os.environ.get("PROFILE") == "release" else "debug")
WORKERS = 3
PERMITS = 2
WAITING_MAX = 256
# What a killed worker held must be with others after this many seconds.
BACK_WITHIN_S = 2.0
# Nothing in this job takes this many seconds without news.
SILENCE_MAX_S = 30.0
STARTING_MAX_S = 120.0


class Children:
    """The processes of the job; whatever is left of them at the end is killed."""

    def __init__(self, log: Path) -> None:
        self.log = log.open("wb")
        self.all: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        child = subprocess.Popen([str(part) for part in command], **{"stderr": self.log, **options})
        self.all.append(child)
        return child

    def kill(self) -> None:
        for child in self.all:
            child.kill()
            child.wait()
        self.log.close()


def serve(children: Children) -> tuple[subprocess.Popen[bytes], str]:
    """A server on a free port, and its address."""
    server = children.start(BUILD / "syncbridge", "serve", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE)
    assert server.stdout is not None
    line = server.stdout.readline().decode().strip()
    if not line.startswith("listening "):
        raise SystemExit(f"syncbridge serve did not start: {line!r}")
    return server, line.removeprefix("listening ")


class Job:
    """What the driver knows, from the news that workers and the client put into a queue."""

    def __init__(self, bridge: syncbridge.Bridge) -> None:
        self.bridge = bridge
        self.images = bridge.queue("images", maxsize=WAITING_MAX)
        self.news = bridge.queue("news")
        self.accelerator = bridge.semaphore("accelerator", PERMITS)
        self.hold = bridge.event("hold", auto_reset=True)
        self.began = time.monotonic()
        self.asked = False
        self.killed: list[int] = []
        self.missing: set[int] = set()
        self.killed_at = 0.0
        self.permit_back_s: float | None = None
        self.batch_back_s: float | None = None

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def follow(self) -> None:
        """Reads the news until the client has all its answers, or gives up."""
        while True:
            news = self.news.get(timeout=SILENCE_MAX_S)
            if news["what"] == "holding":
                self.strike(news["worker"], set(news["ids"]))
            elif news["what"] == "redelivered":
                self.back(set(news["ids"]))
            elif news["what"] == "progress":
                self.progress(**news["figures"])
            elif news["what"] == "finished":
                return

    def progress(self, share: float, answered: int, rate: int, blocked: float) -> None:
        self.say(
            f"{share:4.0%} {answered:>9,} answered, {rate:>6,}/s; {self.images.qsize():>3} of {WAITING_MAX} places"
            f" taken, client {blocked:.0%} of its time in put"
        )
        if share >= 0.5 and not self.asked:
            self.asked = True
            self.hold.set()

    def strike(self, worker: int, ids: set[int]) -> None:
        """Kills a worker that holds a batch and a permit, and waits until every permit can be had again."""
        os.kill(worker, signal.SIGKILL)
        self.killed_at = time.monotonic()
        self.killed.append(worker)
        self.missing = ids
        self.say(f"worker {worker} holds {len(ids)} images and a permit, and is killed with SIGKILL")
        permits = self.accelerator.acquire_permit(PERMITS, timeout=10 * BACK_WITHIN_S)
        self.permit_back_s = time.monotonic() - self.killed_at
        permits.release()
        self.say(f"its permit is back after {self.permit_back_s:.3f} s")

    def back(self, ids: set[int]) -> None:
        if not self.missing:
            return
        self.missing -= ids
        if not self.missing:
            self.batch_back_s = time.monotonic() - self.killed_at
            self.say(f"its batch is with another worker after {self.batch_back_s:.3f} s")

    def in_time(self) -> bool:
        times = (self.permit_back_s, self.batch_back_s)
        return len(self.killed) == 1 and all(one is not None and one <= BACK_WITHIN_S for one in times)


def run(children: Children, work: Path) -> int:
    server, url = serve(children)
    with syncbridge.connect(url, name="demo") as bridge:
        job = Job(bridge)
        job.say(f"server at {url}, log in {children.log.name}")
        found = importlib.util.find_spec("sklearn")  # where it is; importing it here would take seconds
        assert found is not None
        assert found.origin is not None
        data = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
        model = work / "model.pickle"
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        jar = ROOT / "java-bindings" / "target" / "syncbridge.jar"
        client = children.start("java", "-cp", jar, HERE / "java" / "DigitsClient.java", url, str(data))
        trainer = children.start(sys.executable, HERE / "train.py", url, str(data), model)
        workers = [
            children.start(sys.executable, HERE / "worker.py", url, model, env=one_thread)
            for _ in range(WORKERS)
        ]
        job.say(f"trainer, {WORKERS} workers and the Java client started")
        if not bridge.event("model-ready").wait(timeout=STARTING_MAX_S):
            raise SystemExit(
                f"no model within {STARTING_MAX_S} s; the trainer's exit code so far: {trainer.poll()}"
            )
        job.say("the model is ready")
        try:
            job.follow()
        except syncbridge.exceptions.QueueEmpty:
            states = {str(child.args[-2]): child.poll() for child in [client, trainer, *workers]}  # type: ignore[index]
            raise SystemExit(f"no news for {SILENCE_MAX_S} s; exit codes so far: {states}") from None

        job.images.shutdown()
        ended = [worker.wait(timeout=30) for worker in workers]
        survivors_well = sorted(ended) == [-signal.SIGKILL, 0, 0] and trainer.wait(timeout=30) == 0
        if not job.in_time():
            job.say(f"NOT BACK IN TIME: permit {job.permit_back_s}, batch {job.batch_back_s}")
        if not survivors_well:
            job.say(f"NOT WELL: workers ended with {ended}, trainer with {trainer.returncode}")
        bridge.queue("verdict").put(len(job.killed))
        counted_well = client.wait(timeout=30) == 0
    server.terminate()
    stopped_well = server.wait(timeout=30) == 0
    return 0 if counted_well and survivors_well and stopped_well and job.in_time() else 1


def main() -> int:
    log = ROOT / "target" / "demo.log"
    with ExitStack() as stack:
        children = Children(log)
        stack.callback(children.kill)
        return run(children, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digits-"))))


if __name__ == "__main__":
    sys.exit(main())
