"""What the coder of positions remembers from vertex to vertex, and its work space at one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.features import ANSWERS
from nacre.entropy.mesh.features import COMPONENTS as NETWORK
from nacre.entropy.mesh.positions_values import Values, new_values
from nacre.entropy.mesh.predictors import VECTORS
from nacre.entropy.mixing import Counters, Weights, new_counters, new_weights

Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

BASE, SLOW, FAST, VALENCE, GATE_POINT, SECOND_POINT, THIRD_POINT, FOURTH_POINT = range(8)
MISSED_POINT, ANGLE_POINT, CLOSING_POINT = range(8, 11)
POINTS = 11
"""Where a vertex may lie: the mean of its parallelograms; by least squares of long memory, of short
memory, over vertices of its valence; single parallelograms; the mean and what was missed nearby;
by inner angles; in the mean of a neighbour's neighbours."""

REGRESSIONS = 3
MEMORIES = 7
"""Sets of moments: long, short, and one for each of five classes of valences."""

MODEL_POINTS = np.array(
    [BASE, SLOW, FAST, SLOW, GATE_POINT, ANGLE_POINT, SLOW, MISSED_POINT, VALENCE], np.int64
)
"""Each model is a point ..."""
MODEL_FAMILIES = np.array([0, 0, 0, 1, 2, 0, 3, 1, 0], np.int64)
"""... with variances learned in the contexts of a family ..."""
MODEL_ALIGNED = np.array([0, 0, 0, 1, 0, 0, 0, 0, 0], np.int64)
"""... along the gate's frame or, if 1, along the axes."""
MODELS = len(MODEL_POINTS)
FAMILIES, FAMILY_CONTEXTS = 4, 256

_HARD = [BASE, SLOW, FAST, GATE_POINT, SECOND_POINT, THIRD_POINT, FOURTH_POINT]
_HARD += [MISSED_POINT, CLOSING_POINT]
_SOFT = [BASE, SLOW, FAST, GATE_POINT, SECOND_POINT]
SPIKE_POINTS = np.array(_HARD + _SOFT, np.int64)
SPIKE_VARIANCES = np.array([0.05] * len(_HARD) + [0.5] * len(_SOFT))
"""Points that are hit exactly, or but for the rounding of the vertices that predict them."""
SPIKES = len(SPIKE_POINTS)
BROAD_VARIANCES = np.array([30.0, 3000.0])
"""How much wider than a model the last two components are."""
BROAD = len(BROAD_VARIANCES)
FIRST_BROAD = MODELS + NETWORK
FIRST_SPIKE = FIRST_BROAD + BROAD
COMPONENTS = FIRST_SPIKE + SPIKES
"""Models, what a network says, broad ones, spikes: in this order."""

KINDS = 7
"""0 to 3 known neighbours without a parallelogram (3 is more); 1, 2, 3 or more parallelograms."""
SIZE_CLASSES = 12
NODES = 18
"""Kinds of decisions: is it the centre, on which side, 8 of how far, 4 first and 4 next halves."""
INPUTS = 16
"""Of a mixer: all together, each model, counters, values seen (two), the network."""
COUNTER_SETS, COUNTER_CONTEXTS = 3, 48
MIXER_ROWS = NODES * (3 + 8 + 12)

FAMILY, KIND_CLASS, MISSED_CLASS, SPIKE_CLASS, VALENCE_CLASS = 0, 4, 5, 6, 7
"""Entries of ``Work.contexts``; FAMILIES from FAMILY on."""


class Learned(NamedTuple):
    """What the vertices so far have taught.

    Attributes:
        moments: of the least squares, float64 ``[MEMORIES, 3, W, W]``, by parallelograms.
        variances: of the models in their contexts, float64 ``[MODELS, FAMILY_CONTEXTS, 3]``.
        seen: vertices in each, int32 ``[MODELS, FAMILY_CONTEXTS]``.
        ratios: variances over what was expected of a kind of vertex, ``[KINDS, MODELS, 3]``.
        shares: weights of the components before anything is known of a vertex,
            ``[KINDS * SIZE_CLASSES, COMPONENTS]``.
        mixers: int32 ``[MIXER_ROWS, INPUTS]``.
        last: mixers of mixers, int32 ``[NODES, 8]``.
        counters: ``[COUNTER_SETS, COUNTER_CONTEXTS * NODES]``.
        values: what coordinates have been.
    """

    moments: Floats
    variances: Floats
    seen: Int32s
    ratios: Floats
    shares: Floats
    mixers: Weights
    last: Weights
    counters: Counters
    values: Values


