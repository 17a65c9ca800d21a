#!/usr/bin/env python3
"""Writes values.json and keys.json: the reference encodings that every language is tested against.

This is an implementation of docs/values.md and docs/priority-keys.md of its own, for the vectors only, so that no
binding is tested against itself. Values are given in a notation that every language can build:

    {"null": null} {"bool": true} {"int": "123"} {"float": "3ff8000000000000"} (IEEE 754 bits) {"bytes": "6162"}
    {"str": "ab"} {"list": [..]} {"tuple": [..]} {"set": [..]} {"map": [[key, value], ..]} {"decimal": "1.50"}
    {"uuid": ".."} {"datetime": ".."} {"local_datetime": ".."} {"date": ".."}
    {"ndarray": {"dtype": "<f4", "shape": [2, 3], "fortran": false, "data": "hex"}}

values.json: "both" are written exactly so and read back; "read" are read as the value but written otherwise;
"refused" must not be read. keys.json: "ascending" is a list of groups, equal within and ascending between;
"refused" are no keys; "prefixes" are elements without explicit priority and the key that stands for them.
"""

import json
import math
import struct
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

HERE = Path(__file__).parent
TUPLE, LOCAL_DATETIME, NDARRAY = 45730, 45731, 45732
CBOR, TEXT, BYTES = "application/cbor", "text/plain; charset=utf-8", "application/octet-stream"
ND, JSON, PICKLE = "application/vnd.syncbridge.ndarray", "application/json", "application/x-python-pickle"
TYPED = {
    "|u1": 64, ">u2": 65, ">u4": 66, ">u8": 67, "<u2": 69, "<u4": 70, "<u8": 71, "|i1": 72, ">i2": 73, ">i4": 74,
    ">i8": 75, "<i2": 77, "<i4": 78, "<i8": 79, ">f2": 80, ">f4": 81, ">f8": 82, "<f2": 84, "<f4": 85, "<f8": 86,
}  # fmt: skip


def head(major: int, n: int) -> bytes:
    if n < 24:
        return bytes([major << 5 | n])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | code]) + n.to_bytes(size, "big")
    raise ValueError(n)


def blob(data: bytes) -> bytes:
    return head(2, len(data)) + data


def text(value: str) -> bytes:
    return head(3, len(value.encode())) + value.encode()


