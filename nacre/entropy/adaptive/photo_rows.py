"""One plane of a picture, coded row by row in one compiled loop."""

from __future__ import annotations

import numpy as np

from nacre.entropy.adaptive.least_squares import (
    SAMPLE_LIMIT,
    SOLUTION_BITS,
    accumulate,
    bit_length,
    gather,
    solve,
)
from nacre.entropy.adaptive.photo_coding import (
    Coder,
    Density,
    Mixture,
    clamp,
    code_sample,
    inlined,
)
from nacre.entropy.adaptive.photo_contexts import (
    colour_key,
    cross_class,
    cross_energy,
    energy_before,
    energy_class,
    scale_class,
    set_contexts,
)
from nacre.entropy.adaptive.photo_layout import (
    BLOCK,
    CROSSES,
    ENERGIES,
    ERROR_POINT_BITS,
    ERRORS,
    GREY,
    NODES,
    PAD,
    SCALES,
    TOP,
    VALUES,
    Int32s,
    Model,
    Plane,
    Scratch,
)
from nacre.entropy.adaptive.photo_tables import ERROR_BITS, POINT_BITS, log_index
from nacre.entropy.sequential import COUNT, HELD, Number, compiled

WORDS_PER_SAMPLE = 40
"""No sample takes more decisions, so none takes more words."""
_SCALE_BITS = 4
"""Bits of a learnt mean error beyond ERROR_BITS."""
_SEEN = 126
"""A mean error's step stays at 1 / this."""


@inlined
def _base(v: Int32s, p: Number, stride: Number) -> Number:
    """A weighted mean of four neighbours."""
    w, n = np.int64(v[p - 1]), np.int64(v[p - stride])
    ne, nw = np.int64(v[p - stride + 1]), np.int64(v[p - stride - 1])
    return (3 * (w + n) + ne + nw + 4) >> 3


@inlined
def _regress(planes: Int32s, plane: Plane, scratch: Scratch, p: Number, sample: Int32s) -> Number:
    """Fill a sample with its regressors; returns what was taken from those of the plane itself."""
    sizes, taps = scratch.sizes, scratch.taps
    own = np.int64(0)
    at = np.int64(0)
    for part in range(3):
        if sizes[part] == 0:
            break
        v = planes[VALUES, plane.own if part == 0 else (plane.first if part == 1 else plane.second)]
        base = _base(v, p, plane.stride)
        own = np.int64(base) if part == 0 else own
        for k in range(sizes[part]):
            sample[at + k] = np.int32(v[p + taps[part, k]] - base)
        at += sizes[part]
    return own


