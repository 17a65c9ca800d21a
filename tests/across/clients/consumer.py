"""consumer.py URL get|lease: takes items for ever and says each one as soon as it has it. Made to be killed."""

import sys

import syncbridge


def main(url: str, how: str) -> None:
    items = syncbridge.connect(url).queue("items")
    print("ready", flush=True)
    while True:
        if how == "get":
            print(items.get(), flush=True)
        else:
            with items.lease() as job:
                print(job.value, flush=True)


main(*sys.argv[1:])
