"""What the ``photo`` coder looks at around a sample: energies, and contexts of counters."""

from __future__ import annotations

import numpy as np

from nacre.entropy.adaptive.photo_coding import clamp, inlined
from nacre.entropy.adaptive.photo_layout import (
    CROSSES,
    ENERGIES,
    ERRORS,
    GREY,
    MEMORY,
    NODES,
    SCALES,
    SECOND,
    SLOTS,
    THIRD,
    VALUES,
    Int32s,
    Plane,
)
from nacre.entropy.adaptive.photo_tables import POINT_BITS, log_index
from nacre.entropy.sequential import Number, compiled

_NEAR = np.int64(8)
"""Neighbours further than this from the centre are as far as this."""


@inlined
def energy_before(errors: Int32s, p: Number, stride: Number) -> Number:
    """Eight times the mean magnitude of a plane's errors before a sample."""
    w, n = np.int64(errors[p - 1]), np.int64(errors[p - stride])
    nw, ne = np.int64(errors[p - stride - 1]), np.int64(errors[p - stride + 1])
    ww, nn = np.int64(errors[p - 2]), np.int64(errors[p - 2 * stride])
    return 2 * (abs(w) + abs(n)) + abs(nw) + abs(ne) + abs(ww) + abs(nn)


@inlined
def _energy_around(errors: Int32s, p: Number, stride: Number) -> Number:
    """Ten times the mean magnitude of another plane's errors around a sample."""
    here, e, s = np.int64(errors[p]), np.int64(errors[p + 1]), np.int64(errors[p + stride])
    w, n = np.int64(errors[p - 1]), np.int64(errors[p - stride])
    return 4 * abs(here) + 2 * (abs(e) + abs(s)) + abs(w) + abs(n)


@inlined
def cross_energy(planes: Int32s, p: Number, plane: Plane) -> Number:
    """Errors of the planes beside a sample's; of a plane alone, gradients of its values."""
    stride = plane.stride
    if plane.kind == GREY:
        v = planes[VALUES, plane.own]
        n, nw = np.int64(v[p - stride]), np.int64(v[p - stride - 1])
        across = abs(np.int64(v[p - 1]) - nw) + abs(n - nw)
        across += abs(n - np.int64(v[p - stride + 1])) + abs(n - np.int64(v[p - 2 * stride]))
        return across << 4 >> plane.shift
    energy = _energy_around(planes[ERRORS, plane.first], p, stride)
    if plane.kind == THIRD:
        energy = (energy + 3 * _energy_around(planes[ERRORS, plane.second], p, stride)) >> 1
    return energy


@inlined
def energy_class(energy: Number) -> Number:
    return min(max((log_index(energy) >> 2) - 4, np.int64(0)), np.int64(ENERGIES - 1))


@inlined
def cross_class(energy: Number) -> Number:
    return min(max((log_index(energy) >> 3) - 2, np.int64(0)), np.int64(CROSSES - 1))


@inlined
def scale_class(mean: Number, shift: Number) -> Number:
    """Two for each doubling of the expected error."""
    return min(max((log_index(mean) >> 2) - 12 - 2 * shift, np.int64(0)), np.int64(SCALES - 1))


@compiled
def _occurrences(
    value: Number, a: Number, b: Number, c: Number, d: Number, e: Number, f: Number
) -> Number:
    """How many of six numbers equal ``value``, at most 3."""
    same = np.int64(0)
    for other in (a, b, c, d, e, f):
        same += 1 if other == value else 0
    return min(same, np.int64(3))


@compiled
def _signed_log(error: Number, limit: Number) -> Number:
    """The order of magnitude of an error with its sign, from -limit to limit."""
    order = min(max((log_index(abs(np.int64(error))) >> 3) - 2, np.int64(0)), np.int64(limit))
    return order if error > 0 else -order


@compiled
def _coarse_log(error: Number) -> Number:
    """Like :func:`_signed_log` in steps of two orders, 0 .. 6."""
    order = max((log_index(abs(np.int64(error))) >> 3) - 2, np.int64(0))
    order = min((order + 1) >> 1, np.int64(3))
    return 3 + (order if error > 0 else -order)


@compiled
def _sign(error: Number) -> Number:
    """0, 1 or 2: below half a sample, about zero, above."""
    return 0 if error < -8 else (2 if error > 8 else 1)


@compiled
def colour_key(planes: Int32s, p: Number, plane: Plane) -> Number:
    """Where the memory keeps what lay beside this colour."""
    first = np.int64(planes[VALUES, plane.first, p]) >> plane.shift
    if plane.kind == SECOND:
        return first & (MEMORY - 1)
    second = np.int64(planes[VALUES, plane.second, p]) >> plane.shift
    return (first * 256 + ((first + second) & 255) + (second >> 8)) & (MEMORY - 1)


