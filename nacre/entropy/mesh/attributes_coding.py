"""How one number of an attribute is written: decisions whose probabilities are mixed.

Several predictions of the number are *experts*: each stands for a logistic distribution around
itself, as wide as it used to miss where its neighbours missed as much as here. Least squares that
learn within the file join the predictions to one more. A *mixture* adds their distributions, and
narrow ones at each prediction, with shares that grow by what fitted the channels before: once the
first channel fits a prediction exactly, the others are nearly free.

The number is the rounded best prediction or not; above or below it; then an exponential Golomb code
of the distance, bits from the top. Each decision's chances by the experts, by the mixture and by
counters in contexts are mixed (nacre.entropy.mixing).

All that the coder sees is computed in strict float64 (+ - * / in one order) or in integers, and the
same on every machine. Numbers are always inside their range, whatever the data.
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.adaptive.least_squares import bit_length
from nacre.entropy.mesh.attributes_model import (
    BIAS,
    CHANNEL_CLASSES,
    CLASSES,
    COMPONENTS,
    CONTEXTS,
    DEGREES,
    EXPERTS,
    INPUTS,
    MIXTURE,
    NODES,
    PREDICTIONS,
    REGRESSORS,
    SLOTS,
    Coder,
    Floats,
    Model,
    Range,
    Work,
    logistic_mass,
)
from nacre.entropy.mesh.attributes_ring import Number
from nacre.entropy.mixing import LIMIT, SQUASH, STRETCH, WEIGHT_BITS, updated
from nacre.entropy.sequential import compiled, decode_bit, encode_bit
from nacre.entropy.tables import PRECISION

MOST_DECISIONS = 2 * 53 + 4
"""Of one number."""

_JOINED, _JOINED_AGAIN = PREDICTIONS, PREDICTIONS + 1
_SAME, _UP, _BUCKET, _TOP, _SECOND, _DEEP = 0, 1, 2, 56, 110, 164
"""Nodes: the rounded prediction, the side, then by bucket: beyond it, its first and second bit."""
_RATE = 17
_COUNT = 255
_DECAY = 0.998
_RIDGE = 5e-3
_SCALE = 0.6
"""A logistic distribution of scale s is 1.39 s from its mean on average: 1 / 1.39, and narrower."""
_NARROW = 0.25
"""Scale of the narrow components."""
_PRIOR_RATE = 0.03
_LEAST_FIT, _LEAST_PRIOR, _LEAST_MISS, _NOTHING = 1e-7, 1e-6, 1e-3, 1e-60
"""So that nothing decays into numbers that some processors round to zero and others do not."""
_GROUP = 4
"""So many channels tell each other which component fits."""
_ROW, _BEFORE = 6, 7
"""Places in the memory: the row of priors, what the last number was missed by."""
_FEWEST = 0.02
"""Experts are never narrower."""
_QUICK, _SLOW = 1.5, 60.0
"""A mean moves by 1 / (count + _QUICK), at least 1 / _SLOW."""


@compiled
def _opinion(one: Number, other: Number) -> Number:
    """A chance stretched; what finds both impossible has no opinion."""
    whole = one + other
    place = np.int64(2048)
    if whole > 1e-18:
        place = np.int64(one / whole * 4096.0)
    return np.int32(STRETCH[min(max(place, np.int64(0)), np.int64(4095))])


@compiled
def _expect(
    work: Work, low: Number, high: Number, a: Number, b: Number, c: Number, d: Number
) -> None:
    """The stretched chances of ``low .. high`` against ``a .. b`` and ``c .. d`` together."""
    mixed_one, mixed_other = 0.0, 0.0
    for k in range(COMPONENTS):
        mean, inverse = work.means[k], work.inverses[k]
        one = logistic_mass((low - mean) * inverse, (high - mean) * inverse)
        other = logistic_mass((a - mean) * inverse, (b - mean) * inverse)
        if c < d:
            other += logistic_mass((c - mean) * inverse, (d - mean) * inverse)
        if k < EXPERTS:
            work.inputs[k] = _opinion(one, other)
        mixed_one += work.shares[k] * one
        mixed_other += work.shares[k] * other
    work.inputs[MIXTURE] = _opinion(mixed_one, mixed_other)


@compiled
def _decide(bit: Number, node: Number, model: Model, work: Work, coder: Coder) -> Number:
    """Code a decision, or decode it, and learn from it; the experts have spoken before."""
    inputs, slots = work.inputs, work.slots
    if not coder.mixing:
        counter = model.counters[0, slots[0], node]
        ones = min(max(np.int64(counter) >> 10 << 2, np.int64(512)), np.int64((1 << 24) - 512))
        if coder.decoding:
            bit = decode_bit(coder.state, coder.words, ones)
        else:
            encode_bit(coder.state, coder.words, bit, ones)
        model.counters[0, slots[0], node] = updated(counter, bit, _COUNT)
        return bit
    for k in range(CONTEXTS):
        inputs[EXPERTS + k] = np.int32(STRETCH[np.int64(model.counters[k, slots[k], node]) >> 20])
    row_a, row_b = work.rows[0] + node, work.rows[1] + node
    total = np.int64(1 << (WEIGHT_BITS - 1))
    for k in range(INPUTS):
        weight = np.int64(model.weights[row_a, k]) + np.int64(model.weights[row_b, k])
        total += weight * np.int64(inputs[k])
    mixed = min(max(total >> WEIGHT_BITS, np.int64(-LIMIT)), np.int64(LIMIT))
    ones = np.int64(SQUASH[mixed + LIMIT])
    if coder.decoding:
        bit = decode_bit(coder.state, coder.words, ones)
    else:
        encode_bit(coder.state, coder.words, bit, ones)
    error = (bit << 16) - (ones >> (PRECISION - 16))
    for k in range(INPUTS):
        step = (np.int64(inputs[k]) * error + (1 << (_RATE - 1))) >> _RATE
        model.weights[row_a, k] = np.int32(np.int64(model.weights[row_a, k]) + step)
        model.weights[row_b, k] = np.int32(np.int64(model.weights[row_b, k]) + step)
    for k in range(CONTEXTS):
        counter = model.counters[k, slots[k], node]
        model.counters[k, slots[k], node] = updated(counter, bit, _COUNT)
    return bit


@compiled
def _code_number(
    x: Number, low: Number, high: Number, centre: Number, model: Model, work: Work, coder: Coder
) -> Number:
    """Code a number in ``low .. high``, or decode it."""
    bottom, top = np.float64(low) - 0.5, np.float64(high) + 0.5
    under, over = np.float64(centre) - 0.5, np.float64(centre) + 0.5
    if coder.mixing:
        _expect(work, under, over, bottom, under, over, top)
    if _decide(np.int64(x == centre), np.int64(_SAME), model, work, coder):
        return centre
    up = np.int64(centre == low)
    if low < centre < high:
        if coder.mixing:
            _expect(work, over, top, bottom, under, 0.0, 0.0)
        up = _decide(np.int64(x > centre), np.int64(_UP), model, work, coder)
    room = high - centre if up else centre - low
    distance = x - centre - 1 if up else centre - x - 1
    found = _code_distance(distance, room, centre, up, model, work, coder)
    return centre + 1 + found if up else centre - 1 - found


@compiled
def _ask(
    work: Work, centre: Number, up: Number, start: Number, middle: Number, end: Number
) -> None:
    """The chances of ``middle .. end`` against ``start .. middle``, distances on one side."""
    a, m, b = np.float64(start), np.float64(middle), np.float64(end)
    if up:
        origin = np.float64(centre) + 0.5
        _expect(work, origin + m, origin + b, origin + a, origin + m, 0.0, 0.0)
    else:
        origin = np.float64(centre) - 0.5
        _expect(work, origin - b, origin - m, origin - m, origin - a, 0.0, 0.0)


@compiled
def _code_distance(
    x: Number, room: Number, centre: Number, up: Number, model: Model, work: Work, coder: Coder
) -> Number:
    """Code a distance in ``0 .. room - 1``, or decode it."""
    bucket, start = np.int64(0), np.int64(0)
    while True:
        end = start + (np.int64(1) << bucket)
        if end >= room:
            break
        if coder.mixing:
            _ask(work, centre, up, start, end, room)
        if not _decide(np.int64(x >= end), _BUCKET + bucket, model, work, coder):
            break
        start = end
        bucket += 1
    end = min(start + (np.int64(1) << bucket), room)
    for level in range(bucket):
        half = start + (np.int64(1) << (bucket - 1 - level))
        if half >= end:
            continue
        depth: Number = min(level, np.int64(20))
        node = np.int64(_DEEP + depth)
        if level < 2:
            node = (_TOP if level == 0 else _SECOND) + bucket
        if coder.mixing:
            _ask(work, centre, up, start, half, end)
        if _decide(np.int64(x >= half), node, model, work, coder):
            start = half
        else:
            end = half
    return start


@compiled
def _class_of(magnitude: Number, shift: Number) -> Number:
    """0 of next to nothing, else by octaves, up to CLASSES - 1."""
    return min(bit_length(np.int64(magnitude * 4.0) >> shift), np.int64(CLASSES - 1))


@compiled
def _joined(work: Work, moments: Floats) -> Number:
    """The joined prediction: the first one and what least squares add (L D L^T, a ridge of 1/500).

    Leaves the solution in the last column of ``system``.
    """
    system = work.system
    for i in range(REGRESSORS):
        for j in range(REGRESSORS + 1):
            system[i, j] = moments[i, j]
        system[i, i] = system[i, i] * (1.0 + _RIDGE) + 1e-9
    for j in range(REGRESSORS):
        for i in range(j + 1, REGRESSORS):
            factor = system[j, i] / system[j, j]
            for k in range(i, REGRESSORS + 1):
                system[i, k] -= factor * system[j, k]
    added = 0.0
    for j in range(REGRESSORS - 1, -1, -1):
        total = system[j, REGRESSORS]
        for k in range(j + 1, REGRESSORS):
            total -= system[j, k] * system[k, REGRESSORS]
        system[j, REGRESSORS] = total / system[j, j]
        added += system[j, REGRESSORS] * work.regressors[j]
    return added


@compiled
def _learn(moments: Floats, work: Work, target: Number, weight: Number) -> None:
    for i in range(REGRESSORS):
        scaled = work.regressors[i] * weight
        for j in range(i, REGRESSORS + 1):
            other = work.regressors[j] if j < REGRESSORS else target
            moment = moments[i, j] * _DECAY + scaled * other
            moments[i, j] = moment if abs(moment) > _NOTHING else 0.0


@compiled
def _clamped(value: Number, low: Number, high: Number) -> Number:
    """``value`` in ``low .. high``; NaN, which no input makes, would be ``low``."""
    if not value > low:
        return low
    return min(value, high)


@compiled
def _degree(work: Work) -> Number:
    """How much is known around a value, 0 .. DEGREES - 1."""
    triangles: Number = min(work.degrees[0], np.int64(DEGREES // 2 - 1))
    return triangles + np.int64(DEGREES // 2) * work.degrees[2]


@compiled
def _open_group(near: Number, model: Model, work: Work) -> None:
    """What fitted the last group of channels goes into its priors; the next one's are taken."""
    row = np.int64(work.memory[_ROW])
    chosen = _degree(work) * CLASSES + near
    for e in range(COMPONENTS):
        prior = model.priors[row, e]
        prior += (work.shares[e] - prior) * _PRIOR_RATE
        model.priors[row, e] = max(prior, _LEAST_PRIOR)
    for e in range(COMPONENTS):
        work.shares[e] = model.priors[chosen, e]
    work.memory[_ROW] = np.float64(chosen)


