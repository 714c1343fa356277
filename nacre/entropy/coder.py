"""The range coder for symbols whose tables are known beforehand; the only importer of constriction.

Symbols are coded grouped by table: all of the lowest table number first, in the order in which they
stand, then the next; then what the escapes stand for. That order is part of the format
(docs/entropy.md, "Order"). constriction codes a whole group in one call.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from nacre.entropy.message import (
    ESCAPE_TABLES,
    join_escapes,
    pack_words,
    split_escapes,
    unpack_words,
)
from nacre.entropy.tables import Integers, Tables, index_symbols
from nacre.errors import FormatError, InputError

_Int32s = npt.NDArray[np.int32]
_Places = npt.NDArray[np.intp]
_ESCAPES_AT_ONCE = 1 << 16
"""Escapes whose bits are held in memory together: a damaged stream may claim 31 for each symbol."""
_BLOCK = 1 << 17
"""Positions that are sorted at once."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Where the symbols of each table stand, found once and used for any number of messages.

    Positions are sorted by table in blocks that fit into a cache, several times faster than all at
    once. A run is what one block has of one table; coding takes the runs by table, then block, so
    the order of symbols is as if there were no blocks.

    Attributes:
        order: block by block, positions in the block sorted by table, intp ``[N]``.
        bounds: where each run begins in ``order``, int64 ``[R + 1]``.
        numbers: the table of each run, intp ``[R]``.
        block: how many positions each block has but the last.
    """

    order: _Places
    bounds: npt.NDArray[np.int64]
    numbers: _Places
    block: int

    def runs(self) -> Iterator[tuple[int, slice]]:
        """Table number and place in ``order`` of each run, in the order of coding."""
        bounds, numbers = self.bounds.tolist(), self.numbers.tolist()
        for run in np.argsort(self.numbers, kind="stable").tolist():
            yield numbers[run], slice(bounds[run], bounds[run + 1])

    def blocks(self, tables: Tables) -> Iterator[tuple[slice, _Int32s, _Int32s]]:
        """Place in ``order`` of each block, and each symbol's minimum and size of table there."""
        minima, sizes = tables.minimum[self.numbers], tables.sizes[self.numbers]
        for start in range(0, len(self.order), self.block):
            stop = min(start + self.block, len(self.order))
            first, last = np.searchsorted(self.bounds, (start, stop))
            counts = np.diff(self.bounds[first : last + 1])
            minimum = np.repeat(minima[first:last], counts)
            yield slice(start, stop), minimum, np.repeat(sizes[first:last], counts)

    def in_coding_order(self, found: list[_Places]) -> tuple[_Places, _Places]:
        """Positions in the message of what is in some places of ``order``, and its tables.

        Args:
            found: places, rising.
        """
        places = np.concatenate([np.empty(0, dtype=np.intp), *found])
        numbers = self.numbers[np.searchsorted(self.bounds, places, side="right") - 1]
        by_table = np.argsort(numbers, kind="stable")
        positions = self.order[places] + places // self.block * self.block
        return positions[by_table], numbers[by_table]


TableNumbers = Integers | Grouping


