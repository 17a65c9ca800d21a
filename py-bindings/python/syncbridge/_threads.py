"""What the native part asks about the calling thread."""

from __future__ import annotations

import threading


def on_main_thread() -> bool:
    """Whether signal handlers run on this thread."""
    return threading.current_thread() is threading.main_thread()


def thread_name() -> str:
    """The label of the participant that stands for this thread."""
    return threading.current_thread().name
