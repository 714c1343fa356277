import re
from pathlib import Path

import constriction
import numpy as np
import pytest
from coding_reference import escape_intervals, message, random_symbols, random_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy import coder, estimate, sequential
from nacre.entropy.tables import TOTAL, Tables, gaussian_tables
from nacre.errors import FormatError, InputError

seeds = st.integers(0, 2**32)


def constriction_words(indices: np.ndarray, tables: Tables, table: np.ndarray) -> np.ndarray:
    encoder = constriction.stream.queue.RangeEncoder()
    for index, number in zip(indices, table, strict=True):
        weights = tables.frequencies_of(number).astype(np.float64) - 1
        model = constriction.stream.model.Categorical(weights, perfect=False)
        encoder.encode(int(index), model)
    return encoder.get_compressed()


def twin_words(indices: np.ndarray, tables: Tables, table: np.ndarray) -> np.ndarray:
    state = np.empty(sequential.STATE_SIZE, dtype=np.uint64)
    words = np.empty(len(indices) + 2, dtype=np.uint32)
    sequential.encoder_init(state)
    for index, number in zip(indices, table, strict=True):
        place = tables.offsets[number] + index
        low, high = int(tables.cumulative[place]), int(tables.cumulative[place + 1])
        sequential.encode_symbol(state, words, low, high - low)
    return words[: sequential.encoder_finish(state, words)]


@settings(deadline=None, max_examples=100)
@given(seeds, st.integers(0, 150))
def test_words_equal_constrictions(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, 4)
    table = rng.integers(0, 4, length)
    indices = (rng.random(length) * (tables.sizes[table] + 1)).astype(int)
    words = twin_words(indices, tables, table)
    assert words.tolist() == constriction_words(indices, tables, table).tolist()


def test_words_equal_constrictions_through_long_carries() -> None:
    tables = Tables.from_frequencies([TOTAL // 2 - 1, 2, TOTAL // 2 - 2, 1], [3], [0])
    for ending in ([], [0], [2], [1, 0], [1, 2]):
        for length in range(12):
            indices = np.array([1] * length + ending, dtype=int)
            table = np.zeros(len(indices), dtype=int)
            words = twin_words(indices, tables, table)
            assert words.tolist() == constriction_words(indices, tables, table).tolist()


@settings(deadline=None, max_examples=100)
@given(seeds, st.integers(0, 200), st.sampled_from([0.0, 0.05, 0.5]))
def test_arrays_survive_in_their_order(seed: int, length: int, escapes: float) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, int(rng.integers(1, 6)), longest=300)
    table = rng.integers(0, tables.count, length)
    symbols = random_symbols(rng, tables, table, escapes)
    data = sequential.encode(symbols, table, tables)
    intervals = []
    for symbol, number in zip(symbols, table, strict=True):
        first, size = int(tables.minimum[number]), int(tables.sizes[number])
        edges = tables.cumulative[tables.offsets[number] :].tolist()
        index = int(symbol) - first if 0 <= int(symbol) - first < size else size
        intervals.append((edges[index], edges[index + 1] - edges[index]))
        if index == size:
            intervals += escape_intervals(int(symbol), first, size)
    assert data == message(intervals)
    assert np.array_equal(sequential.decode(data, table, tables), symbols)


def test_grouped_symbols_without_escapes_are_the_coders_bytes() -> None:
    rng = np.random.default_rng(1)
    tables = gaussian_tables(np.geomspace(0.2, 20, 16))
    table = rng.integers(0, 16, 20_000)
    symbols = random_symbols(rng, tables, table, 0.0)
    order = np.argsort(table, kind="stable")
    grouped = sequential.encode(symbols[order], table[order], tables)
    assert grouped == coder.encode(symbols, table, tables)


def test_symbols_cost_their_cross_entropy_to_a_thousandth() -> None:
    rng = np.random.default_rng(2)
    scales = np.geomspace(0.11, 64, 64)
    tables = gaussian_tables(scales)
    table = rng.integers(0, 64, 1_000_000)
    symbols = np.round(rng.normal(size=len(table)) * scales[table]).astype(np.int32)
    data = sequential.encode(symbols, table, tables)
    assert 8 * len(data) < 1.001 * estimate.bits(symbols, table, tables)
    assert np.array_equal(sequential.decode(data, table, tables), symbols)


def test_hints_enclose_every_target() -> None:
    tables = random_tables(np.random.default_rng(3), 10, longest=500)
    near = sequential.hints(tables)
    for number in range(tables.count):
        edges = tables.cumulative[tables.offsets[number] : tables.offsets[number + 1]]
        targets = np.arange(256) << 16
        expected = np.searchsorted(edges, targets, side="right") - 1
        assert near[number, :256].tolist() == expected.tolist()
        assert near[number, 256] == tables.sizes[number]


@settings(deadline=None, max_examples=100)
@given(seeds, st.binary(max_size=60), st.integers(0, 200))
def test_random_bytes_decode_to_themselves_or_are_refused(
    seed: int, data: bytes, length: int
) -> None:
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, 3, longest=4)
    table = rng.integers(0, 3, length)
    try:
        symbols = sequential.decode(data, table, tables)
    except FormatError:
        return
    assert sequential.encode(symbols, table, tables) == data


