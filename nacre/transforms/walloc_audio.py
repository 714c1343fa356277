"""What WaLLoC's sound codecs do to a lapped spectrum, apart from coding it.

Analysis: how each frame is split (by what its coefficients would cost), a rotation of each pair of
channels in each band (the Karhunen-Loève transform of two channels, so that one of them holds what
they share). Synthesis: noise, at a level that the encoder measured, where everything was quantised
to zero.

Coefficients are ``[C, F, frame]``, the blocks of a frame one after another; ``frame >> split`` of
them are a block, and coefficient k of a block is at the frequency of k << split in a whole frame.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nacre.transforms.lapped import analyze

Floats = npt.NDArray[np.float64]
Splits = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]

ANGLES = 32
"""Directions of a pair of channels, over half a turn."""
NOISES = 24
"""Levels of noise, 3 dB apart; the last one is none."""
LOUDEST = 0.5
"""Root mean square of level 0, in steps."""
_STEADY = 1.2
"""Levels of noise stay where they are within this, in steps of 3 dB."""
_CHANGE = 12.0
"""What a change of split costs, as much as so many bits, for each halving."""


@dataclass(frozen=True)
class Geometry:
    """Sizes of a codec's spectra.

    Attributes:
        frame: samples of a frame.
        levels: the greatest split.
        edges: where bands begin, and the end of the last, in coefficients of a whole frame.
        segment: frames of a segment, which is coded on its own.
        slot: frames that share levels of noise.
    """

    frame: int
    levels: int
    edges: tuple[int, ...]
    segment: int
    slot: int

    @property
    def overlap(self) -> int:
        """Of two segments: the length of the shortest block."""
        return self.frame >> self.levels

    @property
    def bands(self) -> int:
        """Bands."""
        return len(self.edges) - 1


STEREO = Geometry(
    frame=4096,
    levels=5,
    edges=(0, 32, 64, 96, 128, 160, 192, 256, 320, 384, 480, 608, 768, 960, 1216, 1536, 1920, 2432,
           3072, 4096),
    segment=108,
    slot=1,
)  # fmt: skip
"""10.0 s and 5.4 Hz at 44.1 kHz; the shortest block is 128 samples."""
SPEECH = Geometry(
    frame=640,
    levels=3,
    edges=(0, 16, 32, 48, 64, 80, 104, 128, 160, 200, 256, 320, 416, 512, 640),
    segment=250,
    slot=1,
)
"""10 s and 12.5 Hz at 16 kHz; the shortest block is 80 samples."""


@functools.cache
def band_of(edges: tuple[int, ...], split: int) -> npt.NDArray[np.int64]:
    """Band of each coefficient of a split frame, ``[frame]``."""
    places = np.tile(np.arange(edges[-1] >> split) << split, 1 << split)
    found: npt.NDArray[np.int64] = np.searchsorted(np.array(edges), places, side="right") - 1
    return found


def bands_of(geometry: Geometry, splits: Splits) -> npt.NDArray[np.int64]:
    """Band of each coefficient, ``[F, frame]``."""
    table = np.stack([band_of(geometry.edges, s) for s in range(geometry.levels + 1)])
    found: npt.NDArray[np.int64] = table[splits]
    return found


def choose_angles(coefficients: Floats, edges: tuple[int, ...]) -> Int32s:
    """The main direction of a pair in each band, ``[bands]``, from unsplit frames."""
    angles = np.zeros(len(edges) - 1, np.int32)
    left, right = coefficients
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        a, b = left[:, low:high].ravel(), right[:, low:high].ravel()
        aa, bb, ab = float(a @ a), float(b @ b), float(a @ b)
        angle = 0.5 * np.arctan2(2 * ab, aa - bb)
        if aa + bb > 0:
            angles[band] = round(angle / np.pi * ANGLES) % ANGLES
        elif band:
            angles[band] = angles[band - 1]
    return angles


def rotate(coefficients: Floats, angles: Int32s, bands: npt.NDArray[np.int64], sign: int) -> Floats:
    """A pair ``[2, F, frame]`` turned by its angles (1) or back (-1)."""
    turn = angles * (np.pi / ANGLES)
    cosine, sine = np.cos(turn)[bands], (sign * np.sin(turn))[bands]
    first, second = coefficients
    out = np.empty(coefficients.shape)
    np.multiply(cosine, first, out=out[0])
    out[0] += sine * second
    np.multiply(cosine, second, out=out[1])
    out[1] -= sine * first
    return out


def choose_splits(
    samples: Floats, geometry: Geometry, step: float, *, begins: bool, ends: bool
) -> tuple[Splits, Int32s]:
    """How to split each frame of a segment, and the angles of a pair.

    Each split is tried on the whole segment; a path through the frames is chosen whose cost in bits
    is least, changes included (Viterbi).

    Args:
        samples: ``[C, h + F * frame + h]``, as :func:`nacre.transforms.lapped.analyze` takes them.
        step: of the quantiser.
    """
    frames = (samples.shape[1] - geometry.overlap) // geometry.frame
    costs = np.empty((geometry.levels + 1, frames))
    angles = np.zeros(geometry.bands, np.int32)
    for split in range(geometry.levels + 1):
        splits = np.full(frames, split, np.uint8)
        found = analyze(
            samples, splits, geometry.frame, overlap=geometry.overlap, begins=begins, ends=ends
        )
        if len(found) == 2:
            if split == 0:
                angles = choose_angles(found, geometry.edges)
            found = rotate(found, angles, band_of(geometry.edges, split)[None], 1)
        energy = found * found
        energy *= 1 / step**2
        energy += 1.0
        costs[split] = np.log2(energy).sum(axis=(0, 2))
    return _path(costs), angles


def _path(costs: Floats) -> Splits:
    """The cheapest way through ``[splits, F]``."""
    count, frames = costs.shape
    levels = np.arange(count)
    change = _CHANGE * np.abs(levels[:, None] - levels)
    total, came = costs[:, 0].copy(), np.zeros((frames, count), np.int64)
    for frame in range(1, frames):
        ways = total[:, None] + change
        came[frame] = ways.argmin(axis=0)
        total = ways.min(axis=0) + costs[:, frame]
    path = np.empty(frames, np.uint8)
    path[-1] = total.argmin()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came[frame, path[frame]]
    return path


def _cells(geometry: Geometry, splits: Splits) -> tuple[npt.NDArray[np.int64], int]:
    """Slot and band of each coefficient as one number, ``[F, frame]``, and how many slots."""
    slots = -(-len(splits) // geometry.slot)
    slot = np.arange(len(splits))[:, None] // geometry.slot
    return slot * geometry.bands + bands_of(geometry, splits), slots


def measure_noise(scaled: Int32s, symbols: Int32s, splits: Splits, geometry: Geometry) -> Int32s:
    """Levels of what was quantised to zero, ``[C, slots, bands]``.

    Args:
        scaled: in 1/256 of a step.
        symbols: what it was quantised to.
    """
    cells, slots = _cells(geometry, splits)
    exact = np.empty((len(scaled), slots, geometry.bands))
    flat, count = cells.ravel(), slots * geometry.bands
    for channel in range(len(scaled)):
        zero = symbols[channel].ravel() == 0
        energy = np.where(zero, scaled[channel].ravel() / 256.0, 0.0) ** 2
        total = np.bincount(flat, energy, count)
        number = np.bincount(flat, zero, count)
        power = total / np.maximum(number, 1)
        level = -np.log2(np.maximum(power, 1e-12) / LOUDEST**2)
        level[number == 0] = np.nan
        exact[channel] = level.reshape(slots, -1)
    return _steady(exact)


def _steady(exact: Floats) -> Int32s:
    """Integers near ``exact`` ``[C, slots, bands]`` that do not change without need."""
    levels = np.empty(exact.shape, np.int32)
    last = np.full((len(exact), exact.shape[2]), NOISES - 1.0)
    for slot in range(exact.shape[1]):
        now = exact[:, slot]
        stays = np.isnan(now) | (np.abs(now - last) < _STEADY)
        last = np.where(stays, last, np.clip(np.rint(np.nan_to_num(now)), 0, NOISES - 1))
        levels[:, slot] = last
    return levels


def add_noise(
    values: Floats,
    symbols: Int32s,
    noise: Int32s,
    splits: Splits,
    geometry: Geometry,
    strength: float,
    seed: int,
) -> None:
    """Put noise where the symbols are zero, in place.

    Args:
        values: coefficients in steps, ``[C, F, frame]``.
        symbols: they come from.
        noise: from :func:`measure_noise`.
        strength: 1 restores the energy that was measured.
        seed: the same gives the same noise.
    """
    cells, _ = _cells(geometry, splits)
    generator = np.random.Generator(np.random.PCG64(seed))
    for channel in range(len(values)):
        power = LOUDEST * 2.0 ** (-noise[channel].ravel() / 2)
        power[noise[channel].ravel() == NOISES - 1] = 0
        random = generator.random(cells.shape, np.float32) - 0.5
        random *= (power * (strength * 12**0.5)).astype(np.float32)[cells]
        values[channel] += np.where(symbols[channel] == 0, random, 0)
