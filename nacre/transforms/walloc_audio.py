"""What WaLLoC's sound codecs do to a lapped spectrum, apart from coding it.

Analysis: how each frame is split (by what its coefficients would cost), a rotation of each pair of
channels in each band (the Karhunen-Loève transform of two channels, so that one of them holds what
they share). Synthesis: noise as loud as what the quantiser lost, in short blocks, because a frame
is so long that noise of one loudness would be heard before an attack and behind it.

Coefficients are ``[C, F, frame]``, the blocks of a frame one after another; ``frame >> split`` of
them are a block, and coefficient k of a block is at the frequency of k << split in a whole frame.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nacre.transforms.lapped import analyze, reanalyze, synthesize

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
        fine: samples of a block of noise; a frame is a whole number of them.
        fine_edges: where bands of noise begin, and the end of the last, in coefficients of a block.
    """

    frame: int
    levels: int
    edges: tuple[int, ...]
    segment: int
    fine: int
    fine_edges: tuple[int, ...]

    @property
    def overlap(self) -> int:
        """Of two segments: the length of the shortest block."""
        return self.frame >> self.levels

    @property
    def bands(self) -> int:
        """Bands."""
        return len(self.edges) - 1

    @property
    def fine_bands(self) -> int:
        """Bands of noise."""
        return len(self.fine_edges) - 1

    def fine_blocks(self, frames: int) -> int:
        """Blocks of noise in so many frames."""
        return frames * self.frame // self.fine


STEREO = Geometry(
    frame=4096,
    levels=5,
    edges=(0, 32, 64, 96, 128, 160, 192, 256, 320, 384, 480, 608, 768, 960, 1216, 1536, 1920, 2432,
           3072, 4096),
    segment=108,
    fine=512,
    fine_edges=(0, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512),
)  # fmt: skip
"""10.0 s and 5.4 Hz at 44.1 kHz; the shortest block is 128 samples."""
SPEECH = Geometry(
    frame=640,
    levels=3,
    edges=(0, 16, 32, 48, 64, 80, 104, 128, 160, 200, 256, 320, 416, 512, 640),
    segment=250,
    fine=160,
    fine_edges=(0, 5, 10, 15, 20, 30, 40, 60, 80, 110, 160),
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
        for _ in range(3):  # eight factors stay far below 2^1023, and logarithms take long
            energy = energy[..., ::2] * energy[..., 1::2]
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


def measure_noise(error: Floats, splits: Splits, angles: Int32s, geometry: Geometry) -> Int32s:
    """Levels of what the quantiser lost, ``[C, blocks, bands]``.

    Args:
        error: of the coefficients, in steps, ``[C, F, frame]``, pairs rotated.
        splits: uint8 ``[F]``.
        angles: of the pair in each band.
        geometry: sizes.
    """
    if len(error) == 2:
        error = rotate(error, angles, bands_of(geometry, splits), -1)
    blocks = np.zeros(geometry.fine_blocks(len(splits)), np.uint8)
    found = reanalyze(synthesize(error, splits), blocks, geometry.fine)
    edges = np.array(geometry.fine_edges)
    power = np.add.reduceat(np.square(found), edges[:-1], axis=2) / np.diff(edges)
    return _steady(-np.log2(np.maximum(power, 1e-12) / LOUDEST**2))


def _steady(exact: Floats) -> Int32s:
    """Integers near ``exact`` ``[C, T, bands]`` that do not change without need."""
    levels = np.empty(exact.shape, np.int32)
    last = np.full((len(exact), exact.shape[2]), NOISES - 1.0)
    wanted = np.rint(exact).clip(0, NOISES - 1)
    for block in range(exact.shape[1]):
        stays = np.abs(exact[:, block] - last) < _STEADY
        last = np.where(stays, last, wanted[:, block])
        levels[:, block] = last
    return levels


def noise_of(levels: Int32s, geometry: Geometry, strength: float, seed: int) -> Floats:
    """Noise as :func:`nacre.transforms.lapped.synthesize` gives it, in steps, ``[C, n]``.

    Args:
        levels: from :func:`measure_noise`.
        geometry: sizes.
        strength: 1 restores the energy that was measured.
        seed: the same gives the same noise.
    """
    channels, blocks, _ = levels.shape
    rms = LOUDEST * 2.0 ** (-levels / 2)
    rms[levels == NOISES - 1] = 0
    generator = np.random.Generator(np.random.PCG64(seed))
    found = generator.random((channels, blocks, geometry.fine)) - 0.5
    found *= np.repeat(rms * (strength * 12**0.5), np.diff(geometry.fine_edges), axis=2)
    return synthesize(found, np.zeros(blocks, np.uint8))