def test_what_no_encoder_writes_is_refused() -> None:
    rng = np.random.default_rng(4)
    tables = gaussian_tables([5.0])
    table = np.zeros(1000, dtype=int)
    symbols = np.round(rng.normal(size=1000) * 5).astype(np.int32)
    data = sequential.encode(symbols, table, tables)
    damaged = [data + b"\0", data + b"\1", data[: len(data) // 2], b"\xff" * 20, b""]
    for bad in damaged:
        with pytest.raises(FormatError):
            sequential.decode(bad, table, tables)


def test_an_escape_past_32_bits_is_refused() -> None:
    tables = Tables.from_frequencies([1, TOTAL - 1], [1], [2**31 - 1])
    data = message([(1, TOTAL - 1), (TOTAL - 1, 1)] + [(2**23, 2**23)] * 31)
    with pytest.raises(FormatError):
        sequential.decode(data, np.zeros(1, dtype=int), tables)


def test_unusable_arguments_are_refused() -> None:
    tables = gaussian_tables([1.0])
    with pytest.raises(InputError):
        sequential.encode(np.array([1, 2], dtype=np.int32), np.array([0]), tables)
    with pytest.raises(InputError):
        sequential.decode(b"", np.array([1]), tables)


def test_the_documented_loop_codes_near_the_entropy() -> None:
    page = (Path(__file__).parents[2] / "docs" / "entropy.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict = {}
    exec(compile(example, "docs/entropy.md", "exec"), names)
    assert np.array_equal(names["decoded"], names["bits"])
    share = names["bits"].mean()
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    assert 8 * len(names["data"]) < 1.005 * len(names["bits"]) * entropy


@settings(deadline=None, max_examples=100)
@given(seeds, st.integers(0, 300), st.sampled_from([1, 100, TOTAL // 2]))
def test_bits_are_symbols_of_two(seed: int, length: int, least: int) -> None:
    rng = np.random.default_rng(seed)
    ones = rng.integers(1, least + 1, length)
    ones = np.where(rng.random(length) < 0.5, ones, TOTAL - ones).tolist()
    bits = (rng.random(length) < np.array(ones) / TOTAL).astype(int).tolist()
    states = np.empty((3, sequential.STATE_SIZE), dtype=np.uint64)
    words = np.zeros((2, length + 2), dtype=np.uint32)
    for state in states[:2]:
        sequential.encoder_init(state)
    for bit, one in zip(bits, ones, strict=True):
        sequential.encode_bit(states[0], words[0], bit, one)
        low, frequency = (0, one) if bit else (one, TOTAL - one)
        sequential.encode_symbol(states[1], words[1], low, frequency)
    data = sequential.encoder_bytes(states[0], words[0])
    assert data == sequential.encoder_bytes(states[1], words[1])
    message_words = sequential.unpack_words(data)
    sequential.decoder_init(states[2], message_words)
    assert [sequential.decode_bit(states[2], message_words, one) for one in ones] == bits
    sequential.check_decoded(states[2], data)


def test_bits_through_long_carries() -> None:
    half = TOTAL // 2
    pattern = [(1, half - 1), (0, 1), *[(0, 1), (1, TOTAL - 1)] * 3]
    for length in range(40):
        bits = [(1, half)] + [pattern[place % len(pattern)] for place in range(length)]
        state = np.empty(sequential.STATE_SIZE, dtype=np.uint64)
        words = np.zeros(len(bits) + 2, dtype=np.uint32)
        sequential.encoder_init(state)
        for bit, one in bits:
            sequential.encode_bit(state, words, bit, one)
        data = sequential.encoder_bytes(state, words)
        assert data == message([(0, one) if bit else (one, TOTAL - one) for bit, one in bits])
        words = sequential.unpack_words(data)
        sequential.decoder_init(state, words)
        assert [sequential.decode_bit(state, words, one) for _, one in bits] == [b for b, _ in bits]


def test_impossible_bits_are_refused() -> None:
    # A span whose 24 upper bits leave a remainder has points above both symbols.
    data = b"\xff" * 12
    words = sequential.unpack_words(data)
    state = np.empty(sequential.STATE_SIZE, dtype=np.uint64)
    sequential.decoder_init(state, words)
    for _ in range(50):
        assert sequential.decode_bit(state, words, TOTAL // 3) in (0, 1)
    assert state[sequential.FAILED]
    with pytest.raises(FormatError):
        sequential.check_decoded(state, data)
