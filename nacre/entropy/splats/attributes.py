"""Attributes of splats, coded one splat after another along positions that both ends know.

Scales come first, then opacity, colour, rotation and harmonics. Nothing is trained: predictors,
widths and contexts learn from the splats that were coded before (``rows.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nacre.entropy.message import unpack_words
from nacre.entropy.sequential import (
    COUNT,
    HELD,
    STATE_SIZE,
    Bytes,
    check_decoded,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.entropy.splats.candidates import new_candidates
from nacre.entropy.splats.learning import new_matrix
from nacre.entropy.splats.neighbours import neighbours
from nacre.entropy.splats.rows import (
    BASE,
    CLASSES,
    FEATURES,
    FIRST_HARMONIC,
    HARMONIC_FEATURES,
    INNER,
    Learners,
    code_rows,
)
from nacre.entropy.splats.turning import Turning, new_turning
from nacre.entropy.splats.values import DENSITIES, MOST_BITS, Coder, Mixture, new_mixture
from nacre.errors import InputError

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_BLOCK = 4096


@dataclass(frozen=True)
class Layout:
    """What the integers of a splat are.

    Attributes:
        bits: of each channel, 1 to 16: scales (3), opacity, colour (3), which component of the
            quaternion is largest (2, or 0: always the first of ``order``), the other three in
            order, harmonics (coefficient by coefficient, red, green, blue).
        order: the order in which the file numbers w, x, y, z, such as ``(1, 2, 3, 0)`` for
            x, y, z, w.
        step: of a component.
        origin: what a component of 0 stands for.
    """

    bits: tuple[int, ...]
    order: tuple[int, int, int, int] = (0, 1, 2, 3)
    step: float = 1.0
    origin: float = 0.0

    @property
    def names(self) -> Int64s:
        """For each value of the channel: the largest component and the others, ``[4, 4]``."""
        rows = [[k, *(j for j in self.order if j != k)] for k in self.order]
        return np.array(rows, np.int64)


def encode_attributes(
    points: Floats, values: Int64s, layout: Layout, *, spent: Floats | None = None
) -> bytes:
    """The attributes of splats.

    Args:
        points: positions in Morton order, float64 ``[N, 3]``, finite.
        values: int64 ``[N, channels]``, each in 0 .. 2^bits - 1.
        layout: what they are.
        spent: float64 ``[channels]``; the bits that each channel took are written to it.

    Raises:
        InputError: they are not that.
    """
    bits = _check(layout)
    if values.shape != (len(points), len(bits)):
        raise InputError(f"values {values.shape} of {len(points):,} splats, {len(bits)} channels")
    if len(values) and ((values < 0) | (values >> bits != 0)).any():
        raise InputError("a value is outside its channel's range")
    table = np.ascontiguousarray(values, dtype=np.int64)
    state = np.empty(STATE_SIZE, np.uint64)
    encoder_init(state)
    words = np.empty(1024, np.uint32)
    code = _coding(points, table, layout)
    for first in range(0, len(table), _BLOCK):
        last = min(first + _BLOCK, len(table))
        needed = int(state[COUNT] + state[HELD]) + (last - first) * int(bits.sum()) + 8
        if needed > len(words):
            words = np.concatenate([words, np.empty(2 * needed - len(words), np.uint32)])
        code(first, last, Coder(False, state, words))
    if spent is not None:
        spent[:] = code.mixture.spent
    return encoder_bytes(state, words)


def decode_attributes(data: Bytes, points: Floats, layout: Layout) -> Int64s:
    """The values of :func:`encode_attributes`, int64 ``[N, channels]``.

    Raises:
        FormatError: the data are damaged.
        InputError: the layout is none.
    """
    bits = _check(layout)
    table = np.zeros((len(points), len(bits)), np.int64)
    words = unpack_words(data)
    state = np.empty(STATE_SIZE, np.uint64)
    decoder_init(state, words)
    _coding(points, table, layout)(0, len(table), Coder(True, state, words))
    check_decoded(state, data)
    return table


class _coding:  # noqa: N801 - a function with what it has learnt
    """Codes one block of splats after another."""

    def __init__(self, points: Floats, table: Int64s, layout: Layout) -> None:
        self.table, self.bits = table, np.array(layout.bits, np.int64)
        self.points, self.near = _centred(points), neighbours(points)
        self.seen = np.zeros((len(table), BASE + 2))
        self.turning: Turning = new_turning(len(table), layout.names, layout.step, layout.origin)
        self.learners = _new_learners(len(layout.bits))
        self.candidates = new_candidates(len(layout.bits))
        self.mixture: Mixture = new_mixture(len(layout.bits))

    def __call__(self, first: int, last: int, coder: Coder) -> None:
        code_rows(
            first, last, self.table, self.bits, self.points, self.near, self.seen, self.turning,
            self.learners, self.candidates, self.mixture, coder,
        )  # fmt: skip


def _centred(points: Floats) -> Floats:
    """Points moved and scaled into -1/2 .. 1/2, each axis by itself."""
    if not len(points):
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    centred: Floats = (points - low) / span - 0.5
    return centred


def _new_learners(channels: int) -> Learners:
    harmonics = max(channels - FIRST_HARMONIC, 0)
    weights = np.zeros((BASE, FEATURES))
    weights[np.arange(BASE), np.arange(BASE)] = 0.7
    outer_weights = np.zeros((harmonics, HARMONIC_FEATURES))
    outer_weights[:, 0] = 0.5
    widths = np.zeros((channels, DENSITIES, CLASSES, 2))
    widths[..., 0] = 0.1
    return Learners(
        new_matrix(FEATURES),
        weights,
        np.stack([new_matrix(INNER)] * BASE),
        np.zeros((BASE, INNER)),
        np.stack([new_matrix(HARMONIC_FEATURES)] * harmonics)
        if harmonics
        else np.zeros((0, HARMONIC_FEATURES, HARMONIC_FEATURES)),
        outer_weights,
        widths,
        np.zeros((8, FEATURES)),
    )


def _check(layout: Layout) -> Int64s:
    bits = np.array(layout.bits, np.int64)
    harmonics = len(bits) - FIRST_HARMONIC
    if harmonics not in (0, 9, 24, 45, 72) or bits[BASE] not in (0, 2):
        raise InputError(f"a layout of {len(bits)} channels {layout.bits[:FIRST_HARMONIC]}")
    others = np.delete(bits, BASE)
    if others.min() < 1 or others.max() > MOST_BITS or sorted(layout.order) != [0, 1, 2, 3]:
        raise InputError(f"a layout of {layout.bits} bits in order {layout.order}")
    if not 0.0 < layout.step < 1.0 or not abs(layout.origin) < 4.0:
        raise InputError(f"components in steps of {layout.step} from {layout.origin} on")
    return bits
