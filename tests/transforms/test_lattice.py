"""Grids give back what they were given, and find themselves again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nacre.errors import InputError
from nacre.transforms.lattice import Grid, find_lattice, quantize, split_zeros

FINITE = st.floats(-1e6, 1e6, width=32)


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=FINITE),
    st.integers(1, 24),
)
@settings(max_examples=300, deadline=None)
def test_what_a_grid_gave_has_the_same_grid_and_integers(vertices: np.ndarray, bits: int) -> None:
    integers, grid = quantize(vertices, bits)
    decoded = grid.dequantize(integers)
    again, same = quantize(decoded, bits)
    assert same == grid
    assert np.array_equal(again, integers)
    assert integers.min() == 0
    assert integers.max() <= 2**bits - 1
    ulp = np.spacing(np.abs(vertices).max())
    assert np.abs(decoded.astype(float) - vertices).max() <= grid.step * 0.5001 + 2 * ulp


def test_the_grid_is_dracos() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.random((1000, 3)).astype(np.float32) * [1, 5, 2]
    integers, grid = quantize(vertices.astype(np.float32), 11)
    span = np.ptp(vertices.astype(np.float32).astype(float), axis=0).max()
    assert grid.step == pytest.approx(span / 2047)
    assert integers.max() == 2047
    assert integers[:, 0].max() < 500


def test_a_shared_grid_is_kept() -> None:
    vertices = np.random.default_rng(1).random((50, 3))
    integers, grid = quantize(vertices, 12, origin_and_step=((-1.0, 0.0, 2.0), 0.01))
    assert grid == Grid((-1.0, 0.0, 2.0), 0.01, 1)
    assert np.array_equal(integers, np.rint((vertices - [-1, 0, 2]) / 0.01))
    assert np.abs(grid.dequantize_exactly(integers) - vertices).max() <= 0.005001


@pytest.mark.parametrize("decimals", [0, 2, 6])
def test_decimals_are_found(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    whole = rng.integers(-(2**23), 2**23, (400, 3))
    vertices = (whole / 10**decimals).astype(np.float32)
    grid = find_lattice(vertices)
    assert grid is not None
    assert (grid.side, grid.steps) == (1.0, 10**decimals)
    assert np.array_equal(grid.quantize(vertices), whole)
    assert grid.dequantize(whole).tobytes() == vertices.tobytes()


@pytest.mark.parametrize("power", [-12, -3, 0, 5, 40])
def test_powers_of_two_are_found(power: int) -> None:
    whole = np.random.default_rng(1).integers(-4000, 4000, (300, 3))
    whole[0] = [1, 3, 5]
    vertices = np.ldexp(whole.astype(np.float64), power).astype(np.float32)
    grid = find_lattice(vertices)
    assert grid is not None
    assert grid.step == 2.0**power or power > 0
    assert grid.dequantize(grid.quantize(vertices)).tobytes() == vertices.tobytes()


def test_no_lattice_where_there_is_none() -> None:
    vertices = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    assert find_lattice(vertices * np.float32(1e-9)) is None
    for odd in (np.nan, np.inf, -0.0, 1e30):
        wrong = np.ones((5, 3), np.float32)
        wrong[2, 1] = odd
        wrong[3, 1] = 1e-30
        assert find_lattice(wrong) is None
    assert find_lattice(np.zeros((0, 3), np.float32)) is None
    assert find_lattice(np.zeros((2, 3), np.float32)) is not None


def test_negative_zeros_are_set_aside() -> None:
    vertices = np.array([[0.0, -0.0, 1.0], [-0.0, 2.0, -3.0]], np.float32)
    plain, places = split_zeros(vertices)
    assert places.tolist() == [1, 3]
    assert not np.signbit(plain).ravel()[[1, 3]].any()
    assert find_lattice(plain) is not None


def test_what_has_no_grid_is_refused() -> None:
    plain = np.zeros((4, 3), np.float32)
    for wrong in (np.full((4, 3), np.nan), np.full((4, 3), np.inf), np.zeros((4, 2))):
        with pytest.raises(InputError):
            quantize(wrong, 11)
    for bits in (0, 31):
        with pytest.raises(InputError):
            quantize(plain, bits)
    for step in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError):
            quantize(plain, 11, origin_and_step=(0.0, step))
    with pytest.raises(InputError):
        quantize(np.full((1, 3), 1e30), 11, origin_and_step=(0.0, 1e-5))
    assert quantize(np.zeros((0, 3)), 11)[0].shape == (0, 3)
