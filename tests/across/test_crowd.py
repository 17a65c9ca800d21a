"""Many at once, in several processes and two languages."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import syncbridge
from harness import Server, client, java

CLIENTS = Path(__file__).resolve().parent / "clients"
ITEMS = int(os.environ.get("SYNCBRIDGE_CROWD_ITEMS", "100000"))


def test_every_item_arrives_once(server: Server) -> None:
    """8 producers and 8 consumers in 4 Python processes, and a Java consumer."""
    each = ITEMS // 8
    with ExitStack() as stack:
        taker = stack.enter_context(java(CLIENTS / "Consumer.java", server.url))
        crowd = [
            stack.enter_context(client(CLIENTS / "crowd.py", server.url, k * 2 * each, 2, 2, each))
            for k in range(4)
        ]
        for process in [taker, *crowd]:
            assert process.line(60) == "ready"
        for process in crowd:
            assert process.line(240) == "produced"
        syncbridge.connect(server.url).queue("crowd").shutdown()
        counts = [Counter(map(int, process.rest(60)[-1].split())) for process in [taker, *crowd]]
    total = sum(counts, Counter[int]())
    assert total == Counter(range(8 * each))
    assert counts[0], "Java took nothing"
