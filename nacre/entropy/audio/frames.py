"""Frames: stretches of sound that decode on their own. What a frame is made of, in bytes.

A frame begins with nothing learnt, so it is where decoding can start, what a thread works on, and
what damage stays within. First the channels are looked at: one that is constant, equal to an
earlier one, padded with zero bits or of few values is said to be so, and what is left is coded, two
channels at a time. docs/format.md, "Codec 11", has the bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nacre.entropy.audio.cascade import code_cascade, new_cascade
from nacre.entropy.audio.regressions import code_regressions, new_fits
from nacre.entropy.audio.residuals import WORDS_A_SAMPLE, Coder, Int32s
from nacre.entropy.message import unpack_words
from nacre.entropy.sequential import (
    STATE_SIZE,
    check_decoded,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError, UnsupportedVersion
from nacre.stream import Bytes, Reader, pack_segments, unpack_segments, write_varint

RAW, CASCADE, REGRESSIONS = 0, 1, 2
"""First byte of a frame: samples as they are, or the predictor they are coded with."""
CODED, CONSTANT, COPY, MAPPED = 0, 1, 2, 3
"""What a channel is."""
_SPARSE = 4
"""Values are numbered where at most one in so many of their range occurs."""
_OFTEN = 16
"""And where each occurs so often, or listing them would cost more than it saves."""
_MOST_VALUES = 1 << 14
MOST_BITS = 25
"""Samples of more bits are kept as they are: filters hold 26 bits with one after the point."""


@dataclass(frozen=True)
class Channel:
    """How a channel of a frame is made from what is coded.

    Attributes:
        kind: CODED, CONSTANT, COPY or MAPPED.
        value: of CONSTANT the sample; of COPY the earlier channel; of CODED the zero bits that were
            shifted out; of MAPPED the number that stands for 0.
        values: of MAPPED all that occur, rising.
    """

    kind: int
    value: int = 0
    values: npt.NDArray[np.int64] | None = None


def bytes_of(samples: Int32s, depth: int) -> bytes:
    """Samples ``[C, N]`` as PCM: interleaved, little-endian, signed, whole bytes."""
    size = (depth + 7) // 8
    whole = np.ascontiguousarray(samples.T.astype("<i4"))
    return whole.view(np.uint8).reshape(-1, 4)[:, :size].tobytes()


def samples_of(data: Bytes, channels: int, depth: int) -> Int32s:
    """Samples ``[C, N]`` of PCM that :func:`bytes_of` made."""
    size = (depth + 7) // 8
    raw = np.frombuffer(data, np.uint8).reshape(-1, size)
    padded = np.zeros((len(raw), 4), np.uint8)
    padded[:, 4 - size :] = raw
    whole = padded.view("<i4").reshape(-1, channels) >> 8 * (4 - size)
    return np.ascontiguousarray(whole.T.astype(np.int32))


def encode_frame(samples: Int32s, depth: int, *, predictor: int) -> bytes:
    """The bytes of a frame, never more than a byte above those of its PCM.

    Args:
        samples: int32 ``[C, N]`` of ``depth`` bits, C and N at least 1.
        depth: 1 to 32.
        predictor: CASCADE or REGRESSIONS.
    """
    raw = bytes([RAW]) + bytes_of(samples, depth)
    if depth > MOST_BITS:
        return raw
    channels, coded = _look(samples)
    out = bytearray([predictor])
    for channel in channels:
        _write_channel(out, channel)
    messages = [_message(pair, predictor) for pair in _pairs(coded)]
    out += pack_segments(messages)
    return min(bytes(out), raw, key=len)


def decode_frame(data: Bytes, channels: int, length: int, depth: int) -> Int32s:
    """The samples ``[channels, length]`` of a frame.

    Raises:
        FormatError: it is damaged.
        UnsupportedVersion: its predictor is not known.
    """
    reader = Reader(data, "frame")
    predictor = reader.unsigned(1, "predictor")
    if predictor == RAW:
        body = reader.rest()
        if len(body) != channels * length * ((depth + 7) // 8):
            raise FormatError(f"frame of {channels * length:,} samples with {len(body):,} bytes")
        return samples_of(body, channels, depth)
    if predictor not in (CASCADE, REGRESSIONS):
        raise UnsupportedVersion(
            f"frame: predictor {predictor} is not known here; upgrade with `pip install -U nacre`"
        )
    described = [_read_channel(reader, place) for place in range(channels)]
    count = sum(channel.kind in (CODED, MAPPED) for channel in described)
    messages = unpack_segments(reader.rest(), where="frame")
    if len(messages) != (count + 1) // 2:
        raise FormatError(f"frame of {count} coded channels with {len(messages)} messages")
    coded: list[Int32s] = []
    for place, message in enumerate(messages):
        coded += _decode_message(message, min(2, count - 2 * place), length, predictor)
    return _assemble(described, coded, length, depth)


def _look(samples: Int32s) -> tuple[list[Channel], list[Int32s]]:
    """What each channel is, and what is left to code of those that need it."""
    described: list[Channel] = []
    coded: list[Int32s] = []
    digests: dict[bytes, int] = {}
    for place, channel in enumerate(samples):
        twin = digests.setdefault(hashlib.blake2b(channel.tobytes()).digest(), place)
        if (channel == channel[0]).all():
            described.append(Channel(CONSTANT, int(channel[0])))
        elif twin != place:
            described.append(Channel(COPY, twin))
        else:
            description, rest = _simplified(channel)
            described.append(description)
            coded.append(rest)
    return described, coded


def _simplified(channel: Int32s) -> tuple[Channel, Int32s]:
    """A channel without its zero bits, or with its values numbered."""
    used = int(np.bitwise_or.reduce(channel))
    shift = (used & -used).bit_length() - 1
    shifted = channel >> shift
    low, high = int(shifted.min()), int(shifted.max())
    if high - low >= _SPARSE:
        values = np.unique(shifted)
        most = min(_MOST_VALUES, (high - low + 1) // _SPARSE, len(channel) // _OFTEN)
        if len(values) <= most:
            zero = int(np.searchsorted(values, 0))
            numbers = np.searchsorted(values, shifted) - zero
            all_values = values.astype(np.int64) << shift
            return Channel(MAPPED, zero, all_values), numbers.astype(np.int32)
    return Channel(CODED, shift), shifted.astype(np.int32)


def _assemble(described: Sequence[Channel], coded: list[Int32s], length: int, depth: int) -> Int32s:
    """All channels from what was coded."""
    samples = np.empty((len(described), length), dtype=np.int32)
    left = iter(coded)
    half = 1 << (depth - 1)
    for place, channel in enumerate(described):
        if channel.kind == COPY:
            samples[place] = samples[channel.value]
            continue
        whole: npt.NDArray[np.int64]
        if channel.kind == CONSTANT:
            whole = np.array([channel.value], dtype=np.int64)
        elif channel.values is None:
            whole = next(left).astype(np.int64) << channel.value
        else:
            number = next(left).astype(np.int64) + channel.value
            if number.min() < 0 or number.max() >= len(channel.values):
                raise FormatError(f"channel {place} of a frame: a value that is not in its list")
            whole = channel.values[number]
        if whole.min() < -half or whole.max() >= half:
            raise FormatError(f"channel {place} of a frame: a sample outside {depth} bits")
        samples[place] = whole
    return samples


def _write_channel(out: bytearray, channel: Channel) -> None:
    out.append(channel.kind)
    write_varint(out, _folded(channel.value) if channel.kind == CONSTANT else channel.value)
    if channel.values is not None:
        write_varint(out, len(channel.values))
        write_varint(out, _folded(int(channel.values[0])))
        for gap in np.diff(channel.values):
            write_varint(out, int(gap) - 1)


def _read_channel(reader: Reader, place: int) -> Channel:
    kind = reader.unsigned(1, "kind of a channel")
    if kind == CONSTANT:
        return Channel(kind, _unfolded(reader.varint("value", (1 << 33) - 1)))
    if kind == COPY:
        if place == 0:
            raise FormatError("frame: its first channel is said to equal an earlier one")
        return Channel(kind, reader.varint("earlier channel", place - 1))
    if kind == CODED:
        return Channel(kind, reader.varint("zero bits", 31))
    if kind != MAPPED:
        raise FormatError(f"frame: kind {kind} of a channel is none of 0..3")
    zero = reader.varint("number of zero", _MOST_VALUES)
    count = reader.varint("number of values", _MOST_VALUES)
    if not count:
        raise FormatError("frame: a channel of values without values")
    steps = [_unfolded(reader.varint("first value", (1 << 33) - 1))]
    steps += [reader.varint("gap", (1 << 33) - 1) + 1 for _ in range(count - 1)]
    return Channel(kind, zero, np.cumsum(np.array(steps, dtype=np.int64)))


def _folded(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def _unfolded(value: int) -> int:
    return value >> 1 if value % 2 == 0 else -(value + 1 >> 1)


def _pairs(coded: list[Int32s]) -> list[Int32s]:
    """Channels two by two ``[2, N]``, the last one alone if their number is odd."""
    return [np.stack(coded[place : place + 2]) for place in range(0, len(coded), 2)]


def _decode_message(data: Bytes, channels: int, length: int, predictor: int) -> list[Int32s]:
    words = unpack_words(data)
    state = np.empty(STATE_SIZE, dtype=np.uint64)
    decoder_init(state, words)
    samples = np.zeros((channels, length), dtype=np.int32)
    _run(Coder(True, state, words), samples, predictor)
    check_decoded(state, data)
    return list(samples)


def _message(samples: Int32s, predictor: int) -> bytes:
    """The coded samples ``[C, N]``, C 1 or 2."""
    work = np.array(samples, dtype=np.int32, order="C")
    state = np.empty(STATE_SIZE, dtype=np.uint64)
    encoder_init(state)
    # Room for the worst case; what is never touched takes no memory.
    words = np.empty(work.size * WORDS_A_SAMPLE + 2, dtype=np.uint32)
    _run(Coder(False, state, words), work, predictor)
    return encoder_bytes(state, words)


def _run(coder: Coder, samples: Int32s, predictor: int) -> None:
    if predictor == CASCADE:
        code_cascade(coder, new_cascade(), samples)
    else:
        code_regressions(coder, new_fits(len(samples)), samples)
