"""The coder of points: every set comes back, and damaged data are refused or are other points."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy.octree import MOST_BITS, decode_octree, encode_octree, morton_order
from nacre.errors import FormatError, InputError


def sorted_by_bits(points: npt.NDArray[np.int64], bits: int) -> list[tuple[int, ...]]:
    """Morton order, bit by bit in Python's integers."""

    def key(point: tuple[int, ...]) -> int:
        return int("".join(f"{c >> b & 1}" for b in range(bits - 1, -1, -1) for c in point), 2)

    return sorted((tuple(map(int, point)) for point in points), key=key)


@given(
    st.integers(1, MOST_BITS).flatmap(
        lambda bits: st.tuples(
            st.just(bits),
            st.lists(st.tuples(*[st.integers(0, (1 << bits) - 1)] * 3), max_size=60),
        )
    )
)
@settings(max_examples=60, deadline=None)
def test_any_points_come_back_in_morton_order(case: tuple[int, list[tuple[int, int, int]]]) -> None:
    bits, listed = case
    points = np.array(listed, np.int64).reshape(-1, 3)
    data = encode_octree(points, bits)
    decoded = decode_octree(data, bits)
    assert decoded.dtype == np.int64 and decoded.shape == points.shape
    assert [tuple(map(int, point)) for point in decoded] == sorted_by_bits(points, bits)
    assert (points[morton_order(points, bits)] == decoded).all()
    assert encode_octree(decoded[::-1], bits) == data


@pytest.mark.parametrize("copies", [1, 2, 1000, 70_000])
def test_equal_points_are_counted(copies: int) -> None:
    points = np.tile([[3, 1, 2]], (copies, 1))
    data = encode_octree(points, 4)
    assert (decode_octree(data, 4) == points).all()
    assert len(data) < 24


def test_points_without_structure_cost_no_more_than_they_must() -> None:
    points = np.random.default_rng(3).integers(0, 1 << 20, (4000, 3))
    bits = 60 - math.lgamma(4001) / math.log(2) / 4000
    assert 8 * len(encode_octree(points, 20)) / 4000 < bits + 0.5


def test_a_surface_costs_less_than_its_parameters() -> None:
    """A full plane of voxels: the set has few descriptions, and contexts find them."""
    y, x = np.mgrid[0:64, 0:64].reshape(2, -1)
    points = np.stack([x, y, (x + y) // 2 + 5], axis=1)
    assert 8 * len(encode_octree(points, 7)) / len(points) < 2.0


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.uint64])
def test_integers_of_every_kind(dtype: type) -> None:
    points = np.array([[0, 100, 3], [7, 7, 7]], dtype)
    assert sorted(map(tuple, decode_octree(encode_octree(points, 7), 7))) == [
        (0, 100, 3),
        (7, 7, 7),
    ]


@pytest.mark.parametrize(
    "points, bits",
    [
        (np.zeros((2, 3)), 4),
        (np.zeros((2, 2), int), 4),
        (np.array([[16, 0, 0]]), 4),
        (np.array([[-1, 0, 0]]), 4),
        (np.zeros((1, 3), int), 0),
        (np.zeros((1, 3), int), 32),
    ],
)
def test_what_is_no_grid_point_is_refused(points: npt.NDArray[np.float64], bits: int) -> None:
    with pytest.raises(InputError):
        encode_octree(points, bits)


def test_damaged_data_are_refused_or_are_other_points() -> None:
    rng = np.random.default_rng(4)
    points = rng.integers(0, 1 << 12, (300, 3))
    data = encode_octree(points, 12)
    refused = 0
    for at in range(0, 8 * len(data), 5):
        damaged = bytearray(data)
        damaged[at // 8] ^= 1 << at % 8
        refused += _survives(bytes(damaged))
    for length in range(0, len(data), 7):
        refused += _survives(data[:length])
    assert refused > 20


def _survives(data: bytes) -> bool:
    """Whether the data are refused; if not, what they are is points of the grid."""
    try:
        points = decode_octree(data, 12, most=400)
    except FormatError:
        return True
    assert (points.ndim == 2 and not len(points)) or (points.min() >= 0 and points.max() < 1 << 12)
    return False


def test_a_lying_count_is_refused() -> None:
    with pytest.raises(FormatError, match="number of points"):
        decode_octree(b"\xff\xff\xff\xff\x07", 10, most=1 << 20)
    with pytest.raises(FormatError, match="no points"):
        decode_octree(b"\0\1", 10)
