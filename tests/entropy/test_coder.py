import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from coding_reference import (
    cross_entropy,
    grouped_intervals,
    message,
    random_symbols,
    random_tables,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy import coder, estimate
from nacre.entropy.message import ESCAPE_TABLES
from nacre.entropy.tables import TOTAL, Tables, gaussian_tables
from nacre.errors import FormatError, InputError

seeds = st.integers(0, 2**32)


@settings(deadline=None, max_examples=150)
@given(seeds, st.integers(0, 120), st.sampled_from([0.0, 0.05, 0.5]))
def test_bytes_equal_those_of_plain_integers(seed: int, length: int, escapes: float) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, int(rng.integers(1, 6)))
    table = rng.integers(0, tables.count, length)
    symbols = random_symbols(rng, tables, table, escapes)
    data = coder.encode(symbols, table, tables)
    assert data == message(grouped_intervals(symbols, table, tables))
    decoded = coder.decode(data, table, tables)
    assert decoded.dtype == np.int32
    assert np.array_equal(decoded, symbols)


def test_constriction_reproduces_extreme_tables() -> None:
    even = np.ones(2**16) / 2**16
    tables = Tables.from_probabilities([np.array([1.0]), np.array([1e-9]), even], [0, 0, -5])
    table = np.array([0] * 50 + [1] * 50 + [2] * 50)
    symbols = np.concatenate([np.zeros(100), np.arange(50) * 1300]).astype(np.int32)
    data = coder.encode(symbols, table, tables)
    assert data == message(grouped_intervals(symbols, table, tables))


def test_a_carry_through_many_words_is_resolved() -> None:
    """Symbols that keep the interval astride a word boundary, then leave it on either side."""
    frequencies = [TOTAL // 2 - 1, 2, TOTAL // 2 - 2, 1]
    tables = Tables.from_frequencies(frequencies, [3], [0])
    for ending in ([], [0], [2], [1, 0], [1, 2]):
        for length in range(12):
            symbols = np.array([1] * length + ending, dtype=np.int32)
            table = np.zeros(len(symbols), dtype=int)
            data = coder.encode(symbols, table, tables)
            assert data == message(grouped_intervals(symbols, table, tables))
            assert np.array_equal(coder.decode(data, table, tables), symbols)


def test_symbols_cost_their_cross_entropy_to_a_thousandth() -> None:
    rng = np.random.default_rng(5)
    scales = np.geomspace(0.11, 64, 64)
    tables = gaussian_tables(scales)
    table = rng.integers(0, 64, 1_000_000)
    symbols = np.round(rng.normal(size=len(table)) * scales[table]).astype(np.int32)
    data = coder.encode(symbols, table, tables)
    assert 8 * len(data) < 1.001 * estimate.bits(symbols, table, tables)
    assert np.array_equal(coder.decode(data, table, tables), symbols)


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(0, 12))
def test_short_messages_cost_at_most_a_byte_more(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, 3)
    table = rng.integers(0, 3, length)
    symbols = random_symbols(rng, tables, table, 0.1)
    data = coder.encode(symbols, table, tables)
    bits = cross_entropy(grouped_intervals(symbols, table, tables))
    assert len(data) <= int(np.ceil(bits / 8 + 1e-3)) + 1


def test_no_symbols_are_no_bytes() -> None:
    tables = gaussian_tables([1.0])
    assert coder.encode(np.array([], dtype=np.int32), np.array([], dtype=int), tables) == b""
    assert coder.decode(b"", np.array([], dtype=int), tables).shape == (0,)


def test_pinned_bytes() -> None:
    """An upgrade of constriction must not change these: files depend on them."""
    rng = np.random.Generator(np.random.PCG64(7))
    frequencies = rng.integers(1, 1000, (8, 30))
    frequencies[:, -1] += TOTAL - frequencies.sum(axis=1)
    tables = Tables.from_frequencies(frequencies.ravel(), [29] * 8, [-14] * 8)
    table = rng.integers(0, 8, 5000)
    symbols = rng.integers(-16, 16, 5000).astype(np.int32)
    data = coder.encode(symbols, table, tables)
    assert len(data) == PINNED_LENGTH
    assert hashlib.sha256(data).hexdigest() == PINNED_SHA256


PINNED_LENGTH = 8868
PINNED_SHA256 = "1d82c522b00b58b3eeff2351fb06f36d704469bec5bed6477ea07dda7419781b"


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(150, 1200))
def test_sorting_in_blocks_does_not_change_the_order(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, 3)
    table = rng.integers(0, 3, length)
    symbols = random_symbols(rng, tables, table, 0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coder, "_BLOCK", 1)
        grouping = coder.group(table, tables)
    assert grouping.block == 192
    data = coder.encode(symbols, grouping, tables)
    assert data == message(grouped_intervals(symbols, table, tables))
    assert np.array_equal(coder.decode(data, grouping, tables), symbols)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8])
