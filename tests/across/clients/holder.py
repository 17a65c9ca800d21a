"""holder.py URL TTL: holds a permit and waits for an item. Made to be stopped for longer than it may live.

Says "holding" and the item it is given; told "release" it says how that went.
"""

import sys
import threading

import syncbridge
from syncbridge.exceptions import SyncBridgeError


def main(url: str, ttl: str) -> None:
    bridge = syncbridge.connect(url, session_ttl=float(ttl))
    items = bridge.queue("items")
    permit = bridge.semaphore("door", 1).acquire_permit()
    threading.Thread(target=lambda: print("got", items.get(), flush=True), daemon=True).start()
    print("holding", flush=True)
    for line in sys.stdin:
        if line.strip() == "release":
            try:
                permit.release()
                print("released", flush=True)
            except SyncBridgeError as error:
                print(type(error).__name__, error, flush=True)


main(*sys.argv[1:])