@compiled
def code_channel(
    x: Number, value: Number, k: Number, span: Range, model: Model, work: Work, coder: Coder
) -> Number:
    """Code one channel of a value after its predictions were made, or decode it; and learn.

    Args:
        x: the number; ignored when decoding.
        value: which value.
        k: which channel; those before it are coded.
        span: the range.
        model: what was learnt.
        work: predictions, sums around the value.
        coder: the range coder.
    """
    low, high = span.low[k], span.high[k]
    known = work.around[2, k]
    before = model.residuals[value, k - 1] if k > 0 else work.memory[_BEFORE]
    missed = work.around[1, k] / known if known > 0.0 else abs(before)
    near, earlier = _class_of(missed, span.shift[k]), _class_of(abs(before), span.shift[k])
    if k % _GROUP == 0:
        _open_group(near, model, work)
    if low == high:
        return low
    bottom, top = np.float64(low), np.float64(high)
    own = min(k, np.int64(CHANNEL_CLASSES - 1))
    trend = work.around[0, k] / known if known > 0.0 else 0.0
    first = _clamped(work.predictions[0, k], bottom, top)
    for e in range(PREDICTIONS):
        work.means[e] = _clamped(work.predictions[e, k], bottom, top)
        if e > 0:
            work.regressors[e - 1] = work.means[e] - first
    work.regressors[5] = trend
    work.regressors[6] = before if k > 0 else 0.0
    work.regressors[7] = model.residuals[value, k - 2] if k > 1 else 0.0
    moments = model.moments[own if span.apart else np.int64(0)]
    joined = _clamped(first + _joined(work, moments), bottom, top)
    work.means[_JOINED] = joined
    work.means[_JOINED_AGAIN] = joined
    best = np.int64(0)
    for e in range(EXPERTS):
        miss = model.misses[e, k, earlier if e == _JOINED_AGAIN else near]
        work.inverses[e] = 1.0 / (max(miss, _FEWEST) * _SCALE)
        if e < _JOINED_AGAIN and miss < model.misses[best, k, near]:
            best = np.int64(e)
    for e in range(PREDICTIONS):
        work.means[EXPERTS + e] = work.means[e]
        work.inverses[EXPERTS + e] = 1.0 / _NARROW
    _choose(work, k, own, near, earlier, trend, before, best, span.shift[k])
    centre = np.int64(np.floor(_clamped(work.means[best] + 0.5, bottom, top)))
    x = _code_number(x, low, high, centre, model, work, coder)
    target = np.float64(x)
    whole = 0.0
    for e in range(COMPONENTS):
        mean, inverse = work.means[e], work.inverses[e]
        work.shares[e] *= _LEAST_FIT + logistic_mass(
            (target - 0.5 - mean) * inverse, (target + 0.5 - mean) * inverse
        )
        whole += work.shares[e]
    for e in range(COMPONENTS):
        work.shares[e] /= whole
    for e in range(EXPERTS):
        line = earlier if e == _JOINED_AGAIN else near
        count = model.counts[e, k, line]
        rate = 1.0 / min(count + _QUICK, _SLOW)
        missed = model.misses[e, k, line]
        missed += (abs(target - work.means[e]) - missed) * rate
        model.misses[e, k, line] = max(missed, _LEAST_MISS)
        model.counts[e, k, line] = min(count + 1.0, _SLOW)
    miss = model.misses[_JOINED, k, near]
    _learn(moments, work, target - first, 1.0 / (miss * miss + 0.25))
    model.residuals[value, k] = target - joined
    work.memory[_BEFORE] = target - joined
    return x


