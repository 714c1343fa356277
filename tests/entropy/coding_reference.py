"""Plain-integer coding, from docs/entropy.md alone: what the fast coders are compared with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.tables import Tables

ONE = 1 << 64


def random_tables(rng: np.random.Generator, count: int, longest: int = 40) -> Tables:
    """Tables of skewed, even and nearly certain distributions."""
    probabilities, minimum = [], []
    for _ in range(count):
        length = int(rng.integers(1, longest + 1))
        weights = rng.gamma(rng.choice([0.05, 1.0, 20.0]), size=length + 1) + 1e-12
        probabilities.append(weights[:-1] / weights.sum())
        minimum.append(int(rng.integers(-50, 50)))
    return Tables.from_probabilities(probabilities, minimum)


def random_symbols(
    rng: np.random.Generator, tables: Tables, table: npt.NDArray[np.int64], escapes: float
) -> npt.NDArray[np.int32]:
    """Symbols mostly inside their tables; a share of them anywhere in 32 bits."""
    inside = tables.minimum[table] + (rng.random(len(table)) * tables.sizes[table]).astype(np.int32)
    spread = rng.integers(0, 32, len(table))
    anywhere = rng.integers(-(2**31), 2**31, len(table)) >> spread
    return np.where(rng.random(len(table)) < escapes, anywhere, inside).astype(np.int32)


def escape_intervals(symbol: int, minimum: int, size: int) -> list[tuple[int, int]]:
    """(low, frequency) of everything that follows a table's escape symbol."""
    above = symbol >= minimum
    distance = symbol - (minimum + size) + 1 if above else minimum - symbol
    length = distance.bit_length() - 1
    shares = [2**22 - 8] + [2 ** (22 - k) for k in range(1, 22)] + [1] * 10
    edges = np.concatenate([[0], np.cumsum(np.repeat(shares, 2))])
    index = 2 * length + above
    bits = [distance >> place & 1 for place in reversed(range(length))]
    return [(int(edges[index]), int(edges[index + 1] - edges[index]))] + [
        (2**23 * bit, 2**23) for bit in bits
    ]


def message(intervals: list[tuple[int, int]]) -> bytes:
    """Range coding with unbounded integers: no words, no carries, nothing to get wrong."""
    lower, span, settled = 0, ONE - 1, 0
    for low, frequency in intervals:
        scale = span >> 24
        lower, span = lower + scale * low, scale * frequency
        if span < 1 << 32:
            lower, span, settled = lower << 32, span << 32, settled + 1
    for kept in range(9):
        unit = 1 << (64 - 8 * kept)
        value = -(-lower // unit) * unit
        if value < lower + span:
            break
    whole = value.to_bytes(4 * settled + 8, "big")
    return whole[: 4 * settled] + whole[4 * settled :].rstrip(b"\0")


def grouped_intervals(
    symbols: npt.NDArray[np.int32], table: npt.NDArray[np.int64], tables: Tables
) -> list[tuple[int, int]]:
    """All intervals of a message in the normative order of ``coder`` (below 65,536 escapes)."""
    order = sorted(range(len(table)), key=lambda place: (table[place], place))
    intervals, classes, bits = [], [], []
    for place in order:
        number, symbol = int(table[place]), int(symbols[place])
        first, size = int(tables.minimum[number]), int(tables.sizes[number])
        index = symbol - first if 0 <= symbol - first < size else size
        edges = tables.cumulative[tables.offsets[number] :]
        intervals.append((int(edges[index]), int(edges[index + 1]) - int(edges[index])))
        if index == size:
            head, *tail = escape_intervals(symbol, first, size)
            classes.append(head)
            bits += tail
    return intervals + classes + bits


def cross_entropy(intervals: list[tuple[int, int]]) -> float:
    """Ideal length in bits."""
    return float(sum(24 - np.log2(frequency) for _, frequency in intervals))
