"""Sound in pieces: numbers of any kind as floats and back, other rates, stretches that overlap.

Everything goes through iterators, so that memory does not grow with the length.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.media.audio import AudioReader
from nacre.stream import AudioShape
from nacre.transforms.lapped import join
from nacre.transforms.resample import reach, resample

Floats = npt.NDArray[np.float64]

_FILTER_WIDTH = 24
"""Zero crossings of the resampler's filter on either side."""
_CODES_OF_AN_OCTAVE = 34
"""Step codes that halve what is written, about."""


def as_float(block: npt.NDArray[Any], shape: AudioShape) -> Floats:
    """Samples in units of 16 bits.

    Raises:
        InputError: they are not finite.
    """
    values = block.astype(np.float64)
    if not shape.floating:
        return values * 2.0 ** (16 - shape.depth)
    if not np.isfinite(values).all():
        raise InputError("some samples are infinite or no numbers; a lossy codec cannot hold them")
    return values * 32768


def as_samples(values: Floats, shape: AudioShape) -> npt.NDArray[Any]:
    """Samples of the recording's own kind, int32 or float32, from units of 16 bits."""
    if shape.floating:
        floats: npt.NDArray[np.float32] = (values / 32768).astype(np.float32)
        return floats
    limit = 1 << (shape.depth - 1)
    whole = np.rint(values * 2.0 ** (shape.depth - 16))
    clipped: npt.NDArray[np.int32] = whole.clip(-limit, limit - 1).astype(np.int32)
    return clipped


def level_of(reader: AudioReader) -> float:
    """Root mean square of all samples, in units of 16 bits."""
    total = sum(float(np.square(as_float(block, reader.shape)).sum()) for block in reader.blocks())
    return math.sqrt(total / max(reader.shape.samples * reader.shape.channels, 1))


@functools.cache
def _margin(ratio: Fraction) -> int:
    """Samples beside a piece that its resampled samples depend on, a whole number of periods."""
    old, new = ratio.denominator, ratio.numerator
    return -(-(reach(new, old) + 1) // old) * old


def resampled(blocks: Iterable[Floats], ratio: Fraction) -> Iterator[Floats]:
    """The blocks at another rate: the same samples however they are cut."""
    if ratio == 1:
        yield from blocks
        return
    old, new = ratio.denominator, ratio.numerator
    margin, held, known = _margin(ratio), None, 0
    # `held` begins `known` samples before what is to be converted next.
    for block in blocks:
        held = block if held is None else np.concatenate([held, block], axis=1)
        ready = (held.shape[1] - known - margin) // old * old
        if ready > 64 * margin or ready > 1 << 18:
            out = resample(held[:, : known + ready + margin], new, old)
            yield out[:, known // old * new : (known + ready) // old * new]
            kept = min(margin, known + ready)
            held, known = held[:, known + ready - kept :], kept
    if held is not None and held.shape[1] > known:
        whole = -(-(held.shape[1] - known) * new // old)
        out = resample(np.pad(held, ((0, 0), (0, old))), new, old)
        start = known // old * new
        yield out[:, start : start + whole]


def stretches(blocks: Iterable[Floats], length: int, beside: int) -> Iterator[tuple[Floats, bool]]:
    """Pieces of ``length`` with ``beside`` more on either side, and whether each is the last.

    Zeros stand where there is no sound; the last piece ends with it.
    """
    held: Floats | None = None
    for block in blocks:
        before = np.zeros((len(block), beside)) if held is None else held
        held = np.concatenate([before, block], axis=1)
        while held.shape[1] > length + 2 * beside:
            yield held[:, : length + 2 * beside], False
            held = held[:, length:]
    if held is not None and held.shape[1] > length + beside:
        missing = length + 2 * beside - held.shape[1]
        yield np.pad(held, ((0, 0), (0, missing))), False
        held = held[:, length:]
    if held is not None and held.shape[1] > beside:
        yield held, True


def nearest(
    encode: Callable[[int], bytes],
    start: int,
    ends: tuple[int, int],
    wanted: int,
    *,
    beside: int,
    strict: bool,
) -> bytes:
    """What ``encode`` gives for the step code whose file is nearest to ``wanted`` bytes.

    Args:
        encode: of a step code; larger codes give less.
        start: where the search begins.
        ends: the least and the greatest code.
        wanted: bytes.
        beside: bytes of the file that are always there, beside those.
        strict: none of more than that.

    Raises:
        InputError: even the greatest code gives more.
    """
    finest, coarsest = ends
    above: tuple[int, int, bytes] | None = None  # code, bytes of the file: too many
    below: tuple[int, int, bytes] | None = None
    code, tries = start, 0
    while True:
        data = encode(code)
        size = len(data) + beside
        if size > wanted:
            above = (code, size, data)
        else:
            below = (code, size, data)
        if below is not None and below[1] > 0.99 * wanted:
            return below[2]
        if below is not None and (below[0] == finest or (above and below[0] - above[0] <= 1)):
            break
        if below is None and code == coarsest:
            raise InputError(
                f"a target of {wanted:,} bytes is out of reach: quality 0, the lowest, takes "
                f"{size:,}; choose noise 0 or a reduction"
            )
        tries += 1
        if above and below:
            fraction = math.log(above[1] / wanted) / math.log(above[1] / below[1])
            fraction = 0.5 if tries % 3 == 0 else fraction
            code = above[0] + round(fraction * (below[0] - above[0]))
        else:
            code += round(_CODES_OF_AN_OCTAVE * math.log2(size / wanted))
        low = above[0] + 1 if above else finest
        high = below[0] - 1 if below else coarsest
        code = min(max(code, low), high)
    if strict or above is None or above[1] - wanted > wanted - below[1]:
        return below[2]
    return above[2]


def padded(piece: Floats, frame: int, overlap: int) -> Floats:
    """The last piece (with its left margin only), filled to whole frames, a margin of zeros after.

    The sound is mirrored and fades, so that no edge has to be coded.
    """
    half = overlap // 2
    length = piece.shape[1] - half
    missing = -length % frame
    mirrored = piece[:, half:][:, ::-1][:, : min(missing, length)]
    mirrored = mirrored * np.cos(np.linspace(0, np.pi / 2, mirrored.shape[1]))
    rest = missing - mirrored.shape[1] + half
    return np.concatenate([piece, mirrored, np.zeros((len(piece), rest))], axis=1)


def joined(parts: Iterable[tuple[Floats, bool]], overlap: int) -> Iterator[tuple[Floats, bool]]:
    """Stretches from folded ones, the borders between sound ones unfolded.

    Args:
        parts: folded, and whether it is sound: nothing is unfolded with a damaged one.
    """
    last: tuple[Floats, bool] | None = None
    for part in parts:
        if last is not None:
            if last[1] and part[1]:
                join(last[0], part[0], overlap)
            yield last
        last = part
    if last is not None:
        yield last