def group(table: npt.ArrayLike, tables: Tables) -> Grouping:
    """Sort positions by table number, stably.

    Args:
        table: the table of each symbol, integers ``[N]`` in ``0 .. tables.count - 1``.
        tables: the set that the numbers refer to.

    Raises:
        InputError: a number is out of range, or not an integer.
    """
    numbers = np.asarray(table)
    if numbers.ndim != 1 or (numbers.dtype.kind not in "iu" and len(numbers)):
        raise InputError(f"table numbers must be integers [N]; got {numbers.dtype} {numbers.shape}")
    if len(numbers) and (int(numbers.min()) < 0 or int(numbers.max()) >= tables.count):
        raise InputError(f"a table number is outside 0..{tables.count - 1}")
    # NumPy sorts 8 and 16 bits by radix, ten times faster than wider integers by merging.
    small = numbers.astype(np.uint8 if tables.count <= 256 else np.uint16, copy=False)
    every = np.arange(tables.count).astype(small.dtype)
    order = np.empty(len(small), dtype=np.intp)
    block = max(_BLOCK, 64 * tables.count)
    counts = np.zeros((-(-len(small) // block), tables.count), dtype=np.int64)
    for number, start in enumerate(range(0, len(small), block)):
        part = small[start : start + block]
        places = np.argsort(part, kind="stable")
        order[start : start + block] = places
        edges = np.searchsorted(part, every, sorter=places)
        counts[number] = np.diff(edges, append=len(part))
    blocks, present = np.nonzero(counts)
    bounds = np.concatenate([[0], np.cumsum(counts[blocks, present])])
    return Grouping(order, bounds, present, block)


def encode(symbols: npt.ArrayLike, table: TableNumbers, tables: Tables) -> bytes:
    """One message; its length in symbols and their tables must be known to who decodes it.

    Args:
        symbols: integers of at most 32 bits, ``[N]``; any value, those outside a table escape.
        table: table number of each, integers ``[N]``, or their :class:`Grouping`.
        tables: the tables.

    Returns:
        The bytes, none for no symbols.

    Raises:
        InputError: symbols or table numbers cannot be used.

    >>> tables = Tables.from_probabilities([np.array([0.2, 0.6, 0.2])], [-1])
    >>> encode(np.array([0, 1, 0, 99]), np.zeros(4, dtype=np.uint8), tables).hex()
    'c6a7ee3510'
    """
    grouping = table if isinstance(table, Grouping) else group(table, tables)
    values = _as_int32(symbols)
    if values.shape != grouping.order.shape:
        raise InputError(f"{values.size} symbols but {grouping.order.size} table numbers")
    index = np.empty(len(values), dtype=np.int32)
    found = []
    for part, minimum, sizes in grouping.blocks(tables):
        # "clip" only spares a check of each place.
        sorted_values = np.take(values[part], grouping.order[part], mode="clip")
        index[part] = index_symbols(sorted_values, minimum, sizes)
        found.append(np.flatnonzero(index[part] == sizes) + part.start)
    escaped, numbers = grouping.in_coding_order(found)
    return _write(index, values[escaped], numbers, grouping, tables)


def decode(
    data: bytes | bytearray | memoryview,
    table: TableNumbers,
    tables: Tables,
    *,
    check: bool = True,
) -> _Int32s:
    """The symbols of a message that :func:`encode` made with the same tables and numbers.

    Args:
        data: all bytes of the message and no others.
        table: table number of each symbol, integers ``[N]``, or their :class:`Grouping`.
        tables: the tables.
        check: code the symbols again and compare, for a sixth of the time. Without it, bytes too
            many and tables of another model go unnoticed; nothing worse can happen.

    Returns:
        int32 ``[N]``.

    Raises:
        FormatError: no encoder writes these bytes for that many symbols under these tables.
        InputError: the table numbers cannot be used.
    """
    grouping = table if isinstance(table, Grouping) else group(table, tables)
    models = _models(tables)
    decoder = constriction.stream.queue.RangeDecoder(unpack_words(data))
    index = np.empty(len(grouping.order), dtype=np.int32)
    for number, part in grouping.runs():
        index[part] = _decode(decoder, models.of(number), part.stop - part.start)
    symbols = np.empty_like(index)
    found = []
    for part, minimum, sizes in grouping.blocks(tables):
        symbols[part][grouping.order[part]] = index[part] + minimum
        found.append(np.flatnonzero(index[part] == sizes) + part.start)
    escaped, numbers = grouping.in_coding_order(found)
    outside = _decode_escapes(decoder, numbers, tables)
    symbols[escaped] = outside
    if check and _write(index, outside, numbers, grouping, tables) != bytes(data):
        raise FormatError(
            f"entropy-coded message of {len(data)} bytes is not what its {len(index)} symbols are "
            "written as; the stream is damaged or its model is another one"
        )
    return symbols


def encode_many(
    symbols: Sequence[npt.ArrayLike], table: Sequence[TableNumbers], tables: Tables
) -> list[bytes]:
    """Independent messages under one set of tables, such as tiles or items of an archive."""
    return [encode(one, numbers, tables) for one, numbers in zip(symbols, table, strict=True)]


def decode_many(
    data: Sequence[bytes | bytearray | memoryview], table: Sequence[TableNumbers], tables: Tables
) -> list[_Int32s]:
    """The symbols of each of several independent messages, int32 ``[N]`` each."""
    return [decode(one, numbers, tables) for one, numbers in zip(data, table, strict=True)]


class _Models:
    """constriction's models of a set of tables, each made when it is first used."""

    def __init__(self, tables: Tables) -> None:
        self._cumulative = tables.cumulative
        self._offsets = tables.offsets.tolist()
        self._made: list[Any] = [None] * tables.count

    def of(self, number: int) -> Any:
        model = self._made[number]
        if model is None:
            start, stop = self._offsets[number], self._offsets[number + 1]
            # Its scale is (2^24 - n) / sum = 1 exactly, so rounding down and adding one to each
            # symbol gives back the table; a test compares the words with integer arithmetic.
            weights = np.diff(self._cumulative[start:stop]).astype(np.float64) - 1
            model = constriction.stream.model.Categorical(weights, perfect=False)
            self._made[number] = model
        return model


_MODELS: weakref.WeakKeyDictionary[Tables, _Models] = weakref.WeakKeyDictionary()


def _models(tables: Tables) -> _Models:
    models = _MODELS.get(tables)
    if models is None:
        # Two threads may both make one; either serves.
        models = _MODELS.setdefault(tables, _Models(tables))
    return models


def _as_int32(symbols: npt.ArrayLike) -> _Int32s:
    values = np.asarray(symbols)
    if values.dtype == np.int32 and values.ndim == 1:
        return values
    if values.ndim != 1 or (values.dtype.kind not in "iu" and len(values)):
        raise InputError(f"symbols must be integers [N]; got {values.dtype} {values.shape}")
    narrow = values.astype(np.int32)
    if values.dtype.itemsize >= 4 and (narrow != values).any():
        raise InputError("a symbol needs more than 32 bits")
    return narrow


def _write(
    index: _Int32s,
    outside: _Int32s,
    numbers: _Places,
    grouping: Grouping,
    tables: Tables,
) -> bytes:
    """The message of indices ``[N]`` in the grouping's order.

    ``outside`` holds the escaped symbols in coding order, ``numbers`` their tables, ``[E]``.
    """
    models = _models(tables)
    encoder = constriction.stream.queue.RangeEncoder()
    for number, part in grouping.runs():
        encoder.encode(index[part], models.of(number))
    escape_models = _models(ESCAPE_TABLES)
    minimum, sizes = tables.minimum[numbers], tables.sizes[numbers]
    for start in range(0, len(outside), _ESCAPES_AT_ONCE):
        part = slice(start, start + _ESCAPES_AT_ONCE)
        classes, bits = split_escapes(outside[part], minimum[part], sizes[part])
        encoder.encode(classes, escape_models.of(0))
        encoder.encode(bits, escape_models.of(1))
    settled, (lower, span) = encoder.pos()
    return pack_words(encoder.get_compressed(), settled, lower, span)


def _decode_escapes(decoder: Any, numbers: _Places, tables: Tables) -> _Int32s:
    """The symbols outside their tables, whose numbers are given, in coding order, ``[E]``."""
    models = _models(ESCAPE_TABLES)
    minimum, sizes = tables.minimum[numbers], tables.sizes[numbers]
    symbols = np.empty(len(numbers), dtype=np.int32)
    for start in range(0, len(symbols), _ESCAPES_AT_ONCE):
        part = slice(start, start + _ESCAPES_AT_ONCE)
        classes = _decode(decoder, models.of(0), len(symbols[part]))
        bits = _decode(decoder, models.of(1), int((classes >> 1).sum()))
        symbols[part] = join_escapes(classes, bits, minimum[part], sizes[part])
    return symbols


def _decode(decoder: Any, model: Any, count: int) -> _Int32s:
    try:
        symbols: _Int32s = decoder.decode(model, count)
    except AssertionError as error:
        # constriction's word for a number that lies in the gap above the last symbol.
        raise FormatError(
            "entropy-coded message lies outside every table; the stream is damaged"
        ) from error
    return symbols
