"""Values to bytes and back, as docs/values.md says."""

from __future__ import annotations

import contextlib
import enum
import math
import uuid
from collections import OrderedDict, namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from syncbridge._syncbridge import decode, encode
from syncbridge.exceptions import EncodeError
from vectors import build, load, same

VECTORS = load("values")
CBOR = "application/cbor"


def round_trip(value: Any) -> Any:
    return decode(*encode(value))


@pytest.mark.parametrize("vector", VECTORS["both"], ids=str)
def test_written_and_read_as_the_vectors_say(vector: dict[str, Any]) -> None:
    value, data = build(vector["value"]), bytes.fromhex(vector["hex"])
    assert encode(value) == (vector["content_type"], data)
    assert same(decode(vector["content_type"], data), value)


@pytest.mark.parametrize("vector", VECTORS["read"], ids=str)
def test_read_as_the_vectors_say(vector: dict[str, Any]) -> None:
    value = decode(vector["content_type"], bytes.fromhex(vector["hex"]))
    expected = build(vector["value"])
    assert value == expected if isinstance(expected, datetime) else same(value, expected)


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["why"])
def test_refused_as_the_vectors_say(vector: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, MemoryError)):
        decode(vector["content_type"], bytes.fromhex(vector["hex"]))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False).filter(lambda d: not (d == 0 and d.is_signed()))
    | st.uuids()
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(timezone.utc))
)
keys = st.recursive(
    st.none() | st.integers() | st.text("ab") | st.binary(max_size=3),
    lambda inner: st.tuples(inner, inner),
    max_leaves=4,
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(keys, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(values)
def test_what_goes_in_comes_out(value: Any) -> None:
    assert same(round_trip([value]), [value])


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_a_value_or_an_error(data: bytes) -> None:
    for content_type in (CBOR, "application/vnd.syncbridge.ndarray"):
        with contextlib.suppress(ValueError, TypeError, OverflowError, ArithmeticError, OSError):
            decode(content_type, data)


@pytest.mark.parametrize("dtype", ["?", "<i8", ">i8", "<u2", "<f2", ">f4", "<c16", "|u1"])
@pytest.mark.parametrize("top", [True, False])
def test_arrays_keep_type_byte_order_and_layout(dtype: str, top: bool) -> None:
    c = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for array in (c, np.asfortranarray(c), c[:, ::2, ::-1], c[0, 0, 0:1].reshape(()), c[:0]):
        out = round_trip(array if top else {"image": array})
        out = out if top else out["image"]
        assert out.dtype == array.dtype
        assert np.array_equal(out, array)
        assert out.flags.writeable
        assert out.flags.f_contiguous == array.flags.f_contiguous or not array.flags.contiguous


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["text"]),
        np.array(["2026-11-21"], dtype="M8[D]"),
        np.array([1.0], dtype=np.longdouble),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_without_a_portable_form_are_refused_by_name(array: np.ndarray[Any, Any]) -> None:
    for value in (array, [array]):
        with pytest.raises(EncodeError, match=r"dtype .*codec="):
            encode(value)


def test_numpy_scalars_travel_as_numbers() -> None:
    assert same(round_trip([np.int64(7), np.float32(0.5), np.bool_(True)]), [7, 0.5, True])


def test_subclasses_travel_as_their_base() -> None:
    Point = namedtuple("Point", "x y")
    color = enum.IntEnum("color", "RED")
    value = [Point(1, 2), color.RED, OrderedDict(a=1), frozenset([1]), bytearray(b"x"), memoryview(b"y")]
    assert same(round_trip(value), [(1, 2), 1, {"a": 1}, {1}, b"x", b"y"])
    assert round_trip(bytearray(b"x")) == b"x"


def test_times_keep_their_offset() -> None:
    east = datetime(2026, 11, 21, 2, 11, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
    assert round_trip([east])[0].isoformat() == east.isoformat()
    odd = datetime(1900, 1, 1, tzinfo=timezone(timedelta(seconds=1172)))
    assert round_trip([odd])[0] == odd
    for value in (datetime.max, datetime.min, date.min, datetime.max.replace(tzinfo=timezone.utc)):
        assert round_trip(value) == value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        time(1, 2),
        timedelta(1),
        1j,
        Decimal("NaN"),
        Decimal("Infinity"),
        len,
        "\ud800",
        {"a": {1: range(3)}},
    ],
    ids=repr,
)
def test_what_has_no_form_is_a_type_error_that_names_codec(value: Any) -> None:
    with pytest.raises(TypeError, match="codec="):
        encode(value)


def test_nesting_has_a_limit_on_both_sides() -> None:
    deep: Any = []
    for _ in range(256):
        deep = [deep]
    assert round_trip(deep) == deep
    with pytest.raises(EncodeError, match="256 levels"):
        encode([deep])
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(EncodeError, match="contains itself"):
        encode(endless)


def test_keys_are_hashable() -> None:
    value = {(1, (2, "x")): 1, frozenset([1, 2]): 2, None: 3, uuid.UUID(int=1): 4, 1.5: 5}
    assert round_trip(value) == value


def test_a_dict_that_changes_while_it_is_encoded() -> None:
    values: dict[Any, Any] = {}

    class Changes(Decimal):
        def is_finite(self) -> bool:
            values["more"] = 1
            return super().is_finite()

    values.update(a=Changes("1"), b=2)
    assert round_trip(values) == {"a": 1, "b": 2}


def test_floats_keep_every_bit() -> None:
    for value in (math.nan, -math.nan, -0.0, 5e-324):
        assert same(round_trip(value), value)
