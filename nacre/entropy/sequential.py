"""The range coder as compiled functions, for models that learn from every symbol.

A model that adapts cannot name its tables beforehand, so it codes inside its own compiled loop.
These are plain compiled functions on a state array; their words equal those of constriction's
``RangeEncoder`` and ``RangeDecoder`` (32-bit words, 64-bit state; Pasco 1976, carries resolved
late), and their bytes are those of ``coder``. docs/entropy.md, "From another loop", has an example.

Encoding: ``encoder_init``, then ``encode_symbol`` for each symbol, then ``encoder_bytes``.
Decoding: ``decoder_init``, then ``decode_target``, a search and ``decode_advance`` for each symbol,
then ``check_decoded``. Binary decisions have ``encode_bit`` and ``decode_bit``, without division.
:func:`encode` and :func:`decode` do this for known tables, in the order of the symbols (``coder``
groups them, so the bytes differ).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from nacre.entropy.message import ESCAPE_TABLES, pack_words, seal, unpack_words
from nacre.entropy.tables import PRECISION, TOTAL, Integers, Tables
from nacre.errors import FormatError, InputError

Function = TypeVar("Function", bound=Callable[..., Any])
Bytes = bytes | bytearray | memoryview
Number = int | np.integer[Any]
State = npt.NDArray[np.uint64]
Words = npt.NDArray[np.uint32]
Int32s = npt.NDArray[np.int32]
Layout = tuple[Words, Int32s, Int32s]
"""``cumulative``, ``offsets`` and ``minimum`` of a set of tables."""

STATE_SIZE = 5
"""Entries of a state array (uint64), of an encoder and of a decoder alike."""
LOWER, SPAN = 0, 1
COUNT, HELD, FIRST = 2, 3, 4
"""Encoder: words written, words held back until a carry is known, the first of those."""
POINT, POSITION, FAILED = 2, 3, 4
"""Decoder: the 64 bits under the state, words read (also past the end), 1 after impossible data."""

# Numba turns a mix of uint64 and int64 into floats, so every constant has its type.
_0, _1, _24, _32 = np.uint64(0), np.uint64(1), np.uint64(PRECISION), np.uint64(32)
_FULL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_LEAST_SPAN = np.uint64(1 << 32)
_WORD_MASK = np.uint64(0xFFFF_FFFF)
_CLASS_EDGES = ESCAPE_TABLES.cumulative[: ESCAPE_TABLES.offsets[1]].astype(np.int64)
_HALF = TOTAL // 2


def compiled(function: Function) -> Function:
    """Compile a function that allocates nothing.

    So it needs none of Numba's reference counts; with them each symbol pays for atomic increments,
    and coding is four times slower. Floats keep their order: ``fastmath`` is off.
    """
    return cast(Function, njit(cache=True, nogil=True, _nrt=False)(function))  # type: ignore[call-overload]


@compiled
def encoder_init(state: State) -> None:
    """Make ``state`` (uint64 ``[STATE_SIZE]``) that of an encoder which has seen nothing."""
    state[:] = _0
    state[SPAN] = _FULL


@compiled
def _write_held(state: State, words: Words, carry: bool) -> None:
    count = np.int64(state[COUNT])
    words[count] = np.uint32(state[FIRST] + _1) if carry else np.uint32(state[FIRST])
    for place in range(1, np.int64(state[HELD])):
        words[count + place] = np.uint32(0) if carry else np.uint32(0xFFFF_FFFF)
    state[COUNT] += state[HELD]
    state[HELD] = _0


@compiled
def _settle(state: State, words: Words, before: np.uint64) -> None:
    """Write what has become certain; ``before`` is the lower end before the last symbol."""
    lower, span = state[LOWER], state[SPAN]
    if state[HELD] != _0 and lower + span > lower:
        _write_held(state, words, lower < before)
    if span < _LEAST_SPAN:
        word = lower >> _32
        lower <<= _32
        span <<= _32
        if state[HELD] != _0:
            state[HELD] += _1
        elif lower + span > lower:
            words[np.int64(state[COUNT])] = np.uint32(word)
            state[COUNT] += _1
        else:
            state[HELD] = _1
            state[FIRST] = word
        state[LOWER] = lower
        state[SPAN] = span


@compiled
def encode_symbol(state: State, words: Words, low: Number, frequency: Number) -> None:
    """Code one symbol.

    Args:
        state: the encoder.
        words: uint32, where words go; one for each call and two more are always enough. To keep it
            small, look at ``state[COUNT] + state[HELD]`` now and then and copy to a longer array.
        low: cumulative frequency of the symbols before it, 0 <= low < 2^24.
        frequency: its frequency, 1 <= frequency <= 2^24 - low.
    """
    scale = state[SPAN] >> _24
    span = scale * np.uint64(frequency)
    before = state[LOWER]
    state[LOWER] = before + scale * np.uint64(low)
    state[SPAN] = span
    if span < _LEAST_SPAN or state[HELD] != _0:
        _settle(state, words, before)


@compiled
def encode_bit(state: State, words: Words, bit: Number, ones: Number) -> None:
    """Code one bit under the table of two symbols {ones, 2^24 - ones}, that of a one coming first.

    The words are those of ``encode_symbol(state, words, 0, ones)`` for a one and of
    ``encode_symbol(state, words, ones, 2^24 - ones)`` for a zero.

    Args:
        state: the encoder.
        words: as for :func:`encode_symbol`; a bit is one call.
        bit: 0 or 1.
        ones: frequency of a one, 1 <= ones < 2^24.
    """
    scale = state[SPAN] >> _24
    bound = scale * np.uint64(ones)
    before = state[LOWER]
    span = bound if bit else (scale << _24) - bound
    state[LOWER] = before if bit else before + bound
    state[SPAN] = span
    if span < _LEAST_SPAN or state[HELD] != _0:
        _settle(state, words, before)


@compiled
def encode_escape(
    state: State, words: Words, symbol: Number, minimum: Number, size: Number
) -> None:
    """Code a symbol that lies outside its table, after the table's escape symbol.

    Args:
        state: the encoder.
        words: as for :func:`encode_symbol`, of which this makes up to 32 calls.
        symbol: an int32 value below ``minimum`` or from ``minimum + size`` on.
        minimum: the first integer of its table.
        size: how many integers its table has.
    """
    value, first = np.int64(symbol), np.int64(minimum)
    above = 1 if value >= first else 0
    distance = value - (first + np.int64(size)) + 1 if above else first - value
    length = 0
    while distance >> (length + 1):
        length += 1
    index = 2 * length + above
    low = _CLASS_EDGES[index]
    encode_symbol(state, words, low, _CLASS_EDGES[index + 1] - low)
    for place in range(length - 1, -1, -1):
        encode_symbol(state, words, _HALF * ((distance >> place) & 1), _HALF)


@compiled
def encoder_finish(state: State, words: Words) -> Number:
    """Write the last words as constriction does and return how many there are in all.

    The state still describes the interval afterwards; :func:`encoder_bytes` needs it.
    """
    if state[SPAN] == _FULL:
        return 0
    lower = state[LOWER]
    point = lower + _WORD_MASK
    settled = state[COUNT] + state[HELD]
    if state[HELD] != _0:
        _write_held(state, words, point < lower)
    count = np.int64(settled)
    words[count] = np.uint32(point >> _32)
    count += 1
    if (lower + state[SPAN]) >> _32 == point >> _32:
        words[count] = np.uint32(0)
        count += 1
    return count


def encoder_bytes(state: State, words: Words) -> bytes:
    """The bytes of the finished message."""
    settled = int(state[COUNT] + state[HELD])
    count = encoder_finish(state, words)
    return pack_words(words[:count], settled, int(state[LOWER]), int(state[SPAN]))


@compiled
def _read(state: State, words: Words) -> np.uint64:
    position = np.int64(state[POSITION])
    state[POSITION] += _1
    return np.uint64(words[position]) if position < len(words) else _0


@compiled
def decoder_init(state: State, words: Words) -> None:
    """Make ``state`` that of a decoder at the beginning of ``words`` (from ``unpack_words``)."""
    state[:] = _0
    state[SPAN] = _FULL
    state[POINT] = _read(state, words) << _32
    state[POINT] |= _read(state, words)


@compiled
def decode_target(state: State) -> Number:
    """The number in ``0 .. 2^24 - 1`` that lies in the next symbol's interval.

    Data that no encoder writes may lie above every interval: then ``state[FAILED]`` is set, the
    highest number is returned, and decoding goes on safely until :func:`check_decoded` refuses it.
    """
    target = np.int64((state[POINT] - state[LOWER]) // (state[SPAN] >> _24))
    if target >= TOTAL:
        state[FAILED] = _1
        return TOTAL - 1
    return target


@compiled
def decode_advance(state: State, words: Words, low: Number, frequency: Number) -> None:
    """Step over the symbol with this interval, in which :func:`decode_target` must lie."""
    scale = state[SPAN] >> _24
    state[LOWER] += scale * np.uint64(low)
    span = scale * np.uint64(frequency)
    if span < _LEAST_SPAN:
        state[LOWER] <<= _32
        span <<= _32
        state[POINT] = state[POINT] << _32 | _read(state, words)
    state[SPAN] = span


@compiled
def decode_bit(state: State, words: Words, ones: Number) -> Number:
    """The bit, 0 or 1, that :func:`encode_bit` coded with this frequency of a one.

    It compares where :func:`decode_target` divides. Impossible data set ``state[FAILED]`` and give
    a zero.
    """
    scale = state[SPAN] >> _24
    bound = scale * np.uint64(ones)
    whole = scale << _24
    distance = state[POINT] - state[LOWER]
    bit = distance < bound
    if distance >= whole:
        state[FAILED] = _1
    span = bound if bit else whole - bound
    lower = state[LOWER] if bit else state[LOWER] + bound
    if span < _LEAST_SPAN:
        lower <<= _32
        span <<= _32
        state[POINT] = state[POINT] << _32 | _read(state, words)
    state[LOWER] = lower
    state[SPAN] = span
    return 1 if bit else 0


@compiled
def find(edges: Integers, target: Number, first: Number, last: Number) -> Number:
    """The index ``i`` in ``first .. last`` with ``edges[i] <= target < edges[i + 1]``.

    Args:
        edges: cumulative frequencies of one table, rising.
        target: what :func:`decode_target` gave.
        first: an index known not to be above it.
        last: an index known not to be below it.
    """
    while first < last:
        middle = (first + last + 1) >> 1
        if np.int64(edges[middle]) <= target:
            first = middle
        else:
            last = middle - 1
    return first


@compiled
def decode_escape(state: State, words: Words, minimum: Number, size: Number) -> Number:
    """The symbol that :func:`encode_escape` coded; sets ``state[FAILED]`` if it exceeds int32."""
    target = decode_target(state)
    index = find(_CLASS_EDGES, target, 0, len(_CLASS_EDGES) - 2)
    low = _CLASS_EDGES[index]
    decode_advance(state, words, low, _CLASS_EDGES[index + 1] - low)
    distance = np.int64(1)
    for _ in range(index >> 1):
        bit = 1 if decode_target(state) >= _HALF else 0
        decode_advance(state, words, _HALF * bit, _HALF)
        distance = 2 * distance + bit
    first = np.int64(minimum)
    symbol = first + np.int64(size) - 1 + distance if index & 1 else first - distance
    if symbol < -(1 << 31) or symbol >= 1 << 31:
        state[FAILED] = _1
        return 0
    return symbol


def check_decoded(state: State, data: Bytes) -> None:
    """Refuse data of which an encoder would not have written exactly these bytes.

    Args:
        state: the decoder, after the last symbol.
        data: the whole message.

    Raises:
        FormatError: the data are damaged, or were coded under other tables.
    """
    value, _ = seal(int(state[LOWER]), int(state[SPAN]))
    length = 4 * (int(state[POSITION]) - 2) + len(value.to_bytes(8, "big").rstrip(b"\0"))
    if state[FAILED] or int(state[POINT]) != value or len(data) != length:
        raise FormatError(
            f"entropy-coded message of {len(data)} bytes is not what its symbols are written as; "
            "the stream is damaged or its model is another one"
        )


@compiled
def _fill_hints(cumulative: Words, offsets: Int32s, found: Words) -> None:
    for table in range(len(offsets) - 1):
        start, last = offsets[table], offsets[table + 1] - offsets[table] - 2
        index = 0
        for bucket in range(256):
            while np.int64(cumulative[start + index + 1]) <= bucket << 16:
                index += 1
            found[table, bucket] = index
        found[table, 256] = last


def hints(tables: Tables) -> Words:
    """Where to search: entry ``[t, b]`` is the index that holds ``b * 2^16`` in table ``t``.

    Returns:
        uint32 ``[T, 257]``; the last entry is the table's last index.
    """
    found = np.empty((tables.count, 257), dtype=np.uint32)
    _fill_hints(tables.cumulative, tables.offsets, found)
    return found


@compiled
def _count_escapes(symbols: Int32s, table: Int32s, layout: Layout) -> int:
    _, offsets, minimum = layout
    count = 0
    for symbol, number in zip(symbols, table):  # noqa: B905 - Numba knows no "strict"
        index = np.int64(symbol) - minimum[number]
        count += index < 0 or index >= offsets[number + 1] - offsets[number] - 2
    return count


@compiled
def _encode_all(symbols: Int32s, table: Int32s, layout: Layout, state: State, words: Words) -> None:
    cumulative, offsets, minimum = layout
    for place in range(len(symbols)):
        number = table[place]
        first, start = np.int64(minimum[number]), np.int64(offsets[number])
        size = np.int64(offsets[number + 1]) - start - 2
        index = np.int64(symbols[place]) - first
        if index < 0 or index > size:
            index = size
        low = np.int64(cumulative[start + index])
        encode_symbol(state, words, low, np.int64(cumulative[start + index + 1]) - low)
        if index == size:
            encode_escape(state, words, symbols[place], first, size)


@compiled
def _decode_all(
    words: Words, table: Int32s, layout: Layout, near: Words, state: State, symbols: Int32s
) -> None:
    cumulative, offsets, minimum = layout
    for place in range(len(table)):
        number = table[place]
        start = np.int64(offsets[number])
        size = np.int64(offsets[number + 1]) - start - 2
        target = decode_target(state)
        bucket = target >> 16
        first, last = np.int64(near[number, bucket]), np.int64(near[number, bucket + 1])
        index = find(cumulative[start : start + size + 2], target, first, last)
        low = np.int64(cumulative[start + index])
        decode_advance(state, words, low, np.int64(cumulative[start + index + 1]) - low)
        if index == size:
            symbols[place] = decode_escape(state, words, minimum[number], size)
        else:
            symbols[place] = minimum[number] + index


def _numbers(table: Integers, tables: Tables) -> Int32s:
    numbers = np.asarray(table)
    if numbers.ndim != 1 or (len(numbers) and (numbers.min() < 0 or numbers.max() >= tables.count)):
        raise InputError(f"table numbers must be integers [N] in 0..{tables.count - 1}")
    return np.ascontiguousarray(numbers, dtype=np.int32)


def encode(symbols: Int32s, table: Integers, tables: Tables) -> bytes:
    """One message, its symbols coded in the order given.

    Args:
        symbols: int32 ``[N]``; those outside their table escape.
        table: table number of each, integers ``[N]``.
        tables: the tables.

    Raises:
        InputError: the lengths differ or a table number is out of range.
    """
    numbers = _numbers(table, tables)
    values = np.ascontiguousarray(symbols, dtype=np.int32)
    if values.shape != numbers.shape:
        raise InputError(f"{values.size} symbols but {numbers.size} table numbers")
    layout = (tables.cumulative, tables.offsets, tables.minimum)
    escapes = _count_escapes(values, numbers, layout)
    words = np.empty(len(values) + 32 * escapes + 2, dtype=np.uint32)
    state = np.empty(STATE_SIZE, dtype=np.uint64)
    encoder_init(state)
    _encode_all(values, numbers, layout, state, words)
    return encoder_bytes(state, words)


def decode(data: Bytes, table: Integers, tables: Tables, near: Words | None = None) -> Int32s:
    """The symbols of a message that :func:`encode` made, int32 ``[N]``.

    Args:
        data: all bytes of the message and no others.
        table: table number of each symbol, integers ``[N]``.
        tables: the tables.
        near: :func:`hints` of the tables, if they are at hand.

    Raises:
        FormatError: no encoder writes these bytes for that many symbols under these tables.
        InputError: a table number is out of range.
    """
    numbers = _numbers(table, tables)
    words = unpack_words(data)
    state = np.empty(STATE_SIZE, dtype=np.uint64)
    decoder_init(state, words)
    symbols = np.empty(len(numbers), dtype=np.int32)
    layout = (tables.cumulative, tables.offsets, tables.minimum)
    _decode_all(words, numbers, layout, hints(tables) if near is None else near, state, symbols)
    check_decoded(state, data)
    return symbols
