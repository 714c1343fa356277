"""Unit normals as pairs of integers, and back.

A normal of n bits is a pair in ``-c .. c``, c = 2^(n - 1) - 1: the octahedron |x| + |y| + |z| = 1
projected along z, its lower half folded outwards (Meyer et al., "On Floating-Point Normal Vectors",
2010; c is such that the axes are exact). Of the four pairs around the projection the one nearest in
space is taken, so that what was decoded gives the same pair again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError

Floats = npt.NDArray[np.float64]

BITS = range(2, 21)
"""Bits of a coordinate; float32 holds no finer normals."""


def quantize_normals(normals: npt.NDArray[np.floating[Any]], bits: int) -> npt.NDArray[np.int64]:
    """Canonical octahedral pairs, int64 ``[n, 2]`` in ``-c .. c``, c = 2^(bits - 1) - 1.

    Args:
        normals: ``[n, 3]`` of any length; what has no direction (zero, NaN, infinite) becomes +z.
        bits: 2 to 20.

    Raises:
        InputError: another shape or number of bits.
    """
    if bits not in BITS:
        raise InputError(f"normals of {bits} bits; {BITS.start} to {BITS.stop - 1} are possible")
    if normals.ndim != 2 or normals.shape[1] != 3:
        raise InputError(f"normals of shape {normals.shape}; [n, 3] is expected")
    c = (1 << (bits - 1)) - 1
    unit = _unit(normals)
    s, t = _project(unit, float(c))
    low_s, low_t = np.floor(s), np.floor(t)
    best = np.full(len(unit), np.inf)
    found = np.zeros((len(unit), 2))
    for i in (0, 1):
        for j in (0, 1):
            pair = np.stack([low_s + i, low_t + j], axis=1).clip(-c, c)
            away = _directions(pair, float(c)) - unit
            square = away[:, 0] * away[:, 0] + away[:, 1] * away[:, 1] + away[:, 2] * away[:, 2]
            better = square < best
            best = np.where(better, square, best)
            found[better] = pair[better]
    return canonical_pairs(found.astype(np.int64), bits)


def dequantize_normals(pairs: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.float32]:
    """Unit normals, float32 ``[n, 3]``, of pairs ``[n, 2]``."""
    c = (1 << (bits - 1)) - 1
    return _directions(pairs.astype(np.float64), float(c)).astype(np.float32)


def canonical_pairs(pairs: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """The pair that stands for all of the same normal: no free sign is negative."""
    c = (1 << (bits - 1)) - 1
    s, t = pairs[:, 0], pairs[:, 1]
    on_s, on_t = np.abs(s) == c, np.abs(t) == c
    both = on_s & on_t
    return np.stack(
        [np.where(both | on_t, np.abs(s), s), np.where(both | on_s, np.abs(t), t)], axis=1
    )


def _unit(normals: npt.NDArray[np.floating[Any]]) -> Floats:
    """Normals of length one in float64; +z for those without a direction."""
    wide = normals.astype(np.float64)
    wide = np.where(np.isfinite(wide).all(axis=1, keepdims=True), wide, 0.0)
    largest = np.abs(wide).max(axis=1, initial=0.0, keepdims=True)
    wide = np.where(largest > 0, wide / np.where(largest > 0, largest, 1.0), (0.0, 0.0, 1.0))
    x, y, z = wide[:, 0], wide[:, 1], wide[:, 2]
    unit: Floats = wide / np.sqrt(x * x + y * y + z * z)[:, None]
    return unit


def _project(unit: Floats, c: float) -> tuple[Floats, Floats]:
    x, y, z = unit[:, 0], unit[:, 1], unit[:, 2]
    scale = c / (np.abs(x) + np.abs(y) + np.abs(z))
    s, t = x * scale, y * scale
    lower = z < 0
    folded_s = np.where(x >= 0, c - np.abs(t), np.abs(t) - c)
    folded_t = np.where(y >= 0, c - np.abs(s), np.abs(s) - c)
    return np.where(lower, folded_s, s), np.where(lower, folded_t, t)


def _directions(pairs: Floats, c: float) -> Floats:
    s, t = pairs[:, 0], pairs[:, 1]
    z = c - np.abs(s) - np.abs(t)
    lower = z < 0
    x = np.where(lower, np.where(s >= 0, c - np.abs(t), np.abs(t) - c), s)
    y = np.where(lower, np.where(t >= 0, c - np.abs(s), np.abs(s) - c), t)
    length = np.sqrt(x * x + y * y + z * z)
    return np.stack([x / length, y / length, z / length], axis=1)
