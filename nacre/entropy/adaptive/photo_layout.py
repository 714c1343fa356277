"""What the ``photo`` coder keeps in memory, and its constants.

Planes lie padded in one array, ``int32 [2, planes + 1, N]``: values, then errors of prediction; the
last plane of both is all zeros, for planes that have no other plane to look at. A value is a
sample, or the difference of two; an error counts 1/16 of a sample (shifted as the plane's samples
are).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.adaptive.photo_tables import ERROR_BITS
from nacre.entropy.mixing import WEIGHT_BITS, Counters, Weights, new_counters

Int32s = npt.NDArray[np.int32]

PAD, TOP, BOTTOM = 4, 3, 2
"""Columns on either side of a plane, rows above it and below it."""
VALUES, ERRORS = 0, 1
"""First index of the array of planes."""

BLOCK = 8
"""Columns that share their moments."""
SYSTEM = 16
"""Entries of a least-squares sample: regressors, target, zeros."""
ERROR_POINT_BITS = 4
"""Errors have so many bits after the point."""

NODES = 16
"""Decisions that a slot of counters tells apart: one line of a cache."""
SLOTS = 2048
"""Slots of a context."""
EXPERTS = 2
"""Inputs of a mixture that are no counters."""
ENERGIES, CROSSES, SCALES, DISAGREEMENTS = 40, 12, 16, 8
"""Classes: by errors nearby, by errors of other planes, by expected error, by gradients."""
SETS = SCALES + DISAGREEMENTS * CROSSES
"""Sets of weights; those selected by scale, then the others."""
MEMORY = 1 << 16
"""Colours whose last values are remembered."""
GREY, SECOND, THIRD = 0, 1, 2
"""Kinds of planes: one alone, one beside another, one beside two others."""

OWN_TAPS = (
    (-1, 0), (-1, 1), (-1, -1), (0, -2), (-2, 0), (-1, 2),
    (-2, 1), (-1, -2), (-2, -1), (-2, 2), (0, -3),
)  # fmt: skip
OTHER_TAPS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
"""Regressors, (row, column) from the sample; W is not among the own ones, since the weighted mean
of W, N, NE and NW that is taken from all makes one of them superfluous."""
TAPS = ((11, 0, 0), (7, 5, 0), (5, 3, 5))
"""How many regressors each kind of plane takes of itself, of the first and of the second other."""

_EXPERT_WEIGHT = 0.4
_COUNTER_WEIGHT = 0.12


class Level(NamedTuple):
    """What a level of effort costs.

    Attributes:
        spacing: blocks that share a solution.
        inputs: of a mixture, a multiple of 8.
    """

    spacing: int
    inputs: int


LEVELS = (Level(2, 8), Level(1, 16))
"""Fast and thorough."""


class Plane(NamedTuple):
    """What distinguishes a plane.

    Attributes:
        width: of the picture, in pixels.
        stride: from row to row.
        kind: GREY, SECOND or THIRD.
        high: samples are 0 .. high, high > 0.
        shift: samples of the least squares lose so many bits.
        own: index of the plane.
        base: of the plane that its values are differences to.
        first: of the plane beside it.
        second: of the other one.
    """

    width: int
    stride: int
    kind: int
    high: int
    shift: int
    own: int
    base: int
    first: int
    second: int


class Model(NamedTuple):
    """What is learnt of a plane.

    Attributes:
        counters: uint32 ``[contexts * SLOTS * NODES]``.
        weights: int32 ``[SETS * NODES, inputs]``.
        scales: mean error (ERROR_BITS + 4 bits after the point) and how many were seen, int32
            ``[ENERGIES * CROSSES + DISAGREEMENTS * SCALES, 2]``.
        memory: the last two values beside a colour, int32 ``[MEMORY, 2]``.
        moments: int32 ``[blocks + 4, SYSTEM, SYSTEM]``.
    """

    counters: Counters
    weights: Weights
    scales: Int32s
    memory: Int32s
    moments: Int32s


class Scratch(NamedTuple):
    """Work space of a plane.

    Attributes:
        taps: offsets of the regressors, int32 ``[3, SYSTEM]``.
        sizes: how many regressors of each plane, and in all, int32 ``[4]``.
        samples: those of a block, int32 ``[BLOCK, SYSTEM]``.
        importance: their weights, int32 ``[BLOCK]``.
        system: equations, int32 ``[SYSTEM, SYSTEM]``.
        solution: int32 ``[SYSTEM]``.
        slots: where the counters of each context begin, int32 ``[inputs - EXPERTS]``.
        inputs: of the mixture, int32 ``[inputs]``.
    """

    taps: Int32s
    sizes: Int32s
    samples: Int32s
    importance: Int32s
    system: Int32s
    solution: Int32s
    slots: Int32s
    inputs: Int32s


def _first_scales() -> Int32s:
    """Mean errors before any was seen: those of a picture in which they follow the classes."""
    energies = 2.0 ** ((np.arange(ENERGIES) + 4.5) / 2 - 7 + ERROR_BITS + 4)
    expected = 2.0 ** ((np.arange(SCALES) + 12.5) / 2 + 4)
    scales = np.zeros((ENERGIES * CROSSES + DISAGREEMENTS * SCALES, 2), np.int32)
    scales[: ENERGIES * CROSSES, 0] = np.repeat(energies, CROSSES).astype(np.int32)
    scales[ENERGIES * CROSSES :, 0] = np.tile(expected, DISAGREEMENTS).astype(np.int32)
    return scales


FIRST_SCALES: Int32s = _first_scales()


def new_model(width: int, level: Level) -> Model:
    """A model of a plane of which nothing was seen."""
    weights = np.empty((SETS * NODES, level.inputs), np.int32)
    # Two sets are added up.
    weights[:, :EXPERTS] = round(_EXPERT_WEIGHT / (2 * EXPERTS) * (1 << WEIGHT_BITS))
    weights[:, EXPERTS:] = round(_COUNTER_WEIGHT / 2 * (1 << WEIGHT_BITS))
    blocks = -(-width // BLOCK)
    return Model(
        counters=new_counters((level.inputs - EXPERTS) * SLOTS * NODES),
        weights=weights,
        scales=FIRST_SCALES.copy(),
        memory=np.zeros((MEMORY, 2), np.int32),
        moments=np.zeros((blocks + 4, SYSTEM, SYSTEM), np.int32),
    )


def new_scratch(kind: int, stride: int, level: Level) -> Scratch:
    """Work space for planes of a kind."""
    taps = np.zeros((3, SYSTEM), np.int32)
    for row, places in enumerate((OWN_TAPS, OTHER_TAPS, OTHER_TAPS)):
        taps[row, : len(places)] = [y * stride + x for y, x in places]
    return Scratch(
        taps=taps,
        sizes=np.array([*TAPS[kind], sum(TAPS[kind])], np.int32),
        samples=np.zeros((BLOCK, SYSTEM), np.int32),
        importance=np.zeros(BLOCK, np.int32),
        system=np.zeros((SYSTEM, SYSTEM), np.int32),
        solution=np.zeros(SYSTEM, np.int32),
        slots=np.zeros(level.inputs - EXPERTS, np.int32),
        inputs=np.zeros(level.inputs, np.int32),
    )