@compiled
def _learn_scale(scales: Int32s, place: Number, error: Number) -> None:
    """Move a mean error towards the magnitude of one, POINT_BITS after the point."""
    mean, seen = np.int64(scales[place, 0]), np.int64(scales[place, 1])
    size = abs(np.int64(error)) << (ERROR_BITS + _SCALE_BITS - POINT_BITS)
    scales[place, 0] = np.int32(mean + (size - mean) // (seen + 2))
    scales[place, 1] = np.int32(min(seen + 1, np.int64(_SEEN)))


@inlined
def _learn_sample(sample: Int32s, target: Number, size: Number, plane: Plane) -> None:
    """Make a sample ready to be added to the moments."""
    sample[size] = np.int32(target)
    if plane.shift:
        for k in range(len(sample)):
            sample[k] = np.int32(clamp(sample[k] >> plane.shift, SAMPLE_LIMIT))


@inlined
def _code_pixel(
    p: Number, n: Number, planes: Int32s, plane: Plane, model: Model, scratch: Scratch, coder: Coder
) -> None:
    """Predict a value, code it and learn from it; ``n`` is its number in its block."""
    v, e = planes[VALUES, plane.own], planes[ERRORS, plane.own]
    sample = scratch.samples[n]
    own = _regress(planes, plane, scratch, p, sample)
    total = np.int64(1) << (SOLUTION_BITS - POINT_BITS - 1)
    for k in range(len(scratch.solution)):
        total += np.int64(sample[k]) * np.int64(scratch.solution[k])
    base = np.int64(planes[VALUES, plane.base, p])
    mean = ((own + base) << POINT_BITS) + (total >> (SOLUTION_BITS - POINT_BITS))
    mean = min(max(mean, np.int64(0)), plane.high << POINT_BITS)
    nearby = energy_before(e, p, plane.stride)
    energy, cross = energy_class(nearby), cross_class(cross_energy(planes, p, plane))
    place_a = energy * CROSSES + cross
    expected = np.int64(model.scales[place_a, 0]) >> _SCALE_BITS
    scale = scale_class(expected, plane.shift)
    step_bits = bit_length(expected // 3072)
    disagreement = set_contexts(
        planes, model.memory, plane, p, mean, step_bits, energy, cross, scale, scratch.slots
    )
    place_b = ENERGIES * CROSSES + disagreement * SCALES + scale
    other = np.int64(model.scales[place_b, 0]) >> _SCALE_BITS
    density = Density(plane.high, mean, log_index(expected), log_index(other), step_bits)
    mixture = Mixture(
        model.counters,
        model.weights,
        scratch.slots,
        scratch.inputs,
        scale * NODES,
        (SCALES + disagreement * CROSSES + cross) * NODES,
    )
    x = code_sample(np.int64(v[p]) + base, density, mixture, coder)
    value = x - base
    v[p] = np.int32(value)
    error = (x << POINT_BITS) - mean
    error_shift = POINT_BITS - ERROR_POINT_BITS + plane.shift
    e[p] = np.int32(error >> error_shift)
    _learn_scale(model.scales, place_a, error)
    _learn_scale(model.scales, place_b, error)
    _learn_sample(sample, value - own, np.int64(scratch.sizes[3]), plane)
    scratch.importance[n] = np.int32(512 // (16 + ((nearby + abs(error >> error_shift)) >> 5)))
    if plane.kind != GREY:
        key = colour_key(planes, p, plane)
        model.memory[key, 1] = model.memory[key, 0]
        model.memory[key, 0] = np.int32(value)


@inlined
def _pad_left(a: Int32s, row: Number, stride: Number) -> None:
    for k in range(1, PAD + 1):
        a[row - k] = a[row - stride]


@inlined
def _pad_right(a: Int32s, end: Number) -> None:
    for k in range(PAD):
        a[end + k] = a[end - 1]


@compiled
def code_rows(
    rows: tuple[int, int],
    spacing: int,
    planes: Int32s,
    plane: Plane,
    model: Model,
    scratch: Scratch,
    coder: Coder,
) -> Number:
    """Code or decode rows of a plane; returns the first row that was not.

    Args:
        rows: first row and the one behind the last.
        spacing: blocks that share a solution.
        planes: see nacre.entropy.adaptive.photo_layout.
        plane: which of them.
        model: what was learnt of the rows before.
        scratch: work space.
        coder: encoding stops early before the words that are left might not do for a row.
    """
    width, stride = plane.width, plane.stride
    v, e = planes[VALUES, plane.own], planes[ERRORS, plane.own]
    size = np.int64(scratch.sizes[3])
    for y in range(rows[0], rows[1]):
        written = np.int64(coder.state[COUNT] + coder.state[HELD])
        if not coder.decoding and written + width * WORDS_PER_SAMPLE + 2 > len(coder.words):
            return y
        row = (y + TOP) * stride + PAD
        _pad_left(v, row, stride)
        _pad_left(e, row, stride)
        for block in range((width + BLOCK - 1) // BLOCK):
            if block % spacing == 0:
                gather(model.moments, block, size, scratch.system)
                solve(scratch.system, size, scratch.solution)
            first = row + block * BLOCK
            count = min(BLOCK, width - block * BLOCK)
            for n in range(count):
                _code_pixel(first + n, n, planes, plane, model, scratch, coder)
            for n in range(count, BLOCK):
                scratch.importance[n] = 0
            accumulate(model.moments[block + 2], scratch.samples, scratch.importance)
        _pad_right(v, row + width)
        _pad_right(e, row + width)
    return rows[1]
