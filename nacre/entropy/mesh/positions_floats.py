"""Positions as floats, without loss: the leading bits on a lattice, the others as they are.

With ``2^k`` so that the largest coordinate is a whole number of 24 bits (30 for float64), every
coordinate is ``q / 2^k`` with ``q`` rounded towards zero, and what ``q`` leaves out are the last
bits of its mantissa, whose number ``q`` tells. The whole numbers are coded as positions, the last
bits under counters that find out if they are zeros. Of a coordinate with ``q = 0`` sign, exponent
and mantissa are coded. NaN, infinities and their bits are a list. (After Isenburg, Lindstrom and
Snoeyink, "Lossless compression of predicted floating-point geometry", 2005.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.network import Network
from nacre.entropy.mesh.positions import decode_positions, encode_positions
from nacre.entropy.mesh.positions_tables import Coder, code_even, code_learned
from nacre.entropy.mesh.surface import Surface
from nacre.entropy.message import unpack_words
from nacre.entropy.mixing import Counters, new_counters
from nacre.entropy.sequential import (
    STATE_SIZE,
    Number,
    check_decoded,
    compiled,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError, InputError
from nacre.stream import Reader, pack_segments, unpack_segments, write_varint

Floats = npt.NDArray[np.floating[Any]]
Int64s = npt.NDArray[np.int64]


class _Form(NamedTuple):
    """A float format.

    Attributes:
        float: the NumPy type.
        word: unsigned integers as wide.
        mantissa: bits of a mantissa with its leading one.
        whole: bits of the largest whole number.
        least: exponent of the least number above 0.
    """

    float: type[np.floating[Any]]
    word: type[np.unsignedinteger[Any]]
    mantissa: int
    whole: int
    least: int

    @property
    def stored(self) -> int:
        """Bits of a mantissa without its leading one."""
        return self.mantissa - 1


_FORMS = (
    _Form(np.float32, np.uint32, 24, 24, -149),
    _Form(np.float64, np.uint64, 53, 30, -1074),
)
_TREE = 4096
"""Counters before those of exponents: 64 for each number of last bits."""
_COUNTERS = _TREE + 2 * 2048 + 2048 + 2
_SIGN = _COUNTERS - 2


@compiled
def _code_bits(
    value: Number, bits: Number, row: Number, counters: Counters, coder: Coder
) -> Number:
    """Bits of a number, most significant first, each under its place's counter."""
    found = np.int64(0)
    for place in range(bits - 1, -1, -1):
        bit = (value >> place) & 1
        bit = code_learned(bit, counters, row + place, coder)
        found = 2 * found + bit
    return found


@compiled
def _code_small(
    word: Number, stored: Number, exponents: Number, counters: Counters, coder: Coder
) -> Number:
    """The bits of a float whose whole number is 0: sign, exponent (a tree), zero or mantissa."""
    width = stored + exponents
    sign = code_learned((word >> width) & 1, counters, _SIGN, coder)
    exponent = np.int64(1)
    for place in range(exponents - 1, -1, -1):
        bit = (word >> (stored + place)) & 1
        bit = code_learned(bit, counters, _TREE + 2048 * sign + exponent, coder)
        exponent = 2 * exponent + bit
    exponent -= np.int64(1) << exponents
    mantissa = word & ((np.int64(1) << stored) - 1)
    row = _TREE + 4096 + exponent
    some = code_learned(np.int64(1) if mantissa else np.int64(0), counters, row, coder)
    found = np.int64(0)
    if some:
        for place in range(stored - 1, -1, -1):
            found = 2 * found + code_even((mantissa >> place) & 1, coder)
    return (((sign << exponents) | exponent) << stored) | found


@compiled
def _code_rests(
    whole: Int64s, words: Int64s, form: tuple[Number, Number], counters: Counters, coder: Coder
) -> None:
    """Code what whole numbers (flat) leave out of floats; ``words`` are the floats' bits.

    For whole numbers other than 0 only the last bits of ``words`` are read or written.
    """
    stored, exponents = form
    for i in range(len(whole)):
        size = abs(whole[i])
        if size == 0:
            words[i] = _code_small(words[i], stored, exponents, counters, coder)
            continue
        length = np.int64(0)
        while size >> length:
            length += 1
        bits = stored + 1 - length
        value = words[i] & ((np.int64(1) << bits) - 1)
        words[i] = _code_bits(value, bits, 64 * bits, counters, coder)


def _exponents(form: _Form) -> int:
    return 8 * np.dtype(form.word).itemsize - form.mantissa


def _power_of(values: Floats, form: _Form) -> int:
    """The k for which the largest value times 2^k has ``form.whole`` bits."""
    largest = float(np.abs(values).max(initial=0.0))
    return form.whole - int(np.frexp(largest)[1]) if largest else 0


def _scaled(values: npt.NDArray[np.float64], power: int) -> npt.NDArray[np.float64]:
    """``values * 2^power``, exactly wherever the result has a place in float64."""
    half = power // 2
    result: npt.NDArray[np.float64] = np.ldexp(np.ldexp(values, half), power - half)
    return result