@inlined
def _place(slots: Int32s, context: int, value: Number, width: Number) -> None:
    slots[context] = np.int32((context * SLOTS + ((value * 3 + width) & (SLOTS - 1))) * NODES)


@inlined
def _place_wide(slots: Int32s, context: int, value: Number) -> None:
    slots[context] = np.int32((context * SLOTS + (value & (SLOTS - 1))) * NODES)


@inlined
def set_contexts(
    planes: Int32s,
    memory: Int32s,
    plane: Plane,
    p: Number,
    mean: Number,
    step_bits: Number,
    energy: Number,
    cross: Number,
    scale: Number,
    slots: Int32s,
) -> Number:
    """Choose a slot of each context; returns by how much gradients disagree, 0 .. 7."""
    v, e, stride = planes[VALUES, plane.own], planes[ERRORS, plane.own], plane.stride
    width = min(step_bits, np.int64(2))
    centre = min(max(mean >> POINT_BITS, np.int64(0)), plane.high - 1)
    c = centre - np.int64(planes[VALUES, plane.base, p])
    w, n = np.int64(v[p - 1]) - c, np.int64(v[p - stride]) - c
    nw, ne = np.int64(v[p - stride - 1]) - c, np.int64(v[p - stride + 1]) - c
    ww, nn = np.int64(v[p - 2]) - c, np.int64(v[p - 2 * stride]) - c
    fraction = mean - (centre << POINT_BITS)
    # The median predictor of JPEG-LS.
    gradient = min(max(w + n - nw, min(w, n)), max(w, n))
    difference = ((gradient << POINT_BITS) - fraction) >> plane.shift
    disagreement = min(max((log_index(abs(difference)) >> 3) - 4, np.int64(0)), np.int64(7))
    fine = clamp(fraction >> (4), np.int64(5)) & 7
    leaning = 7 + (disagreement if difference >= 0 else -disagreement)
    ew, en = np.int64(e[p - 1]), np.int64(e[p - stride])
    enw, ene = np.int64(e[p - stride - 1]), np.int64(e[p - stride + 1])
    enn = np.int64(e[p - 2 * stride])
    w, n, nw, ne = w >> plane.shift, n >> plane.shift, nw >> plane.shift, ne >> plane.shift
    ww, nn = ww >> plane.shift, nn >> plane.shift
    cw, cn = clamp(w, _NEAR) + _NEAR, clamp(n, _NEAR) + _NEAR
    cnw, cne = clamp(nw, _NEAR) + _NEAR, clamp(ne, _NEAR) + _NEAR
    if plane.kind == GREY:
        m1, m2 = clamp(ww, _NEAR) + _NEAR, clamp(nn, _NEAR) + _NEAR
    else:
        key = colour_key(planes, p, plane)
        m1 = clamp((np.int64(memory[key, 0]) - c) >> plane.shift, _NEAR) + _NEAR
        m2 = clamp((np.int64(memory[key, 1]) - c) >> plane.shift, _NEAR) + _NEAR
    counts = np.int64(0)
    for t in range(-1, 3):
        counts = counts * 4 + _occurrences(t, w, n, nw, ne, ww, nn)
    _place(slots, 0, cw * 17 + cn, width)
    _place(slots, 1, counts, width)
    _place(slots, 2, m1 * 17 + m2, width)
    _place_wide(slots, 3, (leaning * 16 + scale) * 8 + fine)
    f1, f2 = np.int64(planes[ERRORS, plane.first, p]), np.int64(planes[ERRORS, plane.second, p])
    five = np.int64(5)
    _place_wide(
        slots, 4, ((_signed_log(f1, five) + 5) * 11 + _signed_log(f2, five) + 5) * 16 + scale
    )
    _place_wide(slots, 5, ((energy >> 1) * 12 + cross) * 8 + fine)
    if len(slots) > 6:
        _place(
            slots,
            6,
            (((_sign(ew) * 3 + _sign(en)) * 3 + _sign(enw)) * 3 + _sign(ene)) * 3 + _sign(enn),
            width,
        )
        _place(slots, 7, (_coarse_log(ew) * 7 + _coarse_log(en)) * 7 + _coarse_log(ene), width)
        _place(slots, 8, centre >> max(plane.shift, 0), width)
        _place(slots, 9, cnw * 17 + cne, width)
        _place(
            slots,
            10,
            (cw if plane.kind == GREY else m1) * 17 + (cne if plane.kind == GREY else cw),
            width,
        )
        _place(slots, 11, (cnw if plane.kind == GREY else m1) * 17 + cn, width)
        _place(slots, 12, np.int64(0), width)
        _place(slots, 13, np.int64(0), width)
    return disagreement
