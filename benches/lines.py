"""The lines of the table: what is compared with what, and what must hold. docs/benchmarks.md explains each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from entrants import (
    Entrant,
    Measure,
    alone,
    batches,
    both,
    crew,
    everybody,
    ping_pong,
    program,
    waiters,
)

OURS = "syncbridge"
#: What runs of one thing differ by, so that more than this is not flat.
FLAT = 1.15


@dataclass(frozen=True)
class Mark:
    """What must hold: of our figure divided by another's, or of our figure itself."""

    must: float
    goal: float | None = None
    against: str | None = None


@dataclass(frozen=True)
class Line:
    #: What --only looks for.
    name: str
    unit: str
    more_is_better: bool
    #: Ours first.
    entrants: Sequence[Entrant]
    marks: Sequence[Mark] = ()
    #: How much work a run is.
    count: int = 1
    #: Whether a quick run does less of it; what is divided by the number must have all.
    shrinks: bool = True
    #: Whether the others are to be divided by; else they are other ways to use ours, or stated.
    compares: bool = True


def redis_and_ours(transport: str, measure: Measure, processes: int = 2) -> list[Entrant]:
    return [crew(system, system, transport, measure, ["python"] * processes) for system in (OURS, "redis")]


def manager(measure: Measure, processes: int = 2) -> Entrant:
    clients = ["python"] * processes
    return crew("multiprocessing.Manager", "standard_library", "manager", measure, clients)


def pipe(measure: Measure) -> Entrant:
    return crew("multiprocessing.Queue", "standard_library", "pipe", measure)


def zmq(measure: Measure) -> Entrant:
    return crew("zmq (no broker)", "zmq", "unix", measure)


def brokers(measure: Measure) -> list[Entrant]:
    return [crew("RabbitMQ", "rabbitmq", "tcp", measure), crew("NATS JetStream", "nats", "tcp", measure)]


def python_lines() -> list[Line]:
    one_way, arrays = both("put", "get"), both("put_array", "get_array")
    one_by_one = [manager(one_way), pipe(one_way), zmq(one_way)]
    return [
        Line(
            "Python ping-pong p50, unix socket",
            "µs",
            False,
            [*redis_and_ours("unix", ping_pong), manager(ping_pong), pipe(ping_pong), zmq(ping_pong)],
            [Mark(0.9, 0.7, "redis")],
            5_000,
        ),
        Line(
            "Python ping-pong p50, TCP",
            "µs",
            False,
            [*redis_and_ours("tcp", ping_pong), *brokers(ping_pong)],
            [Mark(0.9, 0.7, "redis")],
            5_000,
        ),
        Line(
            "Python put and get, 100 B, unix socket",
            "items/s",
            True,
            [*redis_and_ours("unix", one_way), *one_by_one],
            [Mark(1.3, 1.7, "redis")],
            20_000,
        ),
        Line(
            "Python put and get, 100 B, TCP",
            "items/s",
            True,
            [*redis_and_ours("tcp", one_way), *brokers(one_way)],
            count=20_000,
        ),
        Line(
            "Python batches of 100, 100 B",
            "items/s",
            True,
            [*redis_and_ours("unix", batches()), pipe(batches()), zmq(batches())],
            [Mark(1.0, 1.3, "redis")],
            300_000,
        ),
        windowed(100, Mark(1.7, 2.2, "redis, batches"), 500_000),
        windowed(1024, Mark(1.0, 1.3, "redis, batches"), 200_000),
        Line(
            "Python arrays of 602,112 bytes",
            "arrays/s",
            True,
            [
                *redis_and_ours("unix", arrays),
                crew("redis, base64 in JSON", "redis", "unix", both("put_json", "get_json")),
                manager(arrays),
                pipe(arrays),
                zmq(arrays),
            ],
            [Mark(1.4, 2, "redis"), Mark(5, 8, "redis, base64 in JSON")],
            1_000,
        ),
        semaphore(1, "permits", Mark(1.4, 1.9, "redis")),
        semaphore(8, "permits", Mark(1.2, 1.6, "redis")),
        semaphore(1, "permits_unawaited", Mark(3, 4.5, "redis")),
        semaphore(8, "permits_unawaited", Mark(1.7, 2.4, "redis")),
        Line(
            "Python in process, put + get",
            "pairs/s",
            True,
            [
                crew("syncbridge mem:", "in_process", "mem:", alone("pairs"), ["python"]),
                crew("queue.Queue", "in_process", "queue.Queue", alone("pairs"), ["python"]),
            ],
            [Mark(3, 6, "queue.Queue")],
            200_000,
        ),
    ]