class Mixture(NamedTuple):
    """Components at a vertex; the first so many count, models always.

    Attributes:
        means: float64 ``[K, 3]``.
        factors: Cholesky factors, float64 ``[K, 6]``.
        weights: they add up to 1 or less, float64 ``[K]``.
        numbers: which component each is, int64 ``[K]``.
        offset, slope: mean and inverse scale of the coordinate being coded.
        near, far: mass beyond the nearer and the farther end of the interval that holds it.
        inner, outer: mass on either side of a decision.
    """

    means: Floats
    factors: Floats
    weights: Floats
    numbers: Int64s
    offset: Floats
    slope: Floats
    near: Floats
    far: Floats
    inner: Floats
    outer: Floats


class Work(NamedTuple):
    """Work space at a vertex.

    Attributes:
        points: from the base, float64 ``[POINTS, 3]``.
        there: 1 of points that there are, int64 ``[POINTS]``.
        sigmas: variances of the models along their axes, float64 ``[MODELS, 3]``.
        contexts: int64 ``[8]``.
        solution, matrix: of the least squares, ``[VECTORS]`` and ``[W, W]``.
        axes: the identity.
        coordinates: what has been coded of the vertex, float64 ``[3]``.
        target: position less base, float64 ``[3]``.
        hits: of each axis, whether the last three vertices were at the centre, bits, int64 ``[3]``.
        answers: a network's, int64 ``[NETWORK, ANSWERS]``.
        opinion: weights of its components among themselves, float64 ``[NETWORK]``.
        mixture: the components.
        inputs, outputs: of mixers, int32 ``[INPUTS]`` and ``[8]``.
        slots, rows: the counters and mixers of a decision, int64 ``[3]``.
    """

    points: Floats
    there: Int64s
    sigmas: Floats
    contexts: Int64s
    solution: Floats
    matrix: Floats
    axes: Floats
    coordinates: Floats
    target: Floats
    hits: Int64s
    answers: Int64s
    opinion: Floats
    mixture: Mixture
    inputs: Int32s
    outputs: Int32s
    slots: Int64s
    rows: Int64s


def new_learned(bits: int, vertices: int) -> Learned:
    """Nothing learned; variances of the first vertices follow the extent, below 2^bits."""
    extent = float(1 << bits)
    shares = np.zeros((KINDS * SIZE_CLASSES, COMPONENTS))
    shares[:, :MODELS] = 0.6 / MODELS
    shares[:, MODELS:FIRST_BROAD] = 0.8 / NETWORK
    shares[:, FIRST_BROAD:FIRST_SPIKE] = 0.05, 0.01
    shares[:, FIRST_SPIKE:] = 0.3 / SPIKES
    ratios = np.ones((KINDS, MODELS, 3))
    ratios[0] = 0.1 * extent * extent
    ratios[1:4] = 4.0 * extent * extent / max(vertices, 1)
    mixers = new_weights(MIXER_ROWS, INPUTS, 0.0)
    mixers[:, 0] = round(0.7 * 65536)
    mixers[:, 1 : 1 + MODELS] = round(0.3 * 65536 / MODELS)
    last = new_weights(NODES, 8, 0.0)
    last[:, :3] = 65536 // 3
    return Learned(
        np.zeros((MEMORIES, 3, VECTORS + 1, VECTORS + 1)),
        np.zeros((MODELS, FAMILY_CONTEXTS, 3)),
        np.zeros((MODELS, FAMILY_CONTEXTS), np.int32),
        ratios,
        shares,
        mixers,
        last,
        new_counters(COUNTER_SETS, COUNTER_CONTEXTS * NODES),
        new_values(),
    )


def new_work() -> Work:
    """Work space."""
    mixture = Mixture(
        np.zeros((COMPONENTS, 3)),
        np.ones((COMPONENTS, 6)),
        np.zeros(COMPONENTS),
        np.zeros(COMPONENTS, np.int64),
        *np.zeros((6, COMPONENTS)),
    )
    return Work(
        np.zeros((POINTS, 3)),
        np.zeros(POINTS, np.int64),
        np.zeros((MODELS, 3)),
        np.zeros(8, np.int64),
        np.zeros(VECTORS),
        np.zeros((VECTORS + 1, VECTORS + 1)),
        np.eye(3),
        np.zeros(3),
        np.zeros(3),
        np.zeros(3, np.int64),
        np.zeros((NETWORK, ANSWERS), np.int64),
        np.zeros(NETWORK),
        mixture,
        np.zeros(INPUTS, np.int32),
        np.zeros(8, np.int32),
        np.zeros(3, np.int64),
        np.zeros(3, np.int64),
    )
