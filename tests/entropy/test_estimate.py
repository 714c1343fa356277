import doctest

import numpy as np
import pytest
from coding_reference import cross_entropy, grouped_intervals, random_symbols, random_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy import coder, estimate, tables
from nacre.errors import InputError


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(0, 100))
def test_bits_are_those_of_the_intervals(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    some = random_tables(rng, 4)
    table = rng.integers(0, 4, length)
    symbols = random_symbols(rng, some, table, 0.2)
    expected = cross_entropy(grouped_intervals(symbols, table, some))
    assert estimate.bits(symbols, table, some) == pytest.approx(expected, rel=1e-12)
    assert estimate.symbol_bits(symbols, table, some).dtype == np.float64


def test_histograms_cost_what_their_symbols_do() -> None:
    rng = np.random.default_rng(1)
    some = random_tables(rng, 4)
    table = rng.integers(0, 4, 1000)
    symbols = random_symbols(rng, some, table, 0.0)
    cost = some.count_symbols(symbols, table) @ estimate.index_bits(some)
    assert cost == pytest.approx(estimate.bits(symbols, table, some))


def test_unusable_arguments_are_refused() -> None:
    some = random_tables(np.random.default_rng(2), 2)
    for symbols, table in (([1], [0, 0]), ([1], [2]), ([1], [-1])):
        with pytest.raises(InputError):
            estimate.bits(np.array(symbols, dtype=np.int32), np.array(table), some)


@pytest.mark.parametrize("module", [coder, estimate, tables])
def test_examples_run(module) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