def windowed(size: int, mark: Mark, count: int) -> Line:
    stream = both("stream_out", "stream_in", size)
    return Line(
        f"Python windowed, {size:,} B",
        "items/s",
        True,
        [
            crew(OURS, OURS, "unix", stream),
            crew("syncbridge, get_many", OURS, "unix", both("stream_out", "stream_in_many", size)),
            crew("redis, batches", "redis", "unix", batches(size)),
            crew("redis, batches, both at once", "redis", "unix", stream),
        ],
        [mark],
        count,
    )


def semaphore(processes: int, do: str, mark: Mark) -> Line:
    ours = crew(OURS, OURS, "unix", everybody(do), ["python"] * processes)
    theirs = crew("redis", "redis", "unix", everybody("permits"), ["python"] * processes)
    more = [manager(everybody("permits"), processes)] if do == "permits" else []
    how = "" if do == "permits" else ", release not awaited"
    times = "process" if processes == 1 else "processes"
    return Line(
        f"Python semaphore, {processes} {times}{how}", "times/s", True, [ours, theirs, *more], [mark], 16_000
    )


def java_lines() -> list[Line]:
    def lines(what: str, clients: Sequence[str], mark: Mark | None) -> list[Line]:
        def pair(measure: Measure) -> list[Entrant]:
            return [crew(system, system, "tcp", measure, clients) for system in (OURS, "redis")]

        stream = both("stream_out", "stream_in")
        return [
            Line(f"{what} ping-pong p50, TCP", "µs", False, pair(ping_pong), [mark] if mark else [], 5_000),
            Line(f"{what} put and get, 100 B, TCP", "items/s", True, pair(both("put", "get")), (), 20_000),
            Line(f"{what} batches of 100, 100 B, TCP", "items/s", True, pair(batches()), (), 300_000),
            Line(f"{what} windowed, 100 B, TCP", "items/s", True, pair(stream), (), 300_000),
        ]

    return [
        *lines("Java to Java", ["java", "java"], Mark(1.0, 0.8, "redis")),
        *lines("Python to Java", ["python", "java"], None),
    ]


def server_lines() -> list[Line]:
    many = 1_000
    return [
        Line(
            "One set to 1,000 waiters, to the last",
            "ms",
            False,
            [
                program("Rust, one connection", ["waiters"], "last_ms"),
                crew("Python, 1,000 threads", OURS, "unix", waiters(many)),
                crew("Java, 1,000 threads", OURS, "unix", waiters(many), ["python", "java"]),
            ],
            [Mark(5, 1)],
            20,
            compares=False,
        ),
        Line(
            "Rust stream, window 1,024, 100 B, leased and acked, one server core",
            "items/s",
            True,
            [
                program("producer and consumer", ["windowed"], "items_per_s", on_one_core=True),
                program("client, a command an item", ["stream", "1"], "items_per_s", on_one_core=True),
                program("client, batches of 64", ["stream", "64"], "items_per_s", on_one_core=True),
                program("frames by hand", ["frames"], "items_per_s", on_one_core=True),
            ],
            [Mark(1e6, 2e6)],
            500_000,
            compares=False,
        ),
        *(
            Line(
                f"Server time per operation among idle {kind}, 10² to {most}",
                "times",
                False,
                [program(OURS, ["curve", kind], "growth")],
                [Mark(1.5, FLAT)],
                10_000,
            )
            for kind, most in (
                ("waits", "10⁵"),
                ("objects", "10⁵"),
                ("sessions", "10⁵"),
                ("connections", "10⁴"),
            )
        ),
        memory("a parked wait", "waits", "bytes", Mark(1024, 300)),
        memory("an idle session without its connection", "sessions", "bytes", Mark(16 * 1024, 4 * 1024)),
        memory("an idle connection with its session", "connections", "bytes", None),
        Line(
            "A release among 10,000 parked waits of the same client, the longest",
            "ms",
            False,
            [program(OURS, ["releases"], "max_ms")],
            [Mark(50)],
            10_000,
        ),
        Line(
            "A release while 64 MiB items pass on the same connection, 99 of 100",
            "ms",
            False,
            [program(OURS, ["beside"], "p99_ms")],
            [Mark(5)],
            20,
        ),
    ]


def memory(what: str, kind: str, key: str, mark: Mark | None) -> Line:
    ours = program(OURS, ["memory", kind], key)
    return Line(f"Memory of {what}", "bytes", False, [ours], [mark] if mark else [], 10_000, shrinks=False)


LINES = [*python_lines(), *java_lines(), *server_lines()]
