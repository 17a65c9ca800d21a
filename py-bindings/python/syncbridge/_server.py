"""A server embedded in the program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import _syncbridge

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class Server:
    """A server in this process, for this program and others: a context manager that stops it.

    ``listen``: HOST:PORT, port 0 picks a free one; None for no TCP port. ``unix``: the path of a unix socket.
    ``insecure``: listen beyond loopback although nothing is encrypted and nobody is authenticated. What it holds is in
    memory and ends with it.
    """

    def __init__(
        self,
        listen: str | None = "127.0.0.1:0",
        unix: str | os.PathLike[str] | None = None,
        *,
        insecure: bool = False,
    ) -> None:
        self._native = _syncbridge.Server(listen, unix, insecure)

    @property
    def url(self) -> str:
        """What to connect to; the unix socket where it listens on nothing else."""
        return self._native.urls[0]

    @property
    def urls(self) -> list[str]:
        """Every address that it listens on."""
        return self._native.urls

    def shutdown(self) -> None:
        """Stops it: new work is refused, clients have a second to go."""
        self._native.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()

    def __repr__(self) -> str:
        return f"<syncbridge.Server {self.url}>"
