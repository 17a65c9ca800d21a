"""Priority keys, as docs/priority-keys.md says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from syncbridge._syncbridge import priority_key
from vectors import build, load

VECTORS = load("keys")


def test_encodings_are_those_of_the_vectors() -> None:
    for group in VECTORS["ascending"]:
        for vector in group:
            assert priority_key(build(vector["value"])).hex() == vector["hex"], vector
    for vector in VECTORS["prefixes"]:
        assert priority_key(build(vector["element"]), element=True).hex() == vector["hex"], vector


@pytest.mark.parametrize("notation", VECTORS["refused"], ids=str)
def test_what_is_no_key_is_refused(notation: dict[str, Any]) -> None:
    for element in (False, True):
        with pytest.raises(TypeError, match="priority="):
            priority_key(build(notation), element=element)


numbers = st.integers() | st.floats(allow_nan=False) | st.integers(-(2**70), 2**70).map(float)
alike = [numbers, st.text(st.characters(exclude_categories=["Cs"])), st.binary()]


@settings(max_examples=500, deadline=None)
@given(st.one_of(*(st.tuples(kind, kind) for kind in alike), st.tuples(st.lists(numbers), st.lists(numbers))))
def test_bytes_compare_as_values_do(pair: tuple[Any, Any]) -> None:
    a, b = pair
    key_a, key_b = priority_key(a), priority_key(b)
    assert (key_a < key_b) == (a < b)
    assert (key_a == key_b) == (a == b)


def test_kinds_are_ordered() -> None:
    ascending = [float("inf"), b"", b"\xff", "", "\U0010ffff", (), (1,)]
    encoded = [priority_key(value) for value in ascending]
    assert encoded == sorted(encoded)


def test_a_dataclass_stands_for_its_compare_fields() -> None:
    @dataclass(order=True)
    class Job:
        priority: int
        item: Any = field(compare=False)

    assert priority_key(Job(3, {}), element=True) == priority_key((3,))
    with pytest.raises(TypeError, match="compare fields"):
        priority_key(Job({}, 1), element=True)  # type: ignore[arg-type]

    @dataclass
    class Unordered:
        priority: int

    with pytest.raises(TypeError, match="priority="):
        priority_key(Unordered(1), element=True)


def test_numpy_scalars_are_numbers() -> None:
    assert priority_key(np.int32(5)) == priority_key(5)
    assert priority_key(np.float32(0.5)) == priority_key(0.5)
