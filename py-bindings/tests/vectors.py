"""The shared vectors (``tests/vectors``) as Python values."""

from __future__ import annotations

import json
import struct
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import numpy as np

_DIRECTORY = Path(__file__).parents[2] / "tests" / "vectors"


def load(name: str) -> Any:
    return json.loads((_DIRECTORY / f"{name}.json").read_text())


def build(notation: dict[str, Any], hashable: bool = False) -> Any:
    """The value that a notation (see ``make.py``) stands for."""
    ((kind, v),) = notation.items()
    match kind:
        case "null" | "bool" | "str":
            return v
        case "int":
            return int(v)
        case "float":
            return struct.unpack(">d", bytes.fromhex(v))[0]
        case "bytes":
            return bytes.fromhex(v)
        case "list":
            return [build(element) for element in v]
        case "tuple":
            return tuple(build(element) for element in v)
        case "set":
            return {build(element) for element in v}
        case "map":
            return {build(key): build(value) for key, value in v}
        case "decimal":
            return Decimal(v)
        case "uuid":
            return UUID(v)
        case "datetime" | "local_datetime":
            return datetime.fromisoformat(v)
        case "date":
            return date.fromisoformat(v)
        case "ndarray":
            order: Literal["F", "C"] = "F" if v["fortran"] else "C"
            flat = np.frombuffer(bytes.fromhex(v["data"]), dtype=v["dtype"])
            return np.array(np.reshape(flat, v["shape"], order), order=order)
    raise ValueError(kind)


def same(a: Any, b: Any) -> bool:
    """Equal in value, type and, for arrays and floats, in every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        layout = a.dtype == b.dtype and a.shape == b.shape and a.flags.f_contiguous == b.flags.f_contiguous
        return bool(layout and a.tobytes("A") == b.tobytes("A"))
    if isinstance(a, float):
        return bool(struct.pack(">d", a) == struct.pack(">d", b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return bool(list(a) == list(b)) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, datetime):
        return bool(a == b and a.utcoffset() == b.utcoffset())
    return bool(a == b)
