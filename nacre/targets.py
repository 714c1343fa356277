"""The quality that meets a target: a file size, a rate or a PSNR.

A codec whose settings have ``quality`` gives larger and better files for larger values, so that
the search is one for a crossing of a monotone function. Every probe is a whole encoding; what is
measured is the true file, never an estimate.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nacre.compare import psnr_db
from nacre.errors import InputError

if TYPE_CHECKING:
    from nacre.codecs.base import Codec
    from nacre.media.image import Image
    from nacre.stream import Stream

LOWEST, HIGHEST = 0.0, 100.0
"""The range of ``quality`` in every codec that has it."""

TOLERANCE = 0.02
"""A file within 2 % of the wanted rate is near enough to stop."""

RESOLUTION = 0.1
"""Two qualities closer than this are not told apart."""


@dataclass(frozen=True)
class Probe:
    """One trial.

    Attributes:
        quality: what was asked of the codec.
        data: the whole file.
        value: what was measured of it: bytes or dB.
    """

    quality: float
    data: bytes
    value: float


Try = Callable[[float], Probe]
"""Encodes at one quality and measures."""


def encode_to_target(codec: Codec, image: Image, options: Any, target: str, value: float) -> Probe:
    """Encode at the quality that meets a target.

    Args:
        codec: one whose settings have ``quality``.
        image: what to encode.
        options: its settings; ``quality`` is replaced.
        target: ``target_size``, ``target_bpp`` or ``target_psnr``.
        value: in bytes, bits per pixel or dB.

    Raises:
        InputError: the target is out of reach; the message says what is nearest.
    """

    def encoded(quality: float) -> Stream:
        return codec.encode(image, dataclasses.replace(options, quality=quality))

    def by_size(quality: float) -> Probe:
        data = encoded(quality).to_bytes()
        return Probe(quality, data, len(data))

    def by_psnr(quality: float) -> Probe:
        stream = encoded(quality)
        reached = psnr_db(image, codec.decode(stream))
        return Probe(quality, stream.to_bytes(), reached)

    if not value > 0:
        raise InputError(f"{target} is {value!r}; expected a number above 0")
    if target == "target_psnr":
        return smallest_reaching(by_psnr, value)
    if target == "target_size":
        return largest_within(by_size, value)
    pixels = image.width * image.height
    return nearest(
        by_size, value * pixels / 8, lambda size: f"{8 * size / pixels:.4g} bits per pixel"
    )


def largest_within(attempt: Try, size_bytes: float) -> Probe:
    """The best file of at most ``size_bytes``, to within 2 % or the finest step of quality.

    Raises:
        InputError: even the lowest quality is larger.
    """
    lowest = attempt(LOWEST)
    if lowest.value > size_bytes:
        raise InputError(
            f"target of {size_bytes:,.0f} bytes is out of reach: quality {LOWEST:g}, the lowest, "
            f"takes {lowest.value:,.0f} bytes; choose fewer channels or a smaller picture"
        )
    highest = attempt(HIGHEST)
    if highest.value <= size_bytes:
        return highest
    below, _ = _narrow(
        attempt,
        lowest,
        highest,
        size_bytes,
        near_enough=lambda probe: size_bytes * (1 - TOLERANCE) <= probe.value <= size_bytes,
        scale=math.log,
    )
    return below


def nearest(attempt: Try, size_bytes: float, describe: Callable[[float], str]) -> Probe:
    """The file whose size is nearest to ``size_bytes``; it is within 2 % or an error.

    Args:
        attempt: encodes and measures bytes.
        size_bytes: the target.
        describe: says a size in the unit of the caller's target, for the message.

    Raises:
        InputError: no quality comes within 2 % (the message says which is nearest).
    """

    def near_enough(probe: Probe) -> bool:
        return abs(probe.value / size_bytes - 1) <= TOLERANCE

    lowest = attempt(LOWEST)
    if lowest.value >= size_bytes:
        best = lowest
    else:
        highest = attempt(HIGHEST)
        if highest.value <= size_bytes:
            best = highest
        else:
            pair = _narrow(attempt, lowest, highest, size_bytes, near_enough, scale=math.log)
            best = min(pair, key=lambda probe: abs(probe.value - size_bytes))
    if not near_enough(best):
        raise InputError(
            f"target of {describe(size_bytes)} is out of reach: the nearest is "
            f"{describe(best.value)}, at quality {best.quality:.4g}"
        )
    return best


def smallest_reaching(attempt: Try, psnr_db: float) -> Probe:
    """The smallest file whose PSNR is at least ``psnr_db``, to within 0.05 dB.

    Raises:
        InputError: even the highest quality stays below.
    """
    highest = attempt(HIGHEST)
    if highest.value < psnr_db:
        raise InputError(
            f"target of {psnr_db:g} dB is out of reach: quality {HIGHEST:g}, the highest, gives "
            f"{highest.value:.2f} dB; use more channels or --lossless"
        )
    lowest = attempt(LOWEST)
    if lowest.value >= psnr_db:
        return lowest
    below, above = _narrow(
        attempt,
        lowest,
        highest,
        psnr_db,
        near_enough=lambda probe: psnr_db <= probe.value <= psnr_db + 0.05,
        scale=lambda value: min(value, 200.0),
    )
    return below if below.value >= psnr_db else above


def _narrow(
    attempt: Try,
    below: Probe,
    above: Probe,
    target: float,
    near_enough: Callable[[Probe], bool],
    scale: Callable[[float], float],
) -> tuple[Probe, Probe]:
    """Close in on ``target`` from both sides: false position, halving where that stalls.

    ``below`` measures at most ``target`` and ``above`` at least; so do the two that come back.
    """
    stalled = 0
    while above.quality - below.quality > RESOLUTION:
        for probe in (below, above):
            if near_enough(probe):
                return below, above
        low, high = scale(below.value), scale(above.value)
        fraction = (scale(target) - low) / (high - low) if high > low and stalled < 2 else 0.5
        fraction = min(max(fraction, 0.02), 0.98)
        probe = attempt(below.quality + fraction * (above.quality - below.quality))
        if probe.value <= target:
            stalled = stalled + 1 if fraction < 0.5 else 0
            below = probe
        else:
            stalled = stalled + 1 if fraction > 0.5 else 0
            above = probe
    return below, above
