"""What the codecs ``walloc-stereo`` and ``walloc-speech`` share: segments and the payload.

    samples ─(resample)─▶ segments ─▶ lapped spectrum ─▶ rotation ─▶ symbols ─▶ bytes

PAYLOAD begins with a table, all varints: the ratio of rates (model over recording, two), strength
of the noise (in 1/64 of what was measured), latents kept (0: all), number of segments, length of
each; then the CRC-32 of the table. Segments follow, of each stretch of time the pairs of channels
in turn. A segment: CRC-32 of the rest, step code (u16, 1/32 octave), length of the spectrum
(varint), the spectrum, the levels of noise. docs/walloc-audio.md is the specification.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.audio.spectra import (
    Spectra,
    decode_noise,
    decode_spectra,
    encode_noise,
    encode_spectra,
)
from nacre.entropy.audio.spectra_layout import Layout, Model, model_from_arrays
from nacre.errors import ChecksumMismatch, FormatError, ModelError, Truncated
from nacre.stream import AudioShape, Body, Bytes, Reader, write_varint
from nacre.transforms.lapped import analyze, synthesize
from nacre.transforms.walloc_audio import (
    Geometry,
    bands_of,
    choose_splits,
    measure_noise,
    noise_of,
    rotate,
)

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]

STEPS_PER_OCTAVE = 32
_FINEST = -4
"""log2 of the step of code 0, in 16-bit samples."""
_MOST_CODE = 1023
_CRC_BYTES = 4
_HEAD_BYTES = 64
LAGRANGE = 24
"""What a bit is worth, in 1/256 of a squared step."""
_MOST_RATIO = 1000
_MOST_GROWTH = 8
_LOWEST_RATE = 4000


@dataclass(frozen=True)
class Mode:
    """How a codec works.

    Attributes:
        geometry: of its spectra.
        native: lowest and highest rate that is coded as it is, in Hz.
        rate_hz: that others are resampled to, or near.
    """

    geometry: Geometry
    native: tuple[int, int]
    rate_hz: int

    @property
    def layout(self) -> Layout:
        """Sizes for the coder."""
        return Layout(self.geometry.frame, self.geometry.levels, self.geometry.edges)

    @property
    def segment(self) -> int:
        """Samples of a segment."""
        return self.geometry.segment * self.geometry.frame

    def ratio(self, rate_hz: int) -> Fraction:
        """The model's rate over that of a recording."""
        low, high = self.native
        if low <= rate_hz <= high or rate_hz < _LOWEST_RATE:
            return Fraction(1)
        near = (0.95 * self.rate_hz, 1.13 * self.rate_hz)
        for whole in (
            Fraction(max(round(self.rate_hz / rate_hz), 1)),
            Fraction(1, max(round(rate_hz / self.rate_hz), 1)),
        ):
            if near[0] <= whole * rate_hz <= near[1]:
                return whole
        return Fraction(self.rate_hz, rate_hz).limit_denominator(500)


@dataclass(frozen=True)
class Weights:
    """What a model file holds.

    Attributes:
        coder: of spectra.
        order: latents by importance, the first channel's coefficients then the second's: int64
            ``[2 * frame]``.
    """

    coder: Model
    order: npt.NDArray[np.int64]

    def order_of(self, channels: int, frame: int) -> npt.NDArray[np.int64]:
        """Of one or two channels, ``[C * frame]``."""
        return self.order if channels == 2 else self.order[self.order < frame]


def weights_from_arrays(arrays: Mapping[str, npt.NDArray[Any]], mode: Mode) -> Weights:
    """What the arrays of a model file mean.

    Raises:
        ModelError: they are not those of such a model.
    """
    frame = mode.geometry.frame
    order = arrays.get("order")
    if order is None or not np.array_equal(np.sort(order), np.arange(2 * frame)):
        raise ModelError(f"array 'order' is no order of {2 * frame} latents")
    return Weights(model_from_arrays(arrays), order.astype(np.int64))


def step_of(code: int) -> float:
    """Step of a stored code, in 16-bit samples."""
    return float(2.0 ** (code / STEPS_PER_OCTAVE + _FINEST))


def step_code(quality: float, level: float) -> int:
    """The code for a quality (0 .. 100; 50: as large as the mean level) and a level (RMS)."""
    if level <= 0:
        return 0
    octaves = math.log2(level) + (50 - quality) / 10 - _FINEST
    return min(max(round(STEPS_PER_OCTAVE * octaves), 0), _MOST_CODE)


# ---- payload ----