def integer(n: int) -> bytes:
    if -(1 << 64) <= n < 1 << 64:
        return head(0, n) if n >= 0 else head(1, -1 - n)
    m = n if n >= 0 else -1 - n
    return head(6, 2 if n >= 0 else 3) + blob(m.to_bytes((m.bit_length() + 7) // 8, "big"))


def ndarray(array: dict[str, Any]) -> bytes:
    header = head(5, 3) + text("d") + text(array["dtype"]) + text("s")
    header += head(4, len(array["shape"])) + b"".join(integer(n) for n in array["shape"])
    header += text("f") + (b"\xf5" if array["fortran"] else b"\xf4")
    out = struct.pack("<I", len(header)) + header
    return out + bytes(-len(out) % 64) + bytes.fromhex(array["data"])


def cbor(value: dict[str, Any]) -> bytes:
    ((kind, v),) = value.items()
    match kind:
        case "null":
            return b"\xf6"
        case "bool":
            return b"\xf5" if v else b"\xf4"
        case "int":
            return integer(int(v))
        case "float":
            return b"\xfb" + bytes.fromhex(v)
        case "bytes":
            return blob(bytes.fromhex(v))
        case "str":
            return text(v)
        case "list":
            return head(4, len(v)) + b"".join(map(cbor, v))
        case "tuple":
            return head(6, TUPLE) + head(4, len(v)) + b"".join(map(cbor, v))
        case "set":
            return head(6, 258) + head(4, len(v)) + b"".join(map(cbor, v))
        case "map":
            return head(5, len(v)) + b"".join(cbor(k) + cbor(w) for k, w in v)
        case "decimal":
            sign, digits, exponent = Decimal(v).as_tuple()
            mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
            return head(6, 4) + head(4, 2) + integer(int(exponent)) + integer(mantissa)
        case "uuid":
            return head(6, 37) + blob(UUID(v).bytes)
        case "datetime":
            datetime.fromisoformat(v)
            return head(6, 0) + text(v.replace("+00:00", "Z"))
        case "local_datetime":
            return head(6, LOCAL_DATETIME) + text(v)
        case "date":
            return head(6, 1004) + text(v)
        case "ndarray":
            if v["dtype"] not in TYPED:
                return head(6, NDARRAY) + blob(ndarray(v))
            shape = head(4, len(v["shape"])) + b"".join(integer(n) for n in v["shape"])
            data = head(6, TYPED[v["dtype"]]) + blob(bytes.fromhex(v["data"]))
            return head(6, 1040 if v["fortran"] else 40) + head(4, 2) + shape + data
    raise ValueError(kind)


def flt(x: float) -> dict[str, Any]:
    return {"float": struct.pack(">d", x).hex()}


def i(n: int) -> dict[str, Any]:
    return {"int": str(n)}


def s(value: str) -> dict[str, Any]:
    return {"str": value}


def arr(dtype: str, shape: list[int], data: bytes, fortran: bool = False) -> dict[str, Any]:
    return {"ndarray": {"dtype": dtype, "shape": shape, "fortran": fortran, "data": data.hex()}}


F4 = struct.pack("<6f", 0.0, 1.5, -2.0, 3.25, 1e10, float("inf"))
STRUCTURED: list[dict[str, Any]] = [
    {"null": None}, {"bool": True}, {"bool": False},
    *map(i, (0, 1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**200 + 7)),
    *map(i, (-1, -24, -25, -256, -257, -(2**63), -(2**63) - 1, -(2**64), -(2**64) - 1, -(2**200))),
    *map(flt, (0.0, -0.0, 1.0, 1.5, -4.1, 1e300, 5e-324, math.inf, -math.inf)),
    {"list": []}, {"list": [i(1), s("two"), {"bytes": "03"}, {"null": None}, {"list": [flt(0.5)]}]},
    {"tuple": []}, {"tuple": [i(1), {"tuple": [s("a")]}]},
    {"set": []}, {"set": [s("only")]},
    {"map": []},
    {"map": [[s("path"), s("a.png")], [s("größe"), i(7)], [i(1), s("int key")], [{"bytes": "00ff"}, {"bool": True}],
             [{"tuple": [i(1), i(2)]}, {"list": []}]]},
    *({"decimal": d} for d in ("0", "1.50", "-273.15", "1E+5", "3.141592653589793238462643383279502884197")),
    {"uuid": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
    {"datetime": "2026-11-21T02:11:00+00:00"}, {"datetime": "2026-11-21T03:11:00.123456+00:00"},
    {"local_datetime": "2026-11-21T02:11:00"}, {"local_datetime": "2026-11-21T02:11:00.500000"},
    {"date": "2026-11-21"},
    {"list": [arr("<f4", [2, 3], F4)]}, {"list": [arr("<f4", [2, 3], F4, True)]},
    {"list": [arr(">i2", [2], b"\x00\x01\xff\xff")]}, {"list": [arr("|u1", [], b"\x07")]},
    {"list": [arr("<f2", [0, 4], b"")]}, {"list": [arr("|b1", [3], b"\x01\x00\x01")]},
    {"list": [arr("<c8", [1], struct.pack("<2f", 1.0, -1.0))]},
    {"map": [[s("image"), arr("|u1", [2, 2], b"\x00\x40\x80\xff")], [s("path"), s("a.png")]]},
]  # fmt: skip
ARRAYS = [
    arr("<f4", [2, 3], F4), arr("<f4", [2, 3], F4, True), arr(">f8", [2], struct.pack(">2d", 1.0, -1.0)),
    arr("<f2", [2], struct.pack("<2e", 0.5, 65504.0)), arr("|b1", [2, 1], b"\x01\x00"), arr("|u1", [], b"\xff"),
    arr("<i8", [0], b""), arr("<c16", [1], struct.pack("<2d", 0.0, 1.0)), arr("|i1", [1, 1, 1, 1, 1, 1, 1, 3], b"\x80\x00\x7f"),
]  # fmt: skip


def vector(
    content_type: str, data: bytes, value: dict[str, Any] | None = None, why: str = ""
) -> dict[str, Any]:
    out: dict[str, Any] = {"content_type": content_type, "hex": data.hex()}
    if value is not None:
        out["value"] = value
    if why:
        out["why"] = why
    return out


def values() -> dict[str, Any]:
    both = [vector(CBOR, cbor(v), v) for v in STRUCTURED]
    both += [vector(TEXT, v.encode(), s(v)) for v in ("", "plain", "größer 😀", "nul \x00 inside")]
    both += [vector(BYTES, v, {"bytes": v.hex()}) for v in (b"", b"abc", bytes(range(256)))]
    both += [vector(ND, ndarray(v["ndarray"]), v) for v in ARRAYS]
    one = i(1)
    read = [
        vector("", b"raw", {"bytes": b"raw".hex()}, "no content type is bytes"),
        vector("text/plain", b"abc", s("abc")),
        vector("text/html; charset=iso-8859-1", b"\xe4", s("ä")),
        vector("image/png", b"\x89PNG", {"bytes": b"\x89PNG".hex()}, "unknown types are bytes"),
        vector("Application/JSON; charset=utf-8", b'{"a": [1, 2.5, null, true]}',
               {"map": [[s("a"), {"list": [one, flt(2.5), {"null": None}, {"bool": True}]}]]}),
        vector("application/problem+json", b'"x"', s("x")),
        vector(CBOR, bytes.fromhex("61 61".replace(" ", "")), s("a"), "text inside CBOR"),
        vector(CBOR, bytes.fromhex("4161"), {"bytes": "61"}, "bytes inside CBOR"),
        vector(CBOR, bytes.fromhex("1a00000001"), one, "not the shortest form"),
        vector(CBOR, bytes.fromhex("c24101"), one, "a small bignum"),
        vector(CBOR, bytes.fromhex("c2420001"), one, "a bignum with a leading zero"),
        vector(CBOR, bytes.fromhex("c240"), i(0), "an empty bignum"),
        vector(CBOR, bytes.fromhex("f93e00"), flt(1.5), "float16"),
        vector(CBOR, bytes.fromhex("f90001"), flt(2.0**-24), "float16, subnormal"),
        vector(CBOR, bytes.fromhex("f97c00"), flt(math.inf), "float16, infinite"),
        vector(CBOR, bytes.fromhex("fa3fc00000"), flt(1.5), "float32"),
        vector(CBOR, bytes.fromhex("f7"), {"null": None}, "undefined"),
        vector(CBOR, bytes.fromhex("9f0102ff"), {"list": [one, i(2)]}, "indefinite array"),
        vector(CBOR, bytes.fromhex("bf616101ff"), {"map": [[s("a"), one]]}, "indefinite map"),
        vector(CBOR, bytes.fromhex("5f41614162ff"), {"bytes": b"ab".hex()}, "indefinite bytes"),
        vector(CBOR, bytes.fromhex("7f61616162ff"), s("ab"), "indefinite text"),
        vector(CBOR, bytes.fromhex("a2616101616102"), {"map": [[s("a"), i(2)]]}, "of equal keys the last wins"),
        vector(CBOR, bytes.fromhex("d9d9f701"), one, "self-described"),
        vector(CBOR, bytes.fromhex("d8206161"), s("a"), "a URI is read as text"),
        vector(CBOR, bytes.fromhex("c11a514b67b0"), {"datetime": "2013-03-21T20:04:00+00:00"}, "seconds since 1970"),
        vector(CBOR, bytes.fromhex("c1fb41d452d9ec200000"), {"datetime": "2013-03-21T20:04:00.500000+00:00"}, "fractional"),
        vector(CBOR, b"\xc0" + text("2026-11-21T03:11:00+01:00"), {"datetime": "2026-11-21T02:11:00+00:00"}, "other offset"),
        vector(CBOR, bytes.fromhex("d84044010203ff"), arr("|u1", [4], b"\x01\x02\x03\xff"), "a bare typed array"),
        vector(CBOR, head(6, 258) + head(4, 3) + b"".join(map(integer, (3, 1, 2))), {"set": [one, i(2), i(3)]}),
        vector(CBOR, head(5, 1) + head(4, 1) + one_byte(1) + b"\xf5", {"map": [[{"tuple": [one]}, {"bool": True}]]},
               "a list as a key is read as a tuple"),
    ]  # fmt: skip
    good = ndarray(ARRAYS[0]["ndarray"])
    refused = [
        vector(CBOR, b"", why="empty"),
        vector(CBOR, bytes.fromhex("0101"), why="something follows the value"),
        vector(CBOR, bytes.fromhex("1901"), why="truncated integer"),
        vector(CBOR, bytes.fromhex("6261"), why="truncated text"),
        vector(CBOR, bytes.fromhex("61ff"), why="text that is not UTF-8"),
        vector(CBOR, bytes.fromhex("9bffffffffffffffff"), why="absurd length"),
        vector(CBOR, bytes.fromhex("5bffffffffffffffff"), why="absurd length"),
        vector(CBOR, bytes.fromhex("9f01"), why="an indefinite array without end"),
        vector(CBOR, bytes.fromhex("ff"), why="a break outside"),
        vector(CBOR, bytes.fromhex("1c"), why="reserved length code"),
        vector(CBOR, bytes.fromhex("f820"), why="unassigned simple value"),
        vector(CBOR, bytes.fromhex("d90fa001"), why="unknown tag 4000"),
        vector(CBOR, b"\x81" * 300 + b"\x01", why="nested deeper than 256"),
        vector(CBOR, b"\xc0" + text("yesterday"), why="no RFC 3339 text"),
        vector(CBOR, bytes.fromhex("d82541ff"), why="a UUID of one byte"),
        vector(CBOR, bytes.fromhex("d828828102d84041ff"), why="shape and data disagree"),
        vector(TEXT, b"\xff", why="text that is not UTF-8"),
        vector(JSON, b"{", why="no JSON"),
        vector(PICKLE, b"\x80\x04N.", why="pickle is read only where asked for"),
        vector(ND, b"", why="empty"),
        vector(ND, b"\xff\xff\xff\xff", why="absurd header length"),
        vector(ND, good[:-1], why="too little data"),
        vector(ND, good + b"\x00", why="too much data"),
        vector(ND, ndarray({**ARRAYS[0]["ndarray"], "dtype": "|O8"}), why="object dtype"),
        vector(ND, ndarray({**ARRAYS[0]["ndarray"], "shape": [2**62, 2**62]}), why="absurd shape"),
    ]
    return {"both": both, "read": read, "refused": refused}


def one_byte(n: int) -> bytes:
    return bytes([n])


def number_key(x: Fraction) -> bytes:
    if x == 0:
        return b"\x03"
    a = abs(x)
    exponent = a.numerator.bit_length() - a.denominator.bit_length()
    if a < Fraction(2) ** exponent:
        exponent -= 1
    fraction = a / Fraction(2) ** exponent - 1
    groups: list[int] = []
    while fraction:
        fraction *= 128
        group = fraction.numerator // fraction.denominator
        fraction -= group
        groups.append(group)
    groups = groups or [0]
    body = (exponent + 2**31).to_bytes(4, "big")
    body += bytes(g << 1 | (n + 1 < len(groups)) for n, g in enumerate(groups))
    return b"\x04" + body if x > 0 else b"\x02" + bytes(255 - b for b in body)


def key(value: dict[str, Any]) -> bytes:
    ((kind, v),) = value.items()
    match kind:
        case "bool":
            return number_key(Fraction(int(v)))
        case "int":
            return number_key(Fraction(int(v)))
        case "float":
            (x,) = struct.unpack(">d", bytes.fromhex(v))
            if math.isinf(x):
                return b"\x05" if x > 0 else b"\x01"
            return number_key(Fraction(x))
        case "bytes":
            return b"\x10" + bytes.fromhex(v).replace(b"\x00", b"\x00\xff") + b"\x00"
        case "str":
            return b"\x20" + bytes(v.encode()).replace(b"\x00", b"\x00\xff") + b"\x00"
        case "tuple" | "list":
            return b"\x30" + b"".join(map(key, v)) + b"\x00"
    raise ValueError(kind)


def tup(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"tuple": list(elements)}


ASCENDING: list[list[dict[str, Any]]] = [
    [flt(-math.inf)], [i(-(2**2000))], [flt(-1.7976931348623157e308)], [i(-(2**64) - 1)], [i(-(2**64)), flt(-(2.0**64))],
    [i(-(2**53) - 1)], [i(-(2**53)), flt(-(2.0**53))], [i(-1000)], [i(-256)], [i(-255)], [i(-2)], [flt(-1.5)],
    [flt(-1.0000000000000002)], [i(-1), flt(-1.0)], [flt(-0.9999999999999999)], [flt(-0.5)], [flt(-0.1)], [flt(-5e-324)],
    [i(0), flt(0.0), flt(-0.0), {"bool": False}], [flt(5e-324)], [flt(2.2250738585072014e-308)], [flt(0.1)], [flt(0.25)], [flt(0.5)],
    [i(1), flt(1.0), {"bool": True}], [flt(1.0000000000000002)], [flt(1.5)], [i(2)], [i(3)], [i(127)], [i(128)], [i(129)], [i(255)],
    [i(256)], [i(257)], [i(2**53)], [i(2**53 + 1)], [i(2**53 + 2), flt(2.0**53 + 2)], [i(2**63 - 1)], [i(2**63), flt(2.0**63)],
    [i(2**64 - 1)], [i(2**64)], [i(2**64 + 1)], [flt(1.7976931348623157e308)], [i(2**1024)], [i(2**2000)], [i(2**2000 + 1)],
    [flt(math.inf)],
    [{"bytes": ""}], [{"bytes": "00"}], [{"bytes": "0000"}], [{"bytes": "0001"}], [{"bytes": "01"}], [{"bytes": "61"}],
    [{"bytes": "6100"}], [{"bytes": "6162"}], [{"bytes": "ff"}], [{"bytes": "ff00"}], [{"bytes": "ffff"}],
    [s("")], [s("\x00")], [s("\x01")], [s("A")], [s("a")], [s("a\x00")], [s("a\x00b")], [s("ab")], [s("b")], [s("z")], [s("ä")],
    [s("\ud7ff")], [s("\ue000")], [s("\uffff")], [s("\U00010000")], [s("\U0010ffff")],
    [tup(), {"list": []}], [tup(flt(-math.inf))], [tup(i(0))], [tup(i(1)), {"list": [flt(1.0)]}], [tup(i(1), i(1))], [tup(i(1), {"bytes": "61"})],
    [tup(i(1), s(""))], [tup(i(1), s("a"))], [tup(i(1), s("a"), i(1))], [tup(i(1), s("a\x00"))], [tup(i(1), tup())], [tup(i(1), tup(i(5)))], [tup(i(2))],
    [tup({"bytes": "00"}, i(9))], [tup({"bytes": "0000"}, i(1))], [tup(s("a"))], [tup(s("a"), i(1))], [tup(s("b"))], [tup(tup())], [tup(tup(), i(1))],
    [tup(tup(i(1)))], [tup(tup(i(1), i(2)), i(3))],
]  # fmt: skip


def keys() -> dict[str, Any]:
    encoded: list[list[dict[str, Any]]] = [
        [{"value": v, "hex": key(v).hex()} for v in group] for group in ASCENDING
    ]
    flat = [{entry["hex"] for entry in group} for group in encoded]
    assert all(len(group) == 1 for group in flat)
    order = [bytes.fromhex(next(iter(group))) for group in flat]
    assert order == sorted(set(order)), "the encoding does not keep the order"
    refused = [
        flt(math.nan),
        {"null": None},
        {"map": []},
        {"set": []},
        {"decimal": "1"},
        tup({"null": None}),
        tup(flt(math.nan), i(1)),
    ]
    null, job = {"null": None}, {"map": [[s("path"), s("a")]]}
    prefixes = [
        (tup(i(3), job), tup(i(3))), (tup(i(1), s("a"), null, i(2)), tup(i(1), s("a"))), ({"list": [flt(0.5), null]}, tup(flt(0.5))),
        (tup(i(1), tup(i(2), null)), tup(i(1))), (tup(i(1), i(2)), tup(i(1), i(2))), (tup(), tup()),
    ]  # fmt: skip
    return {
        "ascending": encoded,
        "refused": refused,
        "prefixes": [{"element": element, "key": k, "hex": key(k).hex()} for element, k in prefixes],
    }


def main() -> None:
    for name, content in (("values", values()), ("keys", keys())):
        sections = []
        for section, entries in content.items():
            lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
            sections.append(f'"{section}": [\n{lines}\n]')
        (HERE / f"{name}.json").write_text("{" + ",\n".join(sections) + "}\n")


if __name__ == "__main__":
    main()
