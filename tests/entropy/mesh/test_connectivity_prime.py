"""Tables from other meshes: the same bytes each time, streams that need them, damage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nacre.entropy.mesh.connectivity import (
    decode_connectivity,
    encode_connectivity,
    prime,
)
from nacre.errors import FormatError, InputError, ModelError

Int32s = npt.NDArray[np.int32]


def bumpy(rows: int, columns: int, seed: int) -> Int32s:
    """A closed surface of which edges were exchanged at random: every valence occurs."""
    rng = np.random.default_rng(seed)
    faces = []
    for r in range(rows):
        for c in range(columns):
            right, below = (c + 1) % columns, (r + 1) % rows
            a, b = r * columns + c, r * columns + right
            d, e = below * columns + c, below * columns + right
            faces += [(a, b, e), (a, e, d)] if rng.random() < 0.5 else [(a, b, d), (b, e, d)]
    return np.array(faces, np.int32)


@pytest.fixture(scope="module")
def primed() -> bytes:
    """A table of three surfaces."""
    return prime([bumpy(40, 41, 1), bumpy(30, 33, 2), bumpy(20, 50, 3)])


def test_a_table_is_small_and_the_same_each_time(primed: bytes) -> None:
    assert 100 < len(primed) < 8192
    assert prime([bumpy(40, 41, 1), bumpy(30, 33, 2), bumpy(20, 50, 3)]) == primed


@pytest.mark.parametrize("effort", [1, 2])
def test_a_table_helps_and_comes_back(primed: bytes, effort: int) -> None:
    faces = bumpy(12, 15, 9)
    plain = encode_connectivity(faces, 180, effort=effort)
    coded = encode_connectivity(faces, 180, effort=effort, primed=primed)
    assert len(coded.data) < 0.97 * len(plain.data)
    decoded = decode_connectivity(coded.data, 180, len(faces), primed=primed)
    assert np.array_equal(decoded.faces, coded.faces)
    assert np.array_equal(decoded.faces, plain.faces)
    again = encode_connectivity(decoded.faces, 180, effort=effort, primed=primed)
    assert again.data == coded.data


def test_a_stream_without_a_table_needs_none(primed: bytes) -> None:
    faces = bumpy(8, 9, 4)
    coded = encode_connectivity(faces, 72)
    decoded = decode_connectivity(coded.data, 72, len(faces), primed=primed)
    assert np.array_equal(decoded.faces, coded.faces)


def test_a_stream_needs_its_table(primed: bytes) -> None:
    faces = bumpy(12, 15, 9)
    data = encode_connectivity(faces, 180, primed=primed).data
    with pytest.raises(ModelError):
        decode_connectivity(data, 180, len(faces))
    other = prime([bumpy(50, 50, 8)])
    with pytest.raises(FormatError):
        decode_connectivity(data, 180, len(faces), primed=other)


def test_damaged_tables_are_refused_or_used(primed: bytes) -> None:
    faces = bumpy(8, 9, 4)
    rng = np.random.default_rng(6)
    for _ in range(40):
        damaged = bytearray(primed)
        damaged[rng.integers(len(primed))] ^= 1 << rng.integers(8)
        if rng.random() < 0.5:
            del damaged[rng.integers(len(primed)) :]
        table = bytes(damaged)
        try:
            coded = encode_connectivity(faces, 72, primed=table)
        except ModelError:
            continue
        decoded = decode_connectivity(coded.data, 72, len(faces), primed=table)
        assert np.array_equal(decoded.faces, coded.faces)


def test_odd_meshes_make_tables() -> None:
    odd = np.array([[0, 0, 1], [1, 2, 3], [3, 2, 1], [1, 2, 4], [1, 2, 5]], np.int32)
    assert prime([odd, np.zeros((0, 3), np.int32)])
    assert prime([])
    with pytest.raises(InputError):
        prime([np.zeros((3, 4), np.int32)])
