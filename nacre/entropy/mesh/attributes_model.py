"""What the coder of attributes learns, and its space: arrays that the caller makes.

Also the logistic distribution in strict float64, whose table is made by whole numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.attributes_ring import Number
from nacre.entropy.mixing import WEIGHT_BITS, Counters, Weights, new_counters
from nacre.entropy.sequential import State, Words, compiled

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PREDICTIONS = 6
"""What a predictor hands over for each channel."""
EXPERTS = PREDICTIONS + 2
"""Two are the joined prediction: wide by its neighbours' misses, and by the channel's before."""
REGRESSORS = 8
"""Differences of predictions, the neighbours' residual, residuals of the two channels before."""
CLASSES = 16
"""Of how much neighbours missed."""
DEGREES = 8
"""Complete triangles around a value: none, 1, 2, more; and whether it has a twin."""
CHANNEL_CLASSES = 4
"""Channels from the fourth on share what they learn, but for the widths of the experts."""
CONTEXTS = 6
SLOTS = 128
"""Of counters in a context, for each class of channels."""
NODES = 192
INPUTS = 16
COMPONENTS = EXPERTS + PREDICTIONS
"""Of the mixture: experts, and a narrow one at each prediction."""
MIXTURE = EXPERTS + CONTEXTS
BIAS = MIXTURE + 1
_EXPERT_WEIGHT, _COUNTER_WEIGHT, _MIXTURE_WEIGHT = 0.02, 0.02, 0.25
"""At first; two rows are added."""
_STEPS_PER_NAT = 32
_NATS = 40


def _logistic_table() -> Floats:
    """1 / (1 + e^(i / 32)) for i from 0 to 40 * 32, each rounded once."""
    bits = 160
    step, term, order = 0, 1 << bits, 0
    while term:
        step += term
        order += 1
        term //= _STEPS_PER_NAT * order
    power, found = 1 << bits, []
    for _ in range(_STEPS_PER_NAT * _NATS + 2):
        found.append((1 << bits) / (power + (1 << bits)))
        power = power * step >> bits
    return np.array(found, dtype=np.float64)


_LOGISTIC = _logistic_table()


class Coder(NamedTuple):
    """The range coder: ``state`` and ``words`` as nacre.entropy.sequential wants them.

    ``mixing`` is False where speed matters more: one counter decides alone.
    """

    decoding: bool
    mixing: bool
    state: State
    words: Words


class Model(NamedTuple):
    """What is learnt while coding.

    Attributes:
        counters: uint32 ``[contexts, channel classes * slots, nodes]``.
        weights: int32 ``[rows, inputs]``: a row for node and channel, one for node and class.
        misses: how far each expert misses on average, ``[experts, K, classes]``.
        counts: how often, ``[experts, K, classes]``.
        moments: of the regressors and the target, ``[channel classes, 8, 9]``.
        residuals: what the joined prediction missed by, ``[n, K]``.
        priors: shares of the components by triangles and class, ``[degrees * classes, 14]``.
    """

    counters: Counters
    weights: Weights
    misses: Floats
    counts: Floats
    moments: Floats
    residuals: Floats
    priors: Floats


class Work(NamedTuple):
    """Space for one value.

    Attributes:
        predictions: ``[PREDICTIONS, K]``.
        around: of neighbours, sums of residuals, of their magnitudes, and how many, ``[3, K]``.
        degrees: complete triangles around the value, known neighbours, a twin, int64 ``[3]``.
        means: of each component, float64 ``[COMPONENTS]``.
        inverses: one over its scale, float64 ``[COMPONENTS]``.
        inputs: int32 ``[INPUTS]``.
        slots: of each context, int64 ``[contexts]``.
        rows: the rows of weights before the node is added, int64 ``[2]``.
        regressors: float64 ``[REGRESSORS]``.
        system: float64 ``[REGRESSORS, REGRESSORS + 1]``.
        sums: for predictors, ``[8, K + 1]``.
        memory: what is kept from value to value, float64 ``[16]``: predictors have 0 and 8 to 13.
        shares: of the mixture's components, float64 ``[COMPONENTS]``.
    """

    predictions: Floats
    around: Floats
    degrees: Int64s
    means: Floats
    inverses: Floats
    inputs: Int32s
    slots: Int64s
    rows: Int64s
    regressors: Floats
    system: Floats
    sums: Floats
    memory: Floats
    shares: Floats


class Range(NamedTuple):
    """What numbers there are.

    Attributes:
        low: the least of each channel, int64 ``[K]``.
        high: the greatest.
        shift: classes of a channel are by misses / 2^shift, int64 ``[K]``.
        apart: True where each channel has least squares of its own.
    """

    low: Int64s
    high: Int64s
    shift: Int64s
    apart: bool


def new_model(count: int, channels: int, spans: list[int]) -> Model:
    """A model that has seen nothing, for ``count`` values of channels with those spans."""
    weights = np.zeros((NODES * (CHANNEL_CLASSES + CLASSES), INPUTS), np.int32)
    weights[:, :EXPERTS] = round(_EXPERT_WEIGHT * (1 << WEIGHT_BITS))
    weights[:, EXPERTS:MIXTURE] = round(_COUNTER_WEIGHT * (1 << WEIGHT_BITS))
    weights[:, MIXTURE] = round(_MIXTURE_WEIGHT * (1 << WEIGHT_BITS))
    misses = np.empty((EXPERTS, channels, CLASSES), np.float64)
    misses[:] = np.array([max(1.0, span / 64) for span in spans])[None, :, None]
    return Model(
        new_counters(CONTEXTS, CHANNEL_CLASSES * SLOTS, NODES),
        weights,
        misses,
        np.zeros((EXPERTS, channels, CLASSES)),
        np.zeros((CHANNEL_CLASSES, REGRESSORS, REGRESSORS + 1)),
        np.zeros((count, channels)),
        np.full((DEGREES * CLASSES, COMPONENTS), 1.0 / COMPONENTS),
    )


def new_work(channels: int) -> Work:
    """Space for values of that many channels."""
    return Work(
        np.zeros((PREDICTIONS, channels)),
        np.zeros((3, channels)),
        np.zeros(3, np.int64),
        np.zeros(COMPONENTS),
        np.zeros(COMPONENTS),
        np.zeros(INPUTS, np.int32),
        np.zeros(CONTEXTS, np.int64),
        np.zeros(2, np.int64),
        np.zeros(REGRESSORS),
        np.zeros((REGRESSORS, REGRESSORS + 1)),
        np.zeros((8, channels + 1)),
        np.zeros(16),
        np.full(COMPONENTS, 1.0 / COMPONENTS),
    )


@compiled
def _below(t: Number) -> Number:
    """The logistic distribution at ``t`` <= 0, in units of its scale."""
    place = t * np.float64(-_STEPS_PER_NAT)
    if not place < np.float64(_STEPS_PER_NAT * _NATS):
        return 0.0
    index = np.int64(place)
    low = _LOGISTIC[index]
    return low + (_LOGISTIC[index + 1] - low) * (place - np.float64(index))


@compiled
def logistic_mass(a: Number, b: Number) -> Number:
    """How likely a logistic variable lies in ``a .. b``, of full precision in the tails."""
    if a >= 0.0:
        return _below(-a) - _below(-b)
    if b <= 0.0:
        return _below(b) - _below(a)
    return 1.0 - _below(a) - _below(-b)
