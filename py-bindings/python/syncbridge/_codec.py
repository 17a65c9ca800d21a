"""How values become bytes where the ordinary way (``docs/values.md``) does not do."""

from __future__ import annotations

import json
import pickle
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from . import _syncbridge


@runtime_checkable
class Codec(Protocol):
    """Turns values into bytes and back. Give one to a queue as ``codec=``; ``mem:`` passes values as they are."""

    def encode(self, value: Any, /) -> tuple[str, bytes]:
        """The content type and the bytes of ``value``."""
        ...

    def decode(self, content_type: str, data: bytes, /) -> Any:
        """The value that ``data`` of that content type stands for."""
        ...


class _Json:
    def encode(self, value: Any, /) -> tuple[str, bytes]:
        return "application/json", json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def decode(self, content_type: str, data: bytes, /) -> Any:
        return _syncbridge.decode(content_type, data)


class _Pickle:
    CONTENT_TYPE = "application/x-python-pickle"

    def encode(self, value: Any, /) -> tuple[str, bytes]:
        return self.CONTENT_TYPE, pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, content_type: str, data: bytes, /) -> Any:
        if content_type == self.CONTENT_TYPE:
            return pickle.loads(data)
        return _syncbridge.decode(content_type, data)


#: ``"values"`` is the ordinary way. ``"json"`` writes JSON. ``"pickle"`` writes and reads pickles: reading one runs
#: code, so only where every producer is trusted.
CodecLike: TypeAlias = Codec | Literal["values", "json", "pickle"] | None


def resolve(codec: CodecLike) -> Codec | None:
    """What the native part calls; ``None`` is the ordinary way."""
    if codec is None or codec == "values":
        return None
    if codec == "json":
        return _Json()
    if codec == "pickle":
        return _Pickle()
    if isinstance(codec, Codec):
        return codec
    raise TypeError(f"codec= is 'values', 'json', 'pickle' or has encode and decode, not {codec!r}")
