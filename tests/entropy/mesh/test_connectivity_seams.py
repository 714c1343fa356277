"""Corners share values as they did, whatever the surface and the seams."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy.mesh.connectivity import (
    Coded,
    decode_seams,
    encode_connectivity,
    encode_seams,
)
from nacre.errors import FormatError, InputError

Int32s = npt.NDArray[np.int32]


def grid(rows: int, columns: int) -> Int32s:
    """A sheet of triangles."""
    faces = []
    for r in range(rows - 1):
        for c in range(columns - 1):
            a, d = r * columns + c, (r + 1) * columns + c
            faces += [(a, a + 1, d + 1), (a, d + 1, d)]
    return np.array(faces, np.int32)


def wheel(size: int) -> Int32s:
    """A closed fan around vertex 0."""
    ring = 1 + np.arange(size)
    return np.stack([np.zeros(size, int), ring, np.roll(ring, -1)], axis=1).astype(np.int32)


def first_use(vertices: Int32s, values: npt.NDArray[np.generic]) -> Int32s:
    """Numbers of (vertex, value) in the order of first use."""
    numbers: dict[tuple[int, int], int] = {}
    pairs = zip(vertices.ravel().tolist(), values.ravel().tolist(), strict=True)
    flat = [numbers.setdefault(pair, len(numbers)) for pair in pairs]
    return np.array(flat, np.int32).reshape(-1, 3)


def round_trip(coded: Coded, values: npt.NDArray[np.generic]) -> int:
    """Encode, decode, compare; the size in bytes."""
    data, index = encode_seams(coded.surface, coded.faces, values)
    assert index.dtype == np.int32
    assert np.array_equal(index, first_use(coded.faces, values))
    assert np.array_equal(decode_seams(data, coded.surface, coded.faces), index)
    again, same = encode_seams(coded.surface, coded.faces, index)
    assert again == data
    assert np.array_equal(same, index)
    return len(data)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_soups_with_any_values(data: st.DataObject) -> None:
    vertices = data.draw(st.integers(1, 8))
    row = st.tuples(*[st.integers(0, vertices - 1)] * 3)
    faces = np.array(data.draw(st.lists(row, max_size=30)), np.int32).reshape(-1, 3)
    coded = encode_connectivity(faces, vertices)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    round_trip(coded, rng.integers(-2, data.draw(st.integers(-1, 40)), coded.faces.shape))


def test_sheets_with_charts() -> None:
    """Values of each chart of a sheet; seams along its borders are curves and cost as such."""
    coded = encode_connectivity(grid(30, 30), 900)
    row = coded.vertex_map[coded.faces] // 30
    chart = (row.min(axis=1) // 10)[:, None]
    size = round_trip(coded, coded.faces + 1000 * chart)
    # Two seams of 30 vertices.
    assert size < 60


def test_one_value_a_vertex_and_one_a_corner_cost_nothing() -> None:
    coded = encode_connectivity(grid(30, 30), 900)
    assert round_trip(coded, coded.faces) < 12
    assert round_trip(coded, np.arange(coded.faces.size).reshape(-1, 3)) < 12
    assert round_trip(coded, np.zeros_like(coded.faces)) < 12


def test_a_hub_with_many_values_that_come_again() -> None:
    """Runs that are no neighbours share values: near ones in a list and far ones."""
    coded = encode_connectivity(wheel(400), 401)
    values = np.zeros(coded.faces.shape, int)
    hub = coded.vertex_map[coded.faces] == 0
    values[hub] = np.random.default_rng(1).integers(0, 90, 400)
    round_trip(coded, values)


def test_faces_beyond_the_surface() -> None:
    sheet = grid(5, 5)
    extra = np.array([[0, 0, 1], [30, 30, 30], [7, 8, 7]], np.int32)
    faces = np.concatenate([sheet, sheet[:6], sheet[3:9, ::-1], extra])
    coded = encode_connectivity(faces, 31)
    rng = np.random.default_rng(3)
    round_trip(coded, rng.integers(0, 3, faces.shape))
    round_trip(coded, coded.faces)


def test_no_faces() -> None:
    coded = encode_connectivity(np.zeros((0, 3), int), 4)
    assert round_trip(coded, np.zeros((0, 3), int)) == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_damaged_seams_are_refused_or_give_numbers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    faces = np.concatenate([grid(6, 6), wheel(12), np.array([[3, 3, 5]], np.int32)])
    coded = encode_connectivity(faces, 36)
    data, _ = encode_seams(coded.surface, coded.faces, rng.integers(0, 3, faces.shape))
    damaged = bytearray(data)
    kind = rng.integers(3)
    if kind == 0:
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
    elif kind == 1:
        del damaged[rng.integers(len(data)) :]
    else:
        damaged = bytearray(rng.bytes(len(data)))
    try:
        index = decode_seams(bytes(damaged), coded.surface, coded.faces)
    except FormatError:
        return
    assert index.shape == faces.shape
    assert index.min() == 0
    assert index.max() < index.size


def test_values_of_another_shape_are_refused() -> None:
    coded = encode_connectivity(grid(3, 3), 9)
    with pytest.raises(InputError):
        encode_seams(coded.surface, coded.faces, coded.faces[1:])
    with pytest.raises(InputError):
        encode_seams(coded.surface, coded.faces, coded.faces + 0.5)
