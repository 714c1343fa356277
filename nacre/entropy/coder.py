"""The range coder for symbols whose tables are known beforehand; the only importer of constriction.

Symbols are coded grouped by table: all of the lowest table number first, in the order in which they
stand, then the next; then what the escapes stand for. That order is part of the format
(docs/entropy.md, "Order"). constriction codes a whole group in one call.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
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

_ESCAPES_AT_ONCE = 1 << 16
"""Escapes whose bits are held in memory together: a damaged stream may claim 31 for each symbol."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Where the symbols of each table stand, found once and used for any number of messages.

    Attributes:
        order: positions in the message, by table number and then by position, intp ``[N]``.
        present: table numbers that occur, rising, intp ``[G]``.
        bounds: where each group begins in ``order``, int64 ``[G + 1]``.
    """

    order: npt.NDArray[np.intp]
    present: npt.NDArray[np.intp]
    bounds: npt.NDArray[np.int64]


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
    counts = np.bincount(small, minlength=1)
    present = np.flatnonzero(counts)
    bounds = np.concatenate([[0], np.cumsum(counts[present])])
    return Grouping(np.argsort(small, kind="stable"), present, bounds)


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
    return _encode_sorted(values[grouping.order], grouping, tables)


def decode(
    data: bytes | bytearray | memoryview, table: TableNumbers, tables: Tables
) -> npt.NDArray[np.int32]:
    """The symbols of a message that :func:`encode` made with the same tables and numbers.

    Args:
        data: all bytes of the message and no others.
        table: table number of each symbol, integers ``[N]``, or their :class:`Grouping`.
        tables: the tables.

    Returns:
        int32 ``[N]``.

    Raises:
        FormatError: no encoder writes these bytes for that many symbols under these tables.
        InputError: the table numbers cannot be used.
    """
    grouping = table if isinstance(table, Grouping) else group(table, tables)
    models = _models(tables)
    words = unpack_words(data)
    decoder = constriction.stream.queue.RangeDecoder(words)
    values = np.empty(len(grouping.order), dtype=np.int32)
    bounds = grouping.bounds.tolist()
    for number, start, stop in zip(grouping.present.tolist(), bounds, bounds[1:], strict=False):
        values[start:stop] = _decode(decoder, models.of(number), stop - start)
    minimum, sizes = _layout(grouping, tables)
    escaped = np.flatnonzero(values == sizes)
    values += minimum
    for start in range(0, len(escaped), _ESCAPES_AT_ONCE):
        chosen = escaped[start : start + _ESCAPES_AT_ONCE]
        values[chosen] = _decode_escapes(decoder, minimum[chosen], sizes[chosen])
    if _encode_sorted(values, grouping, tables) != bytes(data):
        raise FormatError(
            f"entropy-coded message of {len(data)} bytes is not what its {len(values)} symbols are "
            "written as; the stream is damaged or its model is another one"
        )
    symbols = np.empty_like(values)
    symbols[grouping.order] = values
    return symbols


def encode_many(
    symbols: Sequence[npt.ArrayLike], table: Sequence[TableNumbers], tables: Tables
) -> list[bytes]:
    """Independent messages under one set of tables, such as tiles or items of an archive."""
    return [encode(one, numbers, tables) for one, numbers in zip(symbols, table, strict=True)]


def decode_many(
    data: Sequence[bytes | bytearray | memoryview], table: Sequence[TableNumbers], tables: Tables
) -> list[npt.NDArray[np.int32]]:
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


def _as_int32(symbols: npt.ArrayLike) -> npt.NDArray[np.int32]:
    values = np.asarray(symbols)
    if values.dtype == np.int32 and values.ndim == 1:
        return values
    if values.ndim != 1 or (values.dtype.kind not in "iu" and len(values)):
        raise InputError(f"symbols must be integers [N]; got {values.dtype} {values.shape}")
    narrow = values.astype(np.int32)
    if values.dtype.itemsize >= 4 and (narrow != values).any():
        raise InputError("a symbol needs more than 32 bits")
    return narrow


def _layout(
    grouping: Grouping, tables: Tables
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Minimum and size of the table of each symbol in coding order, int32 ``[N]`` each."""
    counts = np.diff(grouping.bounds)
    minimum = np.repeat(tables.minimum[grouping.present], counts)
    return minimum, np.repeat(tables.sizes[grouping.present], counts)


def _encode_sorted(values: npt.NDArray[np.int32], grouping: Grouping, tables: Tables) -> bytes:
    """The message of symbols that are in coding order already."""
    models = _models(tables)
    minimum, sizes = _layout(grouping, tables)
    index = index_symbols(values, minimum, sizes)
    encoder = constriction.stream.queue.RangeEncoder()
    bounds = grouping.bounds.tolist()
    for number, start, stop in zip(grouping.present.tolist(), bounds, bounds[1:], strict=False):
        encoder.encode(index[start:stop], models.of(number))
    escaped = np.flatnonzero(index == sizes)
    escape_models = _models(ESCAPE_TABLES)
    for start in range(0, len(escaped), _ESCAPES_AT_ONCE):
        chosen = escaped[start : start + _ESCAPES_AT_ONCE]
        classes, bits = split_escapes(values[chosen], minimum[chosen], sizes[chosen])
        encoder.encode(classes, escape_models.of(0))
        encoder.encode(bits, escape_models.of(1))
    settled, (lower, span) = encoder.pos()
    return pack_words(encoder.get_compressed(), settled, lower, span)


def _decode_escapes(
    decoder: Any, minimum: npt.NDArray[np.int32], sizes: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    models = _models(ESCAPE_TABLES)
    classes = _decode(decoder, models.of(0), len(minimum))
    bits = _decode(decoder, models.of(1), int((classes >> 1).sum()))
    return join_escapes(classes, bits, minimum, sizes)


def _decode(decoder: Any, model: Any, count: int) -> npt.NDArray[np.int32]:
    try:
        symbols: npt.NDArray[np.int32] = decoder.decode(model, count)
    except AssertionError as error:
        # constriction's word for a number that lies in the gap above the last symbol.
        raise FormatError(
            "entropy-coded message lies outside every table; the stream is damaged"
        ) from error
    return symbols