def encode_floats(
    surface: Surface, vertices: Floats, *, effort: int = 2, network: Network | None = None
) -> bytes:
    """Code positions without loss, each bit of them.

    Args:
        surface: the connectivity.
        vertices: float32 or float64 ``[N, 3]``, in the surface's numbering; any values.
        effort: as for ``encode_positions``.
        network: as for ``encode_positions``.

    Raises:
        InputError: the vertices have another shape or type.
    """
    values = np.ascontiguousarray(vertices)
    number = next((n for n, form in enumerate(_FORMS) if values.dtype == form.float), None)
    if number is None or values.shape != (surface.vertices, 3):
        raise InputError(
            f"positions must be float32 or float64 [{surface.vertices}, 3]; "
            f"got {values.dtype} {values.shape}"
        )
    form = _FORMS[number]
    words = values.view(form.word).ravel()
    odd = np.flatnonzero(~np.isfinite(values.ravel()))
    head = bytearray([number])
    write_varint(head, len(odd))
    for gap in np.diff(odd, prepend=0):
        write_varint(head, int(gap))
    head += words[odd].astype(words.dtype.newbyteorder("<")).tobytes()
    plain = np.where(np.isfinite(values), values, 0).astype(np.float64)
    power = _power_of(plain, form)
    write_varint(head, 2 * power if power >= 0 else -2 * power - 1)
    whole = np.trunc(_scaled(plain, power)).astype(np.int64)
    bits = np.where(np.isfinite(values.ravel()), words, 0).astype(np.uint64).view(np.int64)
    state = np.empty(STATE_SIZE, dtype=np.uint64)
    encoder_init(state)
    buffer = np.empty(values.size * (form.stored + 20) + 2, dtype=np.uint32)
    counters = new_counters(_COUNTERS)
    shape = (form.stored, _exponents(form))
    _code_rests(whole.ravel(), bits.copy(), shape, counters, Coder(False, state, buffer))
    positions = encode_positions(surface, whole, effort=effort, network=network)
    return pack_segments([bytes(head), positions, encoder_bytes(state, buffer)])


def _joined(whole: Int64s, rests: Int64s, power: int, form: _Form) -> npt.NDArray[Any]:
    """Floats of whole numbers and what those leave out."""
    size = np.abs(whole)
    length = np.frexp(size.astype(np.float64))[1].astype(np.int64)
    mantissa = (size << np.maximum(form.mantissa - length, 0)) | rests
    exact = _scaled(mantissa.astype(np.float64), -power - form.mantissa)
    exact = np.ldexp(exact, length)
    small = rests.view(np.uint64).astype(form.word).view(form.float)
    with np.errstate(over="ignore"):
        large = np.where(whole < 0, -exact, exact).astype(form.float)
    return np.where(whole == 0, small, large)


def decode_floats(data: bytes, surface: Surface, *, network: Network | None = None) -> Floats:
    """The positions that :func:`encode_floats` coded, float32 or float64 ``[N, 3]``.

    Raises:
        FormatError: the data are damaged.
        ModelError: the message needs a network and there is none.
    """
    segments = unpack_segments(data, where="float positions")
    if len(segments) != 3:
        raise FormatError(f"float positions have 3 segments; found {len(segments)}")
    reader = Reader(segments[0], "float positions")
    number = reader.unsigned(1, "type")
    if number >= len(_FORMS):
        raise FormatError(f"float positions: type {number} is not known")
    form, count = _FORMS[number], 3 * surface.vertices
    odd = reader.varint("number of odd values", count)
    gaps = [reader.varint("place of an odd value", count) for _ in range(odd)]
    places = np.cumsum(np.array(gaps, dtype=np.int64))
    if odd and (places[-1] >= count or min(gaps[1:], default=1) < 1):
        raise FormatError("float positions: a place lies outside")
    width = np.dtype(form.word).itemsize
    strange = np.frombuffer(reader.take(odd * width, "odd values"), f"<u{width}")
    coded = reader.varint("power", 8192)
    reader.expect_end()
    power = -(coded + 1) // 2 if coded & 1 else coded // 2
    whole = decode_positions(bytes(segments[1]), surface, network=network).ravel()
    if len(whole) and int(np.abs(whole).max()) >= 1 << form.whole:
        raise FormatError("float positions: a whole number is too large")
    state = np.empty(STATE_SIZE, dtype=np.uint64)
    rest = bytes(segments[2])
    words = unpack_words(rest)
    decoder_init(state, words)
    rests = np.zeros(count, dtype=np.int64)
    shape = (form.stored, _exponents(form))
    _code_rests(whole, rests, shape, new_counters(_COUNTERS), Coder(True, state, words))
    check_decoded(state, rest)
    values = _joined(whole, rests, power, form)
    values.view(form.word)[places] = strange
    return values.reshape(-1, 3)
