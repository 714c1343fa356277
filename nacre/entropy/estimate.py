"""The coder's interface, returning bits instead of bytes: for search and training.

These are ideal lengths under the integer tables. What ``coder`` writes is longer by less than a
thousandth and one byte a message.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.message import ESCAPE_TABLES, split_escapes
from nacre.entropy.tables import PRECISION, Integers, Tables
from nacre.errors import InputError

_CLASS_BITS = PRECISION - np.log2(ESCAPE_TABLES.frequencies_of(0))


def symbol_bits(
    symbols: npt.NDArray[np.int32], table: Integers, tables: Tables
) -> npt.NDArray[np.float64]:
    """What each symbol costs, escapes included, in bits.

    Args:
        symbols: int32 ``[N]``.
        table: table number of each, integers ``[N]``.
        tables: the tables.

    Returns:
        float64 ``[N]``.

    Raises:
        InputError: the lengths differ or a table number is out of range.

    >>> tables = Tables.from_probabilities([np.array([0.25, 0.5])], [0])
    >>> symbol_bits(np.array([0, 1], dtype=np.int32), np.array([0, 0]), tables).round(3).tolist()
    [2.0, 1.0]
    """
    values, numbers = np.asarray(symbols, dtype=np.int32), np.asarray(table)
    if values.shape != numbers.shape or values.ndim != 1:
        raise InputError(f"symbols {values.shape} and table numbers {numbers.shape} must be [N]")
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= tables.count):
        raise InputError(f"a table number is outside 0..{tables.count - 1}")
    index = tables.indices(values, numbers)
    place = tables.offsets[numbers] + index
    bits = PRECISION - np.log2(tables.cumulative[place + 1] - tables.cumulative[place])
    sizes = tables.sizes[numbers]
    escaped = np.flatnonzero(index == sizes)
    classes, _ = split_escapes(values[escaped], tables.minimum[numbers[escaped]], sizes[escaped])
    bits[escaped] += _CLASS_BITS[classes] + (classes >> 1)
    return np.asarray(bits, dtype=np.float64)


def bits(symbols: npt.NDArray[np.int32], table: Integers, tables: Tables) -> float:
    """What ``coder.encode(symbols, table, tables)`` is worth in bits, of the last byte a part."""
    return float(symbol_bits(symbols, table, tables).sum())


def index_bits(tables: Tables) -> npt.NDArray[np.float64]:
    """What each index of each table costs in bits, float64 ``[F]``, in the order of frequencies.

    With ``tables.count_symbols`` it prices whole histograms; what an escape adds is left out.
    """
    return np.asarray(PRECISION - np.log2(tables.frequencies), dtype=np.float64)