def test_any_integers_go_in_and_int32_comes_out(dtype: type) -> None:
    tables = gaussian_tables([3.0] * 300)
    symbols = np.arange(100).astype(dtype)
    for number_dtype in (np.int16, np.uint16, np.int64):
        table = np.arange(100, 200).astype(number_dtype)
        data = coder.encode(symbols, table, tables)
        assert np.array_equal(coder.decode(data, table, tables), symbols.astype(np.int32))


def test_a_grouping_serves_many_messages() -> None:
    rng = np.random.default_rng(8)
    tables = random_tables(rng, 9)
    table = rng.integers(0, 9, 500)
    grouping = coder.group(table, tables)
    messages = [random_symbols(rng, tables, table, 0.02) for _ in range(3)]
    data = coder.encode_many(messages, [grouping] * 3, tables)
    assert data == coder.encode_many(messages, [table] * 3, tables)
    for one, symbols in zip(coder.decode_many(data, [grouping] * 3, tables), messages, strict=True):
        assert np.array_equal(one, symbols)


def test_threads_may_share_tables() -> None:
    rng = np.random.default_rng(9)
    tables = random_tables(rng, 30)
    table = rng.integers(0, 30, 3000)
    symbols = [random_symbols(rng, tables, table, 0.01) for _ in range(16)]
    with ThreadPoolExecutor(4) as pool:
        data = list(pool.map(lambda one: coder.encode(one, table, tables), symbols))
        again = list(pool.map(lambda one: coder.decode(one, table, tables), data))
    assert all(np.array_equal(one, other) for one, other in zip(symbols, again, strict=True))


@pytest.mark.parametrize(
    ("symbols", "table"),
    [
        ([1, 2], [0]),
        ([1], [3]),
        ([1], [-1]),
        ([2**31], [0]),
        ([0.5], [0]),
        ([1], [0.5]),
        ([[1]], [[0]]),
    ],
)
def test_unusable_arguments_are_refused(symbols: list, table: list) -> None:
    with pytest.raises(InputError):
        coder.encode(np.array(symbols), np.array(table), gaussian_tables([1.0, 2.0, 3.0]))


@settings(deadline=None, max_examples=100)
@given(seeds, st.binary(max_size=60), st.integers(0, 200))
def test_random_bytes_decode_to_themselves_or_are_refused(
    seed: int, data: bytes, length: int
) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, 3, longest=4)
    table = rng.integers(0, 3, length)
    try:
        symbols = coder.decode(data, table, tables)
    except FormatError:
        return
    assert coder.encode(symbols, table, tables) == data


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(0, 100), st.binary(min_size=1, max_size=20))
def test_appended_bytes_are_refused(seed: int, length: int, extra: bytes) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, 3)
    table = rng.integers(0, 3, length)
    data = coder.encode(random_symbols(rng, tables, table, 0.1), table, tables)
    if len(extra) < 8:
        extra += b"\0"
    with pytest.raises(FormatError):
        coder.decode(data + extra, table, tables)


def test_unchecked_decoding_gives_the_symbols_and_lets_bytes_too_many_pass() -> None:
    rng = np.random.default_rng(12)
    tables = random_tables(rng, 3)
    table = rng.integers(0, 3, 400)
    symbols = random_symbols(rng, tables, table, 0.05)
    data = coder.encode(symbols, table, tables)
    for more in (b"", b"more than was written"):
        decoded = coder.decode(data + more, table, tables, check=False)
        if not more:
            assert np.array_equal(decoded, symbols)
    with pytest.raises(FormatError):
        coder.decode(data + more, table, tables)


def test_most_of_a_message_lost_is_refused() -> None:
    rng = np.random.default_rng(10)
    tables = gaussian_tables([5.0])
    table = np.zeros(1000, dtype=int)
    symbols = np.round(rng.normal(size=1000) * 5).astype(np.int32)
    data = coder.encode(symbols, table, tables)
    for length in range(len(data) - 64):
        with pytest.raises(FormatError):
            coder.decode(data[:length], table, tables)


def test_a_number_above_every_interval_is_refused() -> None:
    with pytest.raises(FormatError):
        coder.decode(b"\xff" * 12, np.zeros(3, dtype=int), gaussian_tables([1.0]))


def test_an_escape_past_32_bits_is_refused() -> None:
    """A class of 31 above a table at the upper end of the integers."""
    tables = Tables.from_frequencies([1, TOTAL - 1], [1], [2**31 - 1])
    classes = ESCAPE_TABLES.cumulative
    data = message([(1, TOTAL - 1), (int(classes[63]), 1)] + [(2**23, 2**23)] * 31)
    with pytest.raises(FormatError, match="32 bits"):
        coder.decode(data, np.zeros(1, dtype=int), tables)


def test_many_escapes_go_in_batches() -> None:
    tables = Tables.from_probabilities([np.array([0.5])], [0])
    rng = np.random.default_rng(11)
    symbols = rng.integers(-40, 40, 150_000).astype(np.int32)
    table = np.zeros(len(symbols), dtype=np.uint8)
    data = coder.encode(symbols, table, tables)
    assert np.array_equal(coder.decode(data, table, tables), symbols)
    assert abs(8 * len(data) / estimate.bits(symbols, table, tables) - 1) < 1e-3
