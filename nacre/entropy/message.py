"""The bytes of one message, and the escape code: what every coder of nacre has in common.

A message is one number V in [0, 1) inside the interval that the range coder has narrowed down to,
its bytes written most significant first. V is chosen to end early, and zero bytes are left out
where they fall into the coder's last 64 bits; a decoder reads zeros past the end. Two encoders
therefore agree on every byte, and a decoder can tell bytes that no encoder writes: all that are
too long, and most that were cut (docs/entropy.md, "Bytes").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.tables import TOTAL, Tables
from nacre.errors import FormatError

WORD_BITS = 32
STATE_BITS = 64
_STATE = 1 << STATE_BITS
ESCAPE_CLASSES = 32
"""Bit lengths of the distance from a table: that of an int32 is 1 to 2^32 - 1."""


def _escape_tables() -> Tables:
    """The table of (length class, side) of an escape, and the table of one even bit.

    Exp-Golomb code of order 0 and one bit for the side: 2^-(2 + k) for class ``k``. Classes from 22
    on have the least frequency there is, which class 0 pays for. A set of tables always has an
    escape of its own; here it is the last symbol, an ordinary one.
    """
    shares = [1 << (22 - k) if 0 < k < 22 else 1 for k in range(ESCAPE_CLASSES)]
    shares[0] = TOTAL // 2 - sum(shares[1:])
    classes = np.repeat(np.array(shares), 2)
    return Tables.from_frequencies(
        np.concatenate([classes, [TOTAL // 2, TOTAL // 2]]), [2 * ESCAPE_CLASSES - 1, 1], [0, 0]
    )


ESCAPE_TABLES = _escape_tables()
"""Table 0: index ``2 k + side``, ``k`` in 0..31, side 0 below and 1 above. Table 1: one bit."""


def seal(lower: int, span: int) -> tuple[int, bool]:
    """The shortest V of an interval, seen through the coder's last 64 bits.

    Args:
        lower: lower end of the interval, 0 <= lower < 2^64.
        span: its length, 2^32 <= span < 2^64.

    Returns:
        V modulo 2^64 and whether a one is carried into the words before.
    """
    for kept_bits in range(0, STATE_BITS + 1, 8):
        unit = STATE_BITS - kept_bits
        value = -(-lower >> unit) << unit
        if value < lower + span:
            break
    return value % _STATE, value >= _STATE


def pack_words(words: npt.NDArray[np.uint32], settled: int, lower: int, span: int) -> bytes:
    """The bytes of a message from the words of a sealed range coder.

    Args:
        words: uint32, as constriction's ``RangeEncoder.get_compressed()`` gives them.
        settled: how many words lie before the last 64 bits of the state.
        lower: lower end of the interval in those 64 bits.
        span: length of the interval.
    """
    head = words[:settled].astype(">u4").tobytes()
    if lower > _STATE - (1 << WORD_BITS):
        # constriction has rounded up into the next word: the carry is in the words already.
        return head
    value, carried = seal(lower, span)
    if carried:
        kept = head.rstrip(b"\xff")
        head = kept[:-1] + bytes([kept[-1] + 1]) + bytes(len(head) - len(kept))
    return head + value.to_bytes(8, "big").rstrip(b"\0")


def unpack_words(data: bytes | bytearray | memoryview) -> npt.NDArray[np.uint32]:
    """The words of a message, the last one filled up with zeros, uint32."""
    raw = bytes(data)
    return np.frombuffer(raw + bytes(-len(raw) % 4), dtype=">u4").astype(np.uint32)


def split_escapes(
    symbols: npt.NDArray[np.int32],
    minimum: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Indices of table 0 and bits (table 1) that say where ``symbols`` lie outside their tables.

    Args:
        symbols: int32 ``[E]``, each outside its table.
        minimum: the first integer of each one's table, int32 ``[E]``.
        sizes: how many integers each one's table has, int32 ``[E]``.

    Returns:
        int32 ``[E]``, and the bits below the leading one of each excess plus one, most
        significant first, one symbol after another, int32.
    """
    first = minimum.astype(np.int64)
    above = symbols >= first
    distance = np.where(above, symbols - (first + sizes) + 1, first - symbols)
    lengths = np.frexp(distance.astype(np.float64))[1] - 1
    owner = np.repeat(np.arange(len(symbols)), lengths)
    place = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(len(owner))
    bits = distance[owner] >> place & 1
    return (2 * lengths + above).astype(np.int32), bits.astype(np.int32)


def join_escapes(
    classes: npt.NDArray[np.int32],
    bits: npt.NDArray[np.int32],
    minimum: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int32],
) -> npt.NDArray[np.int32]:
    """The symbols that :func:`split_escapes` took apart, int32 ``[E]``.

    Raises:
        FormatError: one is no integer of 32 bits.
    """
    lengths = classes >> 1
    owner = np.repeat(np.arange(len(classes)), lengths)
    place = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(len(owner))
    distance = np.left_shift(np.int64(1), lengths.astype(np.int64))
    np.add.at(distance, owner, bits.astype(np.int64) << place)
    first = minimum.astype(np.int64)
    symbols = np.where(classes & 1 == 1, first + sizes - 1 + distance, first - distance)
    if (symbols != symbols.astype(np.int32)).any():
        raise FormatError("an escaped value exceeds 32 bits; the stream is damaged")
    return symbols.astype(np.int32)
