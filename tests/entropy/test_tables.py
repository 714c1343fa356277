import math

import numpy as np
import pytest
from coding_reference import random_symbols, random_tables
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from nacre.entropy.tables import TOTAL, Tables, allocate, gaussian_tables
from nacre.errors import InputError, ModelError


@given(st.lists(st.floats(0, 1e30), min_size=1, max_size=300).filter(lambda w: sum(w) > 0))
def test_frequencies_sum_exactly_and_none_is_zero(weights: list[float]) -> None:
    frequencies = allocate(np.array(weights))
    assert frequencies.sum() == TOTAL
    assert frequencies.min() >= 1


def test_frequencies_are_in_proportion() -> None:
    weights = np.array([1.0, 2.0, 3.0, 10.0])
    assert np.abs(allocate(weights) - weights / 16 * TOTAL).max() < 4


def test_equal_remainders_go_to_the_earlier_symbol() -> None:
    assert allocate(np.ones(3)).tolist() == [5592406, 5592405, 5592405]


def test_what_probabilities_lack_is_the_escapes() -> None:
    tables = Tables.from_probabilities([np.array([0.5, 0.25]), np.array([1.0])], [3, -4])
    assert tables.frequencies_of(0).tolist() == [TOTAL // 2, TOTAL // 4, TOTAL // 4]
    assert tables.frequencies_of(1).tolist() == [TOTAL - 1, 1]
    assert tables.sizes.tolist() == [2, 1]


@pytest.mark.parametrize(
    "probabilities",
    [[], [np.array([])], [np.array([-0.1, 0.5])], [np.array([np.nan])], [np.zeros(3)]],
)
def test_impossible_probabilities_are_refused(probabilities: list[np.ndarray]) -> None:
    with pytest.raises(InputError):
        Tables.from_probabilities(probabilities, [0] * len(probabilities))


def test_indices_name_the_escape_on_either_side_without_overflow() -> None:
    tables = Tables.from_probabilities([np.full(5, 0.2), np.full(2, 0.5)], [-2, 2**31 - 2])
    symbols = np.array([-(2**31), -3, -2, 2, 3, 2**31 - 1], dtype=np.int32)
    assert tables.indices(symbols, np.zeros(6, dtype=int)).tolist() == [5, 5, 0, 4, 5, 5]
    assert tables.indices(symbols, np.ones(6, dtype=int)).tolist() == [2, 2, 2, 2, 2, 1]


def test_arrays_survive_a_safetensors_file() -> None:
    tables = random_tables(np.random.default_rng(1), 20)
    again = Tables.from_arrays(load(save(tables.to_arrays())))
    for name in ("cumulative", "offsets", "minimum"):
        assert np.array_equal(getattr(again, name), getattr(tables, name))
    assert again.digest() == tables.digest()
    assert sum(array.nbytes for array in tables.to_arrays().values()) == (
        8 * tables.count + 3 * len(tables.frequencies)
    )


def test_the_digest_depends_on_every_part() -> None:
    tables = Tables.from_probabilities([np.array([0.5, 0.25])], [0])
    moved = Tables.from_probabilities([np.array([0.5, 0.25])], [1])
    other = Tables.from_probabilities([np.array([0.25, 0.5])], [0])
    assert len({tables.digest(), moved.digest(), other.digest()}) == 3


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("low", lambda a: a + np.uint16(1)),
        ("low", lambda a: a[:-1]),
        ("high", lambda a: a[:-1]),
        ("high", lambda a: a.astype(np.int16)),
        ("sizes", lambda a: a - np.int32(1)),
        ("sizes", lambda a: np.zeros_like(a)),
        ("sizes", lambda a: a[:0]),
        ("minimum", lambda a: a[:-1]),
        ("minimum", lambda a: np.full_like(a, 2**31 - 1)),
        ("minimum", lambda a: None),
    ],
)
def test_damaged_arrays_are_refused(name: str, change) -> None:
    arrays = random_tables(np.random.default_rng(2), 3).to_arrays()
    damaged = change(arrays[name])
    if damaged is None:
        del arrays[name]
    else:
        arrays[name] = damaged
    with pytest.raises(ModelError):
        Tables.from_arrays(arrays)


def test_a_frequency_of_zero_is_refused() -> None:
    with pytest.raises(ModelError, match="below 1"):
        Tables(
            np.array([0, 5, 5, TOTAL], dtype=np.uint32),
            np.array([0, 4], dtype=np.int32),
            np.array([0], dtype=np.int32),
        )


def test_gaussian_tables_hold_the_gaussian() -> None:
    scales, means = [0.05, 0.5, 3.0, 40.0], [-0.5, 0.0, 0.25]
    tables = gaussian_tables(scales, means)
    assert tables.count == 12
    for number in range(12):
        scale, mean = scales[number // 3], means[number % 3]
        values = tables.minimum[number] + np.arange(tables.sizes[number])
        cdf = [
            0.5 * math.erfc(-(edge - mean) / scale / math.sqrt(2))
            for edge in np.append(values - 0.5, values[-1] + 0.5)
        ]
        expected = np.append(np.diff(cdf), 0) * TOTAL
        # One for each symbol is taken from all in proportion.
        allowed = 2 + len(values) * np.append(np.diff(cdf), 0)
        assert (np.abs(tables.frequencies_of(number) - expected) <= allowed).all()


def test_gaussian_tables_are_symmetric() -> None:
    tables = gaussian_tables([2.0], [0.0])
    ordinary = tables.frequencies_of(0)[:-1].astype(int)
    assert tables.minimum[0] == -(len(ordinary) // 2)
    assert np.abs(ordinary - ordinary[::-1]).max() <= 1


@pytest.mark.parametrize("scales", [[0.0], [-1.0], [float("nan")], [1e6]])
def test_impossible_scales_are_refused(scales: list[float]) -> None:
    with pytest.raises(InputError):
        gaussian_tables(scales)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_counting_finds_every_symbol(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, 5)
    table = rng.integers(0, 5, 200)
    counts = tables.count_symbols(random_symbols(rng, tables, table, 0.1), table)
    assert counts.sum() == 200
    assert counts.shape == tables.frequencies.shape
    starts = np.concatenate([[0], np.cumsum(tables.sizes[:-1] + 1)])
    assert np.add.reduceat(counts, starts).tolist() == np.bincount(table, minlength=5).tolist()


def test_refining_moves_tables_to_the_counts() -> None:
    prior = gaussian_tables([1.0, 2.0])
    rng = np.random.default_rng(3)
    symbols = rng.laplace(scale=1.0, size=40_000).round().astype(np.int32)
    table = np.zeros(len(symbols), dtype=int)
    refined = prior.refined(prior.count_symbols(symbols, table), strength=10)
    seen = np.mean(symbols == 0)
    assert abs(refined.frequencies_of(0)[-refined.minimum[0]] / TOTAL - seen) < 1e-3
    assert np.array_equal(refined.frequencies_of(1), prior.frequencies_of(1))


def test_tables_cannot_be_changed() -> None:
    tables = gaussian_tables([1.0])
    with pytest.raises(ValueError, match="read-only"):
        tables.cumulative[1] = 0
