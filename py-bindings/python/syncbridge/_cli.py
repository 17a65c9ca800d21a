"""The console script ``syncbridge``: the same program as the cargo binary."""

from __future__ import annotations

import signal
import sys

from . import _syncbridge


def main() -> int:
    """Runs the command line with the program's arguments."""
    # The native part has its own way to stop; Python's handler would wait for a bytecode that never comes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _syncbridge.cli(sys.argv)
