"""Spectra of sound as bytes: quantised coefficients, and the level of what was quantised to zero.

    coded = encode_spectra(scaled, splits, angles, layout, model, lagrange)
    spectra = decode_spectra(coded.data, channels, frames, layout, model)

A message begins with what the model file has learnt and learns on; messages do not depend on each
other. ``spectra_coding.py`` has the method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nacre.entropy.adaptive.photo_coding import Coder
from nacre.entropy.audio.spectra_coding import SCALE_BITS, code_frames
from nacre.entropy.audio.spectra_layout import (
    LARGEST,
    NODES,
    NOISE_CONTEXTS,
    NOISE_INPUTS,
    NOISES,
    Int32s,
    Layout,
    Model,
    Work,
    copied,
    new_work,
    starts_of,
)
from nacre.entropy.audio.spectra_side import code_angles, code_noise
from nacre.entropy.message import unpack_words
from nacre.entropy.sequential import (
    COUNT,
    FAILED,
    HELD,
    STATE_SIZE,
    check_decoded,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError

Splits = npt.NDArray[np.uint8]

FRAMES_AT_ONCE = 4
"""Frames between looks at how long the message has become."""
_CALLS = NODES + 16
"""Calls of the coder for one coefficient, at most."""
_REACHED = 150
"""In 1/256 of a step: a frame ends behind the last coefficient that is at least this."""


@dataclass(frozen=True)
class Spectra:
    """A stretch of one or two channels.

    Attributes:
        symbols: int32 ``[C, F, frame]``, blocks of a frame one after another.
        levels: what they stand for, in 1/256 of a step, int32 ``[C, F, frame]``.
        splits: uint8 ``[F]``.
        angles: of two channels in each band, int32 ``[bands]``; zeros for one.
    """

    symbols: Int32s
    levels: Int32s
    splits: Splits
    angles: Int32s


@dataclass(frozen=True)
class CodedSpectra(Spectra):
    """What an encoder learns beside: the message."""

    data: bytes


def encode_spectra(
    scaled: Int32s,
    splits: Splits,
    angles: Int32s,
    layout: Layout,
    model: Model,
    lagrange: int,
    *,
    work: Work | None = None,
    learn: bool = False,
) -> CodedSpectra:
    """Round and code a stretch.

    Args:
        scaled: coefficients in 1/256 of a step, int32 ``[C, F, frame]``, C 1 or 2.
        splits: uint8 ``[F]``, at most ``layout.levels``.
        angles: 0 .. ANGLES - 1, int32 ``[bands]``; not coded for one channel.
        layout: sizes.
        model: what the coder begins with.
        lagrange: what a bit is worth in 1/256 of a squared step; 0 rounds to the nearest.
        work: work space of that many channels, if its ``sums`` are wanted.
        learn: leave what was learnt in ``model`` (training does).
    """
    bound = LARGEST << SCALE_BITS
    scaled = np.ascontiguousarray(np.clip(scaled, -bound, bound), dtype=np.int32)
    channels, frames, _ = scaled.shape
    heads = np.column_stack([splits, *reaches(scaled, splits, layout)]).astype(np.int32)
    symbols, levels = np.empty_like(scaled), np.empty_like(scaled)
    angles = angles.astype(np.int32)
    coder, model = _encoder(), model if learn else copied(model)
    work = work or new_work(layout, channels)
    coder = _room(coder, len(angles) * 8)
    if channels > 1:
        code_angles(angles, model, coder)
    for first in range(0, frames, FRAMES_AT_ONCE):
        last = min(first + FRAMES_AT_ONCE, frames)
        coder = _room(coder, (last - first) * channels * (layout.frame * _CALLS + 64))
        code_frames(
            first, last, scaled, symbols, levels, heads, layout.unit, layout.levels, lagrange,
            model, work, coder,
        )  # fmt: skip
    data = encoder_bytes(coder.state, coder.words)
    return CodedSpectra(symbols, levels, heads[:, 0].astype(np.uint8), angles, data)


def decode_spectra(
    data: bytes | memoryview, channels: int, frames: int, layout: Layout, model: Model
) -> Spectra:
    """What :func:`encode_spectra` coded.

    Raises:
        FormatError: no encoder writes these bytes.
    """
    data = bytes(data)
    symbols = np.zeros((channels, frames, layout.frame), np.int32)
    levels = np.zeros_like(symbols)
    heads = np.zeros((frames, 1 + channels), np.int32)
    angles = np.zeros(layout.bands, np.int32)
    coder, model, work = _decoder(data), copied(model), new_work(layout, channels)
    if channels > 1:
        code_angles(angles, model, coder)
    for first in range(0, frames, FRAMES_AT_ONCE):
        last = min(first + FRAMES_AT_ONCE, frames)
        code_frames(
            first, last, symbols, symbols, levels, heads, layout.unit, layout.levels, 0, model,
            work, coder,
        )  # fmt: skip
        if coder.state[FAILED]:
            raise FormatError(f"spectra: frames {first} to {last} of {frames} are damaged")
    check_decoded(coder.state, data)
    return Spectra(symbols, levels, heads[:, 0].astype(np.uint8), angles)


def encode_noise(values: Int32s, model: Model, *, learn: bool = False) -> bytes:
    """Levels of noise as bytes: int32 ``[C, T, bands]``, each 0 .. NOISES - 1, C 1 or 2."""
    values = np.ascontiguousarray(values, dtype=np.int32).copy()
    coder = _room(_encoder(), values.size * NOISES)
    _noise(values, model if learn else copied(model), coder)
    return encoder_bytes(coder.state, coder.words)


def decode_noise(
    data: bytes | memoryview, channels: int, slots: int, bands: int, model: Model
) -> Int32s:
    """What :func:`encode_noise` coded.

    Raises:
        FormatError: no encoder writes these bytes.
    """
    values = np.zeros((channels, slots, bands), np.int32)
    coder = _decoder(bytes(data))
    _noise(values, copied(model), coder)
    check_decoded(coder.state, bytes(data))
    return values


def reaches(scaled: Int32s, splits: Splits, layout: Layout) -> Int32s:
    """How many units of each frame hold all that may not be zero, int32 ``[C, F]``."""
    channels, frames, frame = scaled.shape
    found = np.zeros((channels, frames), np.int32)
    for split in np.unique(splits):
        chosen = np.flatnonzero(splits == split)
        loud = np.abs(scaled[:, chosen]) >= _REACHED
        loud = loud.reshape(channels, len(chosen), 1 << split, frame >> split).any(axis=2)
        places = np.arange(1, (frame >> split) + 1) << int(split)
        found[:, chosen] = -(-(loud * places).max(axis=2) // layout.unit)
    return found


def _noise(values: Int32s, model: Model, coder: Coder) -> None:
    inputs = np.zeros(NOISE_INPUTS, np.int32)
    inputs[-1] = 256
    slots = np.zeros(NOISE_INPUTS - 1, np.int64)
    code_noise(values, starts_of(NOISE_CONTEXTS, NOISES), slots, inputs, model, coder)


def _encoder() -> Coder:
    state = np.empty(STATE_SIZE, np.uint64)
    encoder_init(state)
    return Coder(False, state, np.empty(64, np.uint32))


def _decoder(data: bytes) -> Coder:
    state = np.empty(STATE_SIZE, np.uint64)
    words = unpack_words(data)
    decoder_init(state, words)
    return Coder(True, state, words)


def _room(coder: Coder, calls: int) -> Coder:
    """The coder with room for so many calls."""
    used = int(coder.state[COUNT] + coder.state[HELD])
    needed = used + calls + 2
    if needed <= len(coder.words):
        return coder
    words = np.empty(max(needed, 2 * len(coder.words)), np.uint32)
    words[:used] = coder.words[:used]
    return Coder(coder.decoding, coder.state, words)
