"""Attributes of splats: they come back, structure is found, damage is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import float64, int64, njit

from nacre.entropy.splats import learning, rotations, rows, values
from nacre.entropy.splats.attributes import Layout, decode_attributes, encode_attributes
from nacre.entropy.splats.neighbours import EARLIER, NEAR, neighbours
from nacre.entropy.splats.neighbours import _search as search
from nacre.entropy.splats.palette import decode_table, encode_table
from nacre.entropy.splats.rotations import POINTS, STEPS, circles, matrix_of
from nacre.errors import FormatError, InputError

Int64s = npt.NDArray[np.int64]
STEP = np.sqrt(2) / 255


def layout(harmonics: int = 0, turn: int = 2) -> Layout:
    """Eight bits everywhere."""
    return Layout((*[8] * 7, turn, 8, 8, 8, *[8] * harmonics), (0, 1, 2, 3), STEP, -np.sqrt(0.5))


def random_values(shape: Layout, count: int, seed: int = 1) -> Int64s:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, 1 << bits, count) for bits in shape.bits], axis=1)


@pytest.mark.parametrize(
    "shape",
    [
        layout(),
        layout(9),
        layout(24, turn=0),
        layout(72),
        Layout((16, 1, 5, 12, 3, 16, 8, 2, 10, 10, 10), (1, 2, 3, 0), 0.001384, -0.7078),
        Layout((8,) * 7 + (0, 8, 8, 8), (0, 1, 2, 3), 1 / 127.5, -1.0),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 2, 150])
def test_any_integers_come_back(shape: Layout, count: int) -> None:
    points = np.random.default_rng(2).normal(size=(count, 3))
    values = random_values(shape, count)
    data = encode_attributes(points, values, shape)
    assert (decode_attributes(data, points, shape) == values).all()


@given(
    st.integers(0, 2**32), st.sampled_from([0.0, 1e-200, 1.0, 1e200]), st.integers(1, 40),
    st.sampled_from([0, 255, 128]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_places_of_every_size_and_equal_ones(seed: int, size: float, count: int, fill: int) -> None:
    """Nothing overflows into a wrong table where splats coincide or lie far apart."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 3)) * size
    points[count // 2 :] = points[0]
    values = random_values(layout(), count, seed)
    values[rng.random(count) < 0.5, :7] = fill
    data = encode_attributes(points, values, layout())
    assert (decode_attributes(data, points, layout()) == values).all()


def test_siblings_and_surfaces_are_found() -> None:
    """Copies with a little noise cost far fewer bits than unrelated splats."""
    rng = np.random.default_rng(5)
    count = 3000
    points = np.sort(rng.random(count))[:, None] * np.array([1.0, 0.5, 0.2])
    unrelated = random_values(layout(), count, 6)
    alike = np.clip(unrelated[np.arange(count) // 6 * 6] + rng.integers(-1, 2, (count, 11)), 0, 255)
    alike[:, 7] = unrelated[np.arange(count) // 6 * 6, 7]
    sizes = [len(encode_attributes(points, values, layout())) for values in (unrelated, alike)]
    assert sizes[1] < 0.62 * sizes[0]


def test_bits_are_counted_by_channel() -> None:
    spent = np.zeros(11)
    points = np.random.default_rng(2).normal(size=(500, 3))
    data = encode_attributes(points, random_values(layout(), 500), layout(), spent=spent)
    assert abs(spent.sum() / 8 - len(data)) < 4 and (spent > 0).all()


def test_damage_is_refused_or_gives_other_integers() -> None:
    points = np.random.default_rng(2).normal(size=(60, 3))
    data = encode_attributes(points, random_values(layout(), 60), layout())
    rng, refused = np.random.default_rng(3), 0
    for trial in range(120):
        damaged = bytearray(data)
        if trial % 3:
            damaged[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        else:
            damaged = damaged[: rng.integers(len(data))]
        try:
            values = decode_attributes(bytes(damaged), points, layout())
        except FormatError:
            refused += 1
        else:
            assert values.min() >= 0 and (values >> 8 == 0).all()
    assert refused > 30


@pytest.mark.parametrize(
    "bits, order, step, origin",
    [
        ((8,) * 11, (0, 1, 2, 3), 0.01, 0.0),
        ((8,) * 7 + (2, 8, 8), (0, 1, 2, 3), 0.01, 0.0),
        ((17,) + (8,) * 6 + (2, 8, 8, 8), (0, 1, 2, 3), 0.01, 0.0),
        ((8,) * 7 + (2, 8, 8, 8), (0, 1, 2, 2), 0.01, 0.0),
        ((8,) * 7 + (2, 8, 8, 8), (0, 1, 2, 3), 0.0, 0.0),
        ((8,) * 7 + (2, 8, 8, 8), (0, 1, 2, 3), 0.1, float("nan")),
    ],
)
def test_layouts_that_are_none(
    bits: tuple[int, ...], order: tuple[int, int, int, int], step: float, origin: float
) -> None:
    with pytest.raises(InputError):
        encode_attributes(
            np.zeros((1, 3)), np.zeros((1, len(bits)), np.int64), Layout(bits, order, step, origin)
        )


def test_values_outside_their_range() -> None:
    for value in (-1, 256):
        with pytest.raises(InputError):
            encode_attributes(np.zeros((1, 3)), np.full((1, 11), value), layout())


def test_neighbours_are_the_nearest() -> None:
    """Against all distances."""
    points = np.random.default_rng(4).normal(size=(200, 3)).round(1)
    found = neighbours(points)
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    ordered = np.sort(squares, axis=1)[:, :NEAR]
    assert np.allclose(found.spread, np.sqrt(ordered).mean(axis=1))
    for i in range(NEAR, 200):
        kept = found.earlier[i]
        assert (kept < i).all() and (kept >= 0).all() and len(set(kept)) == EARLIER
        near = [j for j in range(i) if squares[i, j] < ordered[i, -1]][:EARLIER]
        assert set(near) <= set(kept) or len(near) == EARLIER


def test_circles_turn_the_axis_to_the_normal() -> None:
    rng = np.random.default_rng(9)
    room, points, matrix = np.zeros((8, 4)), np.zeros((POINTS, 4)), np.zeros((3, 3))
    for short in (0, 1, 2):
        for normal in (*rng.normal(size=(5, 3)), np.eye(3)[short], -np.eye(3)[short]):
            unit = normal / np.linalg.norm(normal)
            circles(unit, short, room, points)
            for t in range(0, POINTS, 5):
                matrix_of(points[t], matrix)
                assert np.allclose(matrix[:, short], unit if t < STEPS else -unit)
                assert np.allclose(matrix @ matrix.T, np.eye(3))


@pytest.mark.parametrize("bits, columns", [(1, 3), (8, 45), (16, 1)])
@pytest.mark.parametrize("rows", [0, 1, 90])
def test_tables_come_back(bits: int, columns: int, rows: int) -> None:
    table = np.random.default_rng(3).integers(0, 1 << bits, (rows, columns))
    data = encode_table(table, bits)
    assert (decode_table(data, rows, columns, bits) == table).all()


def test_tables_out_of_range_and_damaged() -> None:
    with pytest.raises(InputError):
        encode_table(np.array([[4]]), 2)
    data = encode_table(np.random.default_rng(3).integers(0, 256, (50, 3)), 8)
    with pytest.raises(FormatError):
        decode_table(data[:-9], 50, 3, 8)


def assembly_of(function: Any, *signatures: Any) -> str:
    """As ``compiled`` makes it, but not from the cache, which keeps no assembly."""
    fresh = njit(nogil=True, _nrt=False)(function.py_func)
    for signature in signatures:
        fresh.compile(signature)
    return "".join(fresh.inspect_asm().values())


def is_strict(assembly: str) -> bool:
    """Whether products are rounded before they are added."""
    assert "mul" in assembly
    return not any(word in assembly for word in ("fmadd", "fmsub", "fnmadd", "fnmsub", "fmla"))


def test_nothing_is_contracted_to_a_fused_multiply_add() -> None:
    row, square, number = float64[::1], float64[:, ::1], float64
    assert is_strict(assembly_of(learning.dot, (row, row, int64)))
    assert is_strict(assembly_of(learning.gain_of, (square, row, int64, number, row)))
    assert is_strict(assembly_of(rotations.times, (row, row, row)))
    assert is_strict(assembly_of(values.cumulative, (number, number, number)))


@pytest.mark.slow
def test_nothing_is_contracted_in_all_that_codes_a_row() -> None:
    shape, points = layout(9), np.random.default_rng(3).normal(size=(40, 3))
    encode_attributes(points, random_values(shape, 40), shape)
    for function in (rows.code_rows, search):
        (signature,) = function.nopython_signatures  # type: ignore[attr-defined]
        assembly = assembly_of(function, signature.args)
        assert len(assembly) > 40_000, "what is called is not among it"
        assert is_strict(assembly)
