"""consumer.py URL get|lease: takes items for ever and says each one, and when, as soon as it has it.

Made to be killed, so a line is said at once: the item, and the machine's monotonic clock.
"""

import sys
import time

import syncbridge


def main(url: str, how: str) -> None:
    items = syncbridge.connect(url).queue("items")
    print("ready", flush=True)
    while True:
        if how == "get":
            print(f"{items.get()} {time.monotonic_ns()}", flush=True)
        else:
            with items.lease() as job:
                print(f"{job.value} {time.monotonic_ns()}", flush=True)


main(*sys.argv[1:])
