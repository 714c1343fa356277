"""Tables of integers whose rows have no place in space: palettes of harmonics and their labels.

Bits are coded highest first, mixed from three contexts: the column alone, the value to the left,
and whether the value follows the one above it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.message import unpack_words
from nacre.entropy.mixing import (
    LIMIT,
    SQUASH,
    Counters,
    Weights,
    error_of,
    mix,
    new_counters,
    new_weights,
    stretch_counter,
    train,
    updated,
)
from nacre.entropy.sequential import (
    STATE_SIZE,
    Bytes,
    Number,
    State,
    Words,
    check_decoded,
    compiled,
    decode_bit,
    decoder_init,
    encode_bit,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import InputError

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

MOST_BITS = 16
_INPUTS = 8
_LIMIT = 400
_RATE = 15


def encode_table(values: Int64s, bits: int) -> bytes:
    """Integers ``[rows, columns]`` in 0 .. 2^bits - 1 as bytes.

    Raises:
        InputError: they are not that.
    """
    if values.ndim != 2 or not 1 <= bits <= MOST_BITS:
        raise InputError(f"a table of shape {values.shape} of {bits} bits")
    if values.size and ((values < 0) | (values >> bits != 0)).any():
        raise InputError(f"a value outside 0..2^{bits} - 1")
    state = np.empty(STATE_SIZE, np.uint64)
    encoder_init(state)
    words = np.empty(values.size * bits + 4, np.uint32)
    table = np.ascontiguousarray(values, np.int64)
    _code(table, bits, *_model(table.shape[1], bits), False, state, words)
    return encoder_bytes(state, words)


def decode_table(data: Bytes, rows: int, columns: int, bits: int) -> Int64s:
    """The integers of :func:`encode_table`, int64 ``[rows, columns]``.

    Raises:
        FormatError: the data are damaged.
    """
    table = np.zeros((rows, columns), np.int64)
    words = unpack_words(data)
    state = np.empty(STATE_SIZE, np.uint64)
    decoder_init(state, words)
    _code(table, bits, *_model(columns, bits), True, state, words)
    check_decoded(state, data)
    return table


def _model(columns: int, bits: int) -> tuple[Counters, Counters, Weights, Int32s]:
    return (
        new_counters(max(columns, 1), 1 << bits),
        new_counters(2, max(columns, 1), 64 * 256),
        new_weights(max(columns, 1), _INPUTS, 0.3),
        np.zeros(_INPUTS, np.int32),
    )


@compiled
def _code(
    table: Int64s,
    bits: Number,
    whole: Counters,
    parts: Counters,
    weights: Weights,
    inputs: Int32s,
    decoding: Number,
    state: State,
    words: Words,
) -> None:
    for row in range(table.shape[0]):
        for column in range(table.shape[1]):
            value = table[row, column]
            above = table[row - 1, column] if row else np.int64(0)
            left = table[row, column - 1] << 6 >> bits if column else np.int64(0)
            prefix = np.int64(0)
            for depth in range(bits):
                place = bits - 1 - depth
                node = np.int64(1) << depth | prefix
                agrees = np.int64(1 if above >> (place + 1) == prefix else 0)
                follows = (depth * 2 + agrees) * 2 + (above >> place & 1)
                near = left * 256 + (node if depth < 8 else 0)
                inputs[0] = np.int32(stretch_counter(whole[column, node]))
                inputs[1] = np.int32(stretch_counter(parts[0, column, near]))
                inputs[2] = np.int32(stretch_counter(parts[1, column, follows]))
                ones = np.int64(SQUASH[mix(weights, column, inputs) + LIMIT])
                bit: Number = value >> place & 1
                if decoding:
                    bit = decode_bit(state, words, ones)
                else:
                    encode_bit(state, words, bit, ones)
                train(weights, column, inputs, error_of(bit, ones), _RATE)
                whole[column, node] = updated(whole[column, node], bit, _LIMIT)
                parts[0, column, near] = updated(parts[0, column, near], bit, _LIMIT)
                parts[1, column, follows] = updated(parts[1, column, follows], bit, _LIMIT)
                prefix = 2 * prefix + bit
            table[row, column] = prefix
