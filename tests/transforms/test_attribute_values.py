"""Attributes as integers and back: grids, octahedral normals, order of floats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.errors import InputError
from nacre.transforms.attribute_values import (
    Box,
    dequantize_values,
    from_ordered_integers,
    ordered_integers,
    quantize_values,
)
from nacre.transforms.octahedral import canonical_pairs, dequantize_normals, quantize_normals


@pytest.mark.parametrize("bits", [2, 3, 8, 10, 16, 20])
def test_normals_are_near_and_come_back_the_same(bits: int) -> None:
    rng = np.random.default_rng(bits)
    normals = rng.standard_normal((2000, 3)).astype(np.float32)
    normals[:7] = [*np.eye(3), *-np.eye(3), (0, 1e-30, -1e-30)]
    pairs = quantize_normals(normals, bits)
    decoded = dequantize_normals(pairs, bits)
    assert np.array_equal(quantize_normals(decoded, bits), pairs)
    assert np.array_equal(canonical_pairs(pairs, bits), pairs)
    unit = normals / np.abs(normals).max(axis=1)[:, None]
    unit = unit / np.linalg.norm(unit, axis=1)[:, None]
    away = np.linalg.norm(decoded - unit, axis=1)
    assert away.max() < 2.2 / ((1 << (bits - 1)) - 1)
    assert np.allclose(decoded[:6], normals[:6], atol=1e-7)


def test_every_pair_is_a_normal_of_its_own() -> None:
    c = 7
    grid = np.stack([g.ravel() for g in np.mgrid[-c : c + 1, -c : c + 1]], axis=1)
    decoded = dequantize_normals(grid, 4)
    assert np.array_equal(quantize_normals(decoded, 4), canonical_pairs(grid, 4))
    kinds = np.unique(canonical_pairs(grid, 4), axis=0)
    distances = np.linalg.norm(
        dequantize_normals(kinds, 4)[:, None] - dequantize_normals(kinds, 4)[None], axis=2
    )
    assert (distances + np.eye(len(kinds)) > 0.01).all()


def test_what_has_no_direction_becomes_up() -> None:
    normals = np.array([[0, 0, 0], [np.nan, 1, 0], [np.inf, 0, 0]], np.float32)
    assert np.array_equal(dequantize_normals(quantize_normals(normals, 8), 8), [[0, 0, 1]] * 3)


@pytest.mark.parametrize("bits", [1, 8, 12, 16, 20])
def test_grids_are_fine_enough_and_come_back_the_same(bits: int) -> None:
    rng = np.random.default_rng(bits)
    values = (rng.standard_normal((500, 2)) * [3, 0.01] + [1, -7]).astype(np.float32)
    integers, box = quantize_values(values, bits)
    assert integers.min() == 0
    assert integers.max() == (1 << bits) - 1
    decoded = dequantize_values(integers, box)
    assert np.abs(decoded - values.astype(np.float64)).max() <= box.step * 0.5001 + 1e-6
    again, other = quantize_values(decoded, bits)
    assert np.array_equal(again, integers)
    assert np.array_equal(dequantize_values(again, other), decoded)


def test_grids_of_equal_no_and_given_values() -> None:
    equal = np.full((4, 3), 0.7, np.float32)
    integers, box = quantize_values(equal, 10)
    assert np.array_equal(dequantize_values(integers, box), equal)
    integers, box = quantize_values(equal[:0], 10)
    assert integers.shape == (0, 3)
    integers, _ = quantize_values(np.array([[5.0]], np.float32), 8, Box((1.0,), 0.5))
    assert integers.tolist() == [[8]]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=8), st.sampled_from(["f4", "f8"]))
def test_floats_keep_every_bit_and_their_order(numbers: list[float], dtype: str) -> None:
    values = np.array([numbers], dtype)
    integers = ordered_integers(values)
    assert np.abs(integers).max() < 1 << 33
    back = from_ordered_integers(integers, dtype)
    assert back.tobytes() == values.tobytes()
    if dtype == "f4":
        finite = values[np.isfinite(values)]
        assert np.array_equal(
            np.sort(finite), finite[np.argsort(ordered_integers(finite[None])[0])]
        )


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u4"])
def test_integers_are_kept(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.array([[limits.min, limits.max, 1]], dtype)
    assert np.array_equal(from_ordered_integers(ordered_integers(values), dtype), values)


def test_what_has_no_integers_is_said() -> None:
    with pytest.raises(InputError, match="NaN"):
        quantize_values(np.array([[np.nan]], np.float32), 8)
    with pytest.raises(InputError, match="bits"):
        quantize_values(np.zeros((1, 1), np.float32), 25)
    with pytest.raises(InputError, match="bits"):
        quantize_normals(np.zeros((1, 3), np.float32), 1)
    with pytest.raises(InputError, match="shape"):
        quantize_normals(np.zeros((1, 2), np.float32), 8)
    for values in (np.zeros((1, 1), np.int64), np.zeros((1, 1), np.float16)):
        with pytest.raises(InputError, match="type"):
            ordered_integers(values)
    with pytest.raises(InputError, match="type"):
        from_ordered_integers(np.zeros((1, 1), np.int64), "f2")
