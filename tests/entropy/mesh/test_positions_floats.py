"""Positions as floats come back bit for bit, odd values included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from surfaces import bumpy_grid, sphere

from nacre.entropy.mesh.positions_floats import decode_floats, encode_floats
from nacre.errors import FormatError, InputError

GRID = bumpy_grid(4, 5, 1.0)[0]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_any_floats_come_back(kind: type[np.floating]) -> None:
    unsigned = np.uint32 if kind is np.float32 else np.uint64

    @given(arrays.arrays(kind, (20, 3)), st.sampled_from([1, 2]))
    @settings(max_examples=80, deadline=None)
    def check(vertices: np.ndarray, effort: int) -> None:
        data = encode_floats(GRID, vertices, effort=effort)
        found = decode_floats(data, GRID)
        assert found.dtype == kind
        assert np.array_equal(found.view(unsigned), vertices.view(unsigned))

    check()


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-3, 1.0, 3e38])
def test_odd_values_among_plain_ones(scale: float) -> None:
    surface, lattice = sphere(2, 500.0)
    vertices = (lattice / 511 * scale).astype(np.float32)
    vertices[3] = [np.nan, -np.inf, -0.0]
    vertices[7] = [0.0, 1e-45, -1e-40]
    vertices.view(np.uint32)[9, 1] = 0x7FC12345
    found = decode_floats(encode_floats(surface, vertices), surface)
    assert np.array_equal(found.view(np.uint32), vertices.view(np.uint32))


def test_a_smooth_shape_takes_less_than_its_mantissas() -> None:
    surface, lattice = sphere(4, 1e6)
    vertices = (lattice.astype(np.float64) / 1234567.0).astype(np.float32)
    assert len(encode_floats(surface, vertices)) < 0.8 * 9 * len(vertices)


def test_damage_is_refused_or_survived() -> None:
    surface, lattice = sphere(2, 500.0)
    vertices = (lattice / 511).astype(np.float32)
    vertices[5, 1] = np.nan
    data = encode_floats(surface, vertices)
    rng = np.random.default_rng(2)
    for place in rng.integers(0, len(data), 150):
        wrong = bytearray(data)
        wrong[place] ^= 1 << rng.integers(8)
        try:
            assert decode_floats(bytes(wrong), surface).shape == vertices.shape
        except FormatError:
            continue
    for length in range(0, len(data), 37):
        with pytest.raises(FormatError):
            decode_floats(data[:length], surface)


def test_other_arrays_are_refused() -> None:
    for wrong in (np.zeros((20, 3), np.int32), np.zeros((19, 3), np.float32)):
        with pytest.raises(InputError):
            encode_floats(GRID, wrong)