@dataclass(frozen=True)
class Payload:
    """A parsed payload; nothing is decoded.

    Attributes:
        body: where it lies.
        ratio: the model's rate over the recording's.
        strength: of the noise, 1 for what was measured.
        kept: latents that were coded, or 0: all.
        samples: of a channel at the model's rate.
        groups: channels of each group: pairs, and one for an odd last one.
        offsets: where segments begin, and the end of the last one: of each stretch of time, those
            of its groups.
    """

    body: Body
    ratio: Fraction
    strength: float
    kept: int
    samples: int
    groups: tuple[int, ...]
    offsets: tuple[int, ...]

    @property
    def stretches(self) -> int:
        """Stretches of time that are coded on their own."""
        return (len(self.offsets) - 1) // len(self.groups)

    def read(self, stretch: int) -> list[bytes | FormatError]:
        """The segments of a stretch of time, or why they are not there."""
        found: list[bytes | FormatError] = []
        for index in range(stretch * len(self.groups), (stretch + 1) * len(self.groups)):
            start, end = self.offsets[index : index + 2]
            try:
                found.append(self.body.read(start, end - start))
            except FormatError as error:
                found.append(error)
        return found


def groups_of(channels: int) -> tuple[int, ...]:
    """Pairs, and one for an odd last channel."""
    return (2,) * (channels // 2) + (1,) * (channels % 2)


def write_payload(ratio: Fraction, strength: float, kept: int, segments: list[bytes]) -> bytes:
    """The payload of segments in order."""
    head = bytearray()
    for value in (ratio.numerator, ratio.denominator, round(strength * 64), kept, len(segments)):
        write_varint(head, value)
    for segment in segments:
        write_varint(head, len(segment))
    head += zlib.crc32(head).to_bytes(_CRC_BYTES, "little")
    return bytes(head) + b"".join(segments)


def read_payload(body: Body, shape: AudioShape, mode: Mode) -> Payload:
    """Take a payload apart.

    Raises:
        FormatError: its table is damaged or does not fit ``shape``.
    """
    groups = groups_of(shape.channels)

    def head(reader: Reader) -> tuple[Fraction, int, int, int, int]:
        up = reader.varint("numerator of the ratio", _MOST_RATIO)
        down = reader.varint("denominator of the ratio", _MOST_RATIO)
        if not up or not down or up > _MOST_GROWTH * down or math.gcd(up, down) != 1:
            raise FormatError(f"PAYLOAD: a ratio of {up} to {down}")
        strength = reader.varint("strength of the noise", 255)
        kept = reader.varint("latents", 2 * mode.geometry.frame)
        count = reader.varint("segments", 1 << 40)
        samples = -(-shape.samples * up // down)
        expected = -(-samples // mode.segment) * len(groups)
        if count != expected:
            raise FormatError(f"PAYLOAD: {count:,} segments; {expected:,} are expected")
        return Fraction(up, down), strength, kept, samples, count

    *_, count = head(Reader(body.read(0, min(body.length, _HEAD_BYTES)), "PAYLOAD"))
    if count > body.length:
        raise Truncated(f"PAYLOAD: a table of {count:,} segments in {body.length:,} bytes")
    view = body.read(0, min(body.length, _HEAD_BYTES + 10 * count))
    reader = Reader(view, "PAYLOAD")
    ratio, strength, kept, samples, _ = head(reader)
    lengths = [reader.varint("bytes of a segment", 1 << 40) for _ in range(count)]
    actual = zlib.crc32(view[: reader.position])
    if reader.unsigned(_CRC_BYTES, "CRC-32 of the table") != actual:
        raise ChecksumMismatch("PAYLOAD: the table of segments was damaged; fetch the file again")
    offsets = [reader.position]
    for length in lengths:
        offsets.append(offsets[-1] + length)
    if offsets[-1] != body.length:
        raise FormatError(
            f"PAYLOAD: its table ends at byte {offsets[-1]:,}, there are {body.length:,}"
        )
    return Payload(body, ratio, strength / 64, kept, samples, groups, tuple(offsets))


def frames_of(payload: Payload, index: int, mode: Mode) -> int:
    """Frames of segment ``index``."""
    left = payload.samples - index * mode.segment
    return min(mode.geometry.segment, -(-left // mode.geometry.frame))


# ---- one segment ----


@dataclass(frozen=True)
class Wanted:
    """What encoding a segment needs to know.

    Attributes:
        mode, weights: of the codec.
        code: of the step.
        kept: latents to code, or 0: all.
        noise: whether levels of noise are wanted.
    """

    mode: Mode
    weights: Weights
    code: int
    kept: int
    noise: bool


def encode_segment(samples: Floats, wanted: Wanted, *, begins: bool, ends: bool) -> bytes:
    """A segment of one or two channels, as :func:`nacre.transforms.lapped.analyze` takes it."""
    geometry, step = wanted.mode.geometry, step_of(wanted.code)
    splits, angles = choose_splits(samples, geometry, step, begins=begins, ends=ends)
    found = analyze(
        samples, splits, geometry.frame, overlap=geometry.overlap, begins=begins, ends=ends
    )
    channels = len(samples)
    if channels == 2:
        found = rotate(found, angles, bands_of(geometry, splits), 1)
    whole = found
    if wanted.kept:
        order = wanted.weights.order_of(channels, geometry.frame)[: wanted.kept]
        kept = np.zeros(channels * geometry.frame, bool)
        kept[order] = True
        found = found * unordered(kept.reshape(channels, 1, -1).repeat(len(splits), axis=1), splits)
    scaled = np.rint(found * (256 / step)).clip(-(1 << 30), 1 << 30).astype(np.int32)
    coder = wanted.weights.coder
    coded = encode_spectra(scaled, splits, angles, wanted.mode.layout, coder, LAGRANGE)
    out = bytearray(wanted.code.to_bytes(2, "little"))
    write_varint(out, len(coded.data))
    out += coded.data
    if wanted.noise:
        error = whole * (1 / step) - coded.levels * (1 / 256)
        out += encode_noise(measure_noise(error, splits, angles, geometry), coder)
    return zlib.crc32(out).to_bytes(_CRC_BYTES, "little") + bytes(out)


@dataclass(frozen=True)
class Segment:
    """A decoded segment.

    Attributes:
        step: of the quantiser, in 16-bit samples.
        spectra: symbols and what they stand for.
        noise: levels ``[C, blocks, bands]``.
    """

    step: float
    spectra: Spectra
    noise: Int32s | None


def decode_segment(
    data: Bytes, channels: int, frames: int, mode: Mode, weights: Weights, *, noise: bool
) -> Segment:
    """The symbols of a segment, and its levels of noise if they are wanted.

    Raises:
        FormatError: it is damaged.
    """
    reader = Reader(data, "segment")
    written = reader.unsigned(_CRC_BYTES, "CRC-32")
    if zlib.crc32(data[_CRC_BYTES:]) != written:
        raise ChecksumMismatch(
            "the CRC-32 is not the one that is written; the file was damaged, fetch it again, or "
            "decode the rest with --allow-partial"
        )
    code = reader.unsigned(2, "step code")
    if code > _MOST_CODE:
        raise FormatError(f"segment: a step code of {code}")
    body = reader.take(reader.varint("length of the spectrum"), "spectrum")
    spectra = decode_spectra(body, channels, frames, mode.layout, weights.coder)
    levels = None
    if noise:
        shape = channels, mode.geometry.fine_blocks(frames), mode.geometry.fine_bands
        levels = decode_noise(reader.rest(), *shape, weights.coder)
    return Segment(step_of(code), spectra, levels)


def sound_of(segment: Segment, geometry: Geometry, strength: float, seed: int) -> Floats:
    """A segment's samples, its outer borders folded."""
    spectra = segment.spectra
    values = spectra.levels * (segment.step / 256)
    if len(values) == 2:
        values = rotate(values, spectra.angles, bands_of(geometry, spectra.splits), -1)
    sound = synthesize(values, spectra.splits)
    if segment.noise is not None and strength:
        sound += segment.step * noise_of(segment.noise, geometry, strength, seed)
    return sound


def ordered(values: npt.NDArray[Any], splits: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """``[C, F, frame]`` by frequency: blocks of a frame side by side at each frequency."""
    out = np.empty_like(values)
    for split in np.unique(splits):
        chosen = splits == split
        part = values[:, chosen]
        shape = (*part.shape[:2], 1 << int(split), -1)
        out[:, chosen] = part.reshape(shape).swapaxes(2, 3).reshape(part.shape)
    return out


def unordered(values: npt.NDArray[Any], splits: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Undo :func:`ordered`."""
    out = np.empty_like(values)
    for split in np.unique(splits):
        chosen = splits == split
        part = values[:, chosen]
        shape = (*part.shape[:2], -1, 1 << int(split))
        out[:, chosen] = part.reshape(shape).swapaxes(2, 3).reshape(part.shape)
    return out
