"""One plane of a picture, coded sample by sample, as compiled functions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.adaptive.least_squares import (
    SOLUTION_BITS,
    WIDTH,
    accumulate,
    bit_length,
    gather,
    solve,
)
from nacre.entropy.adaptive.photo_tables import (
    ERROR_BITS,
    INVERSE,
    INVERSE_BITS,
    LENGTHS,
    LOG_STEPS,
    POINT_BITS,
    log_index,
    survival,
)
from nacre.entropy.mixing import COUNT_MASK, LIMIT, SQUASH, STRETCH, WEIGHT_BITS, updated
from nacre.entropy.sequential import (
    COUNT,
    HELD,
    Number,
    State,
    Words,
    compiled,
    decode_bit,
    encode_bit,
)

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Uint32s = npt.NDArray[np.uint32]

PAD, TOP, BOTTOM = 4, 3, 2
NODES = 32
INPUTS = 16
CONTEXTS = 12
COLUMNS = 8
ENERGIES, CROSSES = 40, 12
SLOTS = 1 << 12
MEMORY = 1 << 16
LIMIT_COUNT = 255
RATE = 14


class Planes(NamedTuple):
    """Flat padded planes."""

    samples: Int32s
    values: Int32s
    base: Int32s
    errors: Int32s
    first: Int32s
    first_errors: Int32s
    second: Int32s
    second_errors: Int32s


class Model(NamedTuple):
    """What is learnt."""

    counters: Uint32s
    weights: Int32s
    scales: Int64s
    memory: Int32s
    moments: Int32s


class Scratch(NamedTuple):
    """Work space."""

    offsets: Int32s  # [3, 16]
    sizes: Int32s  # own, first, second, total
    block: Int32s  # [8, 16]
    importance: Int32s  # [8]
    system: Int64s
    solution: Int64s
    slots: Int32s
    inputs: Int32s


class Shape(NamedTuple):
    """Constants of a plane."""

    width: int
    stride: int
    kind: int
    high: int
    shift: int
    contexts: int


@compiled
def _clamp(value: Number, limit: Number) -> Number:
    return min(max(value, -limit), limit)


@compiled
def _base(values: Int32s, p: Number, stride: Number) -> Number:
    w, n = np.int64(values[p - 1]), np.int64(values[p - stride])
    ne, nw = np.int64(values[p - stride + 1]), np.int64(values[p - stride - 1])
    return (3 * (w + n) + ne + nw + 4) >> 3


@compiled
def _regress(planes: Planes, scratch: Scratch, p: Number, stride: Number, sample: Int32s) -> Number:
    """Fill sample with regressors; return base of own."""
    sizes, offsets = scratch.sizes, scratch.offsets
    own = _base(planes.values, p, stride)
    for k in range(sizes[0]):
        sample[k] = np.int32(planes.values[p + offsets[0, k]] - own)
    at = sizes[0]
    if sizes[1]:
        base = _base(planes.first, p, stride)
        for k in range(sizes[1]):
            sample[at + k] = np.int32(planes.first[p + offsets[1, k]] - base)
        at += sizes[1]
    if sizes[2]:
        base = _base(planes.second, p, stride)
        for k in range(sizes[2]):
            sample[at + k] = np.int32(planes.second[p + offsets[2, k]] - base)
    return own


@compiled
def _magnitude(errors: Int32s, p: Number) -> Number:
    return abs(np.int64(errors[p]))


@compiled
def _energy(errors: Int32s, p: Number, stride: Number) -> Number:
    return (
        2 * _magnitude(errors, p - 1)
        + 2 * _magnitude(errors, p - stride)
        + _magnitude(errors, p - stride - 1)
        + _magnitude(errors, p - stride + 1)
        + _magnitude(errors, p - 2)
        + _magnitude(errors, p - 2 * stride)
    )


@compiled
def _around(errors: Int32s, p: Number, stride: Number) -> Number:
    return (
        4 * _magnitude(errors, p)
        + 2 * _magnitude(errors, p + 1)
        + 2 * _magnitude(errors, p + stride)
        + _magnitude(errors, p - 1)
        + _magnitude(errors, p - stride)
    )


@compiled
def _cross(planes: Planes, p: Number, shape: Shape) -> Number:
    stride = shape.stride
    if shape.kind == 0:
        v = planes.values
        n = np.int64(v[p - stride])
        return (
            abs(np.int64(v[p - 1]) - np.int64(v[p - stride - 1]))
            + abs(n - np.int64(v[p - stride - 1]))
            + abs(n - np.int64(v[p - stride + 1]))
            + abs(n - np.int64(v[p - 2 * stride]))
        ) << 4
    energy = _around(planes.first_errors, p, stride)
    if shape.kind == 2:
        energy = (energy + 3 * _around(planes.second_errors, p, stride)) >> 1
    return energy


@compiled
def _decide(
    bit: Number,
    node: Number,
    expert: Number,
    selected: tuple[Number, Number],
    coder: tuple[bool, State, Words],
    model: Model,
    scratch: Scratch,
    contexts: Number,
) -> Number:
    decoding, state, words = coder
    inputs, slots = scratch.inputs, scratch.slots
    counters, weights = model.counters, model.weights
    inputs[0] = np.int32(_clamp(expert, np.int64(LIMIT)))
    inputs[1] = 256
    for k in range(contexts):
        inputs[k + 2] = np.int32(STRETCH[np.int64(counters[slots[k] + node]) >> 20])
    a = (selected[0] * NODES + node) * INPUTS
    b = (selected[1] * NODES + node) * INPUTS
    total = np.int64(1 << (WEIGHT_BITS - 1))
    for k in range(INPUTS):
        total += (np.int64(weights[a + k]) + np.int64(weights[b + k])) * np.int64(inputs[k])
    ones = np.int64(SQUASH[_clamp(total >> WEIGHT_BITS, np.int64(LIMIT)) + LIMIT])
    if decoding:
        bit = decode_bit(state, words, ones)
    else:
        encode_bit(state, words, bit, ones)
    error = (bit << 16) - (ones >> 8)
    half = np.int64(1 << (RATE - 1))
    for k in range(INPUTS):
        step = (np.int64(inputs[k]) * error + half) >> RATE
        weights[a + k] = np.int32(weights[a + k] + step)
        weights[b + k] = np.int32(weights[b + k] + step)
    for k in range(contexts):
        counters[slots[k] + node] = updated(counters[slots[k] + node], bit, LIMIT_COUNT)
    return bit


@compiled
def _code_value(
    x: Number,
    mu: Number,
    mean: Number,
    g: Number,
    selected: tuple[Number, Number],
    coder: tuple[bool, State, Words],
    model: Model,
    scratch: Scratch,
    shape: Shape,
) -> Number:
    """Code x in 0..high around mu (POINT_BITS fraction)."""
    high, contexts = shape.high, shape.contexts
    centre = min(max(mu >> POINT_BITS, np.int64(0)), high - 1)
    index = log_index(mean)
    inverse = np.int64(INVERSE[index])
    half = np.int64(1 << (POINT_BITS - 1))
    edge = (((centre << POINT_BITS) + half - mu) * inverse) >> INVERSE_BITS
    up = _decide(1 if x > centre else 0, 0, -edge, selected, coder, model, scratch, contexts)
    # Distances from the edge, outwards.
    room = (high - centre - 1) if up else centre
    offset = (x - centre - 1) if up else (centre - x)
    near = edge if up else -edge
    start = np.int64(0)
    h = g
    k = np.int64(0)
    while True:
        length = np.int64(1) << h
        if start + length > room:
            break
        node = (1 if up else 8) + min(k, np.int64(6))
        chance = survival(near) - np.int64(LENGTHS[index, h])
        beyond = _decide(
            1 if offset >= start + length else 0,
            node,
            chance,
            selected,
            coder,
            model,
            scratch,
            contexts,
        )
        if not beyond:
            break
        start += length
        near += (inverse << (h + POINT_BITS)) >> INVERSE_BITS
        k += 1
        if k >= 6:
            h += 1
    group = min(k, np.int64(3)) + (0 if up else 4)
    level = np.int64(0)
    while h:
        h -= 1
        length = np.int64(1) << h
        if start + length > room:
            continue
        node = np.int64(15) if level > 1 else 16 + 8 * level + group
        span = (inverse << (h + POINT_BITS)) >> INVERSE_BITS
        chance = survival(near) - survival(near + 2 * span) - span
        far = _decide(
            1 if offset >= start + length else 0,
            node,
            chance,
            selected,
            coder,
            model,
            scratch,
            contexts,
        )
        level += 1
        if far:
            start += length
            near += span
    return centre + 1 + start if up else centre - start


@compiled
def _contexts(
    planes: Planes,
    p: Number,
    mu: Number,
    mean: Number,
    g: Number,
    e1: Number,
    e2: Number,
    model: Model,
    scratch: Scratch,
    shape: Shape,
) -> Number:
    """Fill slots; returns disagreement index 0..6."""
    v, stride, slots = planes.values, shape.stride, scratch.slots
    high = shape.high
    base = np.int64(planes.base[p])
    centre = min(max(mu >> POINT_BITS, np.int64(0)), high - 1)
    c = centre - base
    g3 = min(g, np.int64(2))
    w, n = np.int64(v[p - 1]) - c, np.int64(v[p - stride]) - c
    nw, ne = np.int64(v[p - stride - 1]) - c, np.int64(v[p - stride + 1]) - c
    ww, nn = np.int64(v[p - 2]) - c, np.int64(v[p - 2 * stride]) - c
    cw, cn, cnw, cne = _clamp(w, 8), _clamp(n, 8), _clamp(nw, 8), _clamp(ne, 8)
    slots[0] = ((cw + 8) * 17 + cn + 8) * 3 + g3
    counts = np.int64(0)
    for t in range(-1, 3):
        same = (
            (1 if w == t else 0)
            + (1 if n == t else 0)
            + (1 if nw == t else 0)
            + (1 if ne == t else 0)
            + (1 if ww == t else 0)
            + (1 if nn == t else 0)
        )
        counts = counts * 4 + min(same, 3)
    slots[1] = counts * 3 + g3
    # Gradient predictor (MED)
    top, bottom = max(w, n), min(w, n)
    med = min(max(w + n - nw, bottom), top)
    frac = mu - ((c + base) << POINT_BITS)
    disagree = (med << POINT_BITS) - frac
    dq = _clamp(log_index(abs(disagree)) >> 3, 11) - 4
    dq = max(dq, np.int64(0))
    ds = dq if disagree >= 0 else -dq
    ms = _clamp((log_index(mean) >> 2) - 12, 15)
    ms = max(ms, np.int64(0))
    fr = _clamp(frac >> 4, 5) & 7
    slots[3] = ((_clamp(ds, 7) + 7) * 16 + ms) * 8 + fr
    e = planes.errors
    ew, en = np.int64(e[p - 1]), np.int64(e[p - stride])
    enw, ene = np.int64(e[p - stride - 1]), np.int64(e[p - stride + 1])
    eww, enn = np.int64(e[p - 2]), np.int64(e[p - 2 * stride])
    signs = np.int64(0)
    for q in (ew, en, enw, ene, enn):
        signs = signs * 3 + (0 if q < -8 else (2 if q > 8 else 1))
    slots[4] = signs * 3 + g3
    s0 = np.int64(0)
    for q in (ew, en, ene):
        m = max((log_index(abs(q)) >> 3) - 2, np.int64(0))
        m = min((m + 1) >> 1, np.int64(3))
        s0 = s0 * 7 + 3 + (m if q > 0 else -m)
    slots[5] = s0 * 3 + g3
    slots[6] = ((centre << 8) // (high + 1)) * 3 + g3 if high > 255 else centre * 3 + g3
    slots[7] = ((cnw + 8) * 17 + cne + 8) * 3 + g3
    if shape.kind == 0:
        slots[2] = ((_clamp(ww, 8) + 8) * 17 + _clamp(nn, 8) + 8) * 3 + g3
        slots[8] = ((cw + 8) * 17 + cne + 8) * 3 + g3
        slots[9] = ((cn + 8) * 17 + cnw + 8) * 3 + g3
    else:
        key = _key(planes, p, shape)
        m1 = _clamp(np.int64(model.memory[2 * key]) - c, 8)
        m2 = _clamp(np.int64(model.memory[2 * key + 1]) - c, 8)
        slots[2] = ((m1 + 8) * 17 + m2 + 8) * 3 + g3
        slots[8] = ((m1 + 8) * 17 + cw + 8) * 3 + g3
        slots[9] = ((m1 + 8) * 17 + cn + 8) * 3 + g3
    f1, f2 = np.int64(planes.first_errors[p]), np.int64(planes.second_errors[p])
    s1 = np.int64(0)
    for q in (f1, f2):
        m = max((log_index(abs(q)) >> 3) - 2, np.int64(0))
        m = min(m, np.int64(5))
        s1 = s1 * 11 + 5 + (m if q > 0 else -m)
    slots[10] = s1 * 16 + ms
    slots[11] = ((e1 >> 1) * 12 + e2) * 8 + fr
    for k in range(CONTEXTS):
        slots[k] = np.int32((k * SLOTS + (slots[k] & (SLOTS - 1))) * NODES)
    return min(dq, np.int64(7))


@compiled
def _key(planes: Planes, p: Number, shape: Shape) -> Number:
    if shape.kind == 1:
        return np.int64(planes.first[p]) & (MEMORY - 1)
    first, second = np.int64(planes.first[p]), np.int64(planes.second[p])
    return (first * 256 + ((first + second) & 255) + (second >> 8)) & (MEMORY - 1)


@compiled
def code_rows(
    rows: tuple[int, int],
    coder: tuple[bool, State, Words],
    planes: Planes,
    model: Model,
    scratch: Scratch,
    shape: Shape,
) -> Number:
    """Code rows; stops early when words may run out. Returns the next row."""
    decoding, state, words = coder
    width, stride = shape.width, shape.stride
    for y in range(rows[0], rows[1]):
        if not decoding and np.int64(state[COUNT] + state[HELD]) + width * 40 > len(words):
            return y
        row = (y + TOP) * stride + PAD
        v, e = planes.values, planes.errors
        for k in range(1, PAD + 1):
            v[row - k] = v[row - stride]
            e[row - k] = e[row - stride]
        for block in range((width + COLUMNS - 1) // COLUMNS):
            _solve_block(block, model, scratch)
            first = block * COLUMNS
            count = min(COLUMNS, width - first)
            for n in range(count):
                _code_sample(
                    y * width + first + n,
                    row + first + n,
                    n,
                    y == 0,
                    coder,
                    planes,
                    model,
                    scratch,
                    shape,
                )
            accumulate(model.moments[block + 2], scratch.block, scratch.importance, count)
        for k in range(PAD):
            v[row + width + k] = v[row + width - 1]
            e[row + width + k] = e[row + width - 1]
    return rows[1]


RIDGE = 8


@compiled
def _solve_block(block: Number, model: Model, scratch: Scratch) -> None:
    system = scratch.system
    trace = gather(model.moments, block, system)
    size = np.int64(scratch.sizes[3])
    shift = 30 - bit_length(trace)
    for i in range(size + 1):
        for k in range(i + 1):
            system[i, k] = system[i, k] << shift if shift >= 0 else system[i, k] >> -shift
        system[i, i] += np.int64(1) << (30 - 17)
    solve(system, size, scratch.solution)


@compiled
def _code_sample(
    at: Number,
    p: Number,
    n: Number,
    top: bool,
    coder: tuple[bool, State, Words],
    planes: Planes,
    model: Model,
    scratch: Scratch,
    shape: Shape,
) -> None:
    stride = shape.stride
    sample = scratch.block[n]
    own = _regress(planes, scratch, p, stride, sample)
    total = np.int64(1) << (SOLUTION_BITS - POINT_BITS - 1)
    size = scratch.sizes[3]
    for k in range(size):
        total += np.int64(sample[k]) * scratch.solution[k]
    base = np.int64(planes.base[p])
    mu = ((own + base) << POINT_BITS) + (total >> (SOLUTION_BITS - POINT_BITS))
    mu = min(max(mu, np.int64(0)), shape.high << POINT_BITS)
    energy = _energy(planes.errors, p, stride)
    e1 = min(max((log_index(energy) >> 2) - 4, np.int64(0)), np.int64(ENERGIES - 1))
    e2 = min(
        max((log_index(_cross(planes, p, shape)) >> 3) - 2, np.int64(0)), np.int64(CROSSES - 1)
    )
    place = 2 * (e1 * CROSSES + e2)
    mean = model.scales[place] >> 8
    g = bit_length(mean // 3072)
    disagree = _contexts(planes, p, mu, mean, g, e1, e2, model, scratch, shape)
    ms = min(max((log_index(mean) >> 2) - 12, np.int64(0)), np.int64(15))
    x = np.int64(planes.samples[at])
    if shape.high:
        selected = (ms, 16 + disagree * CROSSES + e2)
        x = _code_value(x, mu, mean, g, selected, coder, model, scratch, shape)
    else:
        x = np.int64(0)
    if coder[0]:
        planes.samples[at] = np.int32(x)
    value = np.int32(x - base)
    planes.values[p] = value
    if top:
        for k in range(1, PAD):
            planes.values[p - stride + k] = value
    error = (x << POINT_BITS) - mu
    planes.errors[p] = np.int32(error >> 2)
    # Learn the scale.
    seen = model.scales[place + 1]
    size_of_error = abs(error) << (ERROR_BITS - POINT_BITS + 8)
    model.scales[place] += (size_of_error - model.scales[place]) // (seen + 2)
    if seen < 126:
        model.scales[place + 1] = seen + 1
    # The sample for the next rows.
    shift = shape.shift
    sample[size] = np.int32(value - own)
    if shift:
        for k in range(size + 1):
            sample[k] = np.int32(sample[k] >> shift)
    scratch.importance[n] = np.int32(512 // (16 + ((energy + abs(error >> 2)) >> (5 + shift))))
    if shape.kind:
        key = _key(planes, p, shape)
        model.memory[2 * key + 1] = model.memory[2 * key]
        model.memory[2 * key] = value
