"""crowd.py URL FIRST PRODUCERS CONSUMERS ITEMS: threads that put numbers and threads that take them to the end.

Producer k puts FIRST + k*ITEMS and the ITEMS - 1 numbers after it. Says "ready", "produced", and at the end one line
with all numbers taken.
"""

import sys
import threading

import syncbridge
from syncbridge.exceptions import QueueShutDown


def main(url: str, first: int, producers: int, consumers: int, items: int) -> None:
    crowd = syncbridge.connect(url).queue("crowd", maxsize=1000)
    taken: list[list[int]] = [[] for _ in range(consumers)]

    def produce(start: int) -> None:
        for number in range(start, start + items):
            crowd.put(number)

    def consume(mine: list[int]) -> None:
        try:
            while True:
                mine.append(crowd.get())
        except QueueShutDown:
            return

    takers = [threading.Thread(target=consume, args=(mine,)) for mine in taken]
    givers = [threading.Thread(target=produce, args=(first + k * items,)) for k in range(producers)]
    print("ready", flush=True)
    for thread in takers + givers:
        thread.start()
    for thread in givers:
        thread.join()
    print("produced", flush=True)
    for thread in takers:
        thread.join()
    print(*(number for mine in taken for number in mine), flush=True)


main(sys.argv[1], *map(int, sys.argv[2:]))