@compiled
def _side(value: Number) -> Number:
    return np.int64(1) if value > 0.5 else (np.int64(2) if value < -0.5 else np.int64(0))


@compiled
def _choose(
    work: Work,
    k: Number,
    own: Number,
    near: Number,
    earlier: Number,
    trend: Number,
    before: Number,
    best: Number,
    shift: Number,
) -> None:
    """The contexts of a number: a slot for each bank of counters, a row for each of weights."""
    least, most = work.means[0], work.means[0]
    for e in range(1, PREDICTIONS):
        least, most = min(least, work.means[e]), max(most, work.means[e])
    spread = _class_of(most - least, shift)
    centre = np.floor(work.means[best] + 0.5)
    fraction = np.int64((work.means[best] + 0.5 - centre) * 3.0)
    leaning = _side(work.means[_JOINED] - centre)
    base = own * SLOTS
    work.slots[0] = base + min(near, np.int64(15)) * 4 + min((earlier + 1) >> 1, np.int64(3))
    work.slots[1] = base + min(near >> 1, np.int64(7)) * 16 + earlier
    work.slots[2] = base + spread * 8 + best
    work.slots[3] = base + _degree(work) * 16 + near
    sides = (_side(trend) * 3 + _side(before)) * 3 + leaning
    third: Number = min(max(fraction, np.int64(0)), np.int64(2))
    work.slots[4] = base + sides * 3 + third
    work.slots[5] = base + min(spread >> 1, np.int64(7)) * 8 + min(near >> 1, np.int64(7))
    work.inputs[BIAS] = np.int32(256)
    work.rows[0] = own * NODES
    work.rows[1] = (CHANNEL_CLASSES + near) * NODES
