"""Splats made by code: a sphere of flat ones with siblings and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.media.splat_schemes import HARMONICS, Quantized
from nacre.media.splat_sog import SogScheme, to_sog

COUNT = 300
COEFFICIENTS = (0, 3, 8, 15, 24)


def scene(count: int = COUNT, degree: int = 0, seed: int = 1) -> dict[str, Any]:
    """The arrays of ``nacre.media.splat.Splats``."""
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    positions = normals * (1 + 0.02 * rng.normal(size=(count, 1))) * np.array([2.0, 1.0, 0.5])
    half = np.stack([1 + normals[:, 2], -normals[:, 1], normals[:, 0]], axis=1)
    rotations = np.concatenate([half, np.zeros((count, 1))], axis=1)
    rotations += 0.1 * rng.normal(size=(count, 4))
    scales = np.stack([-4 + 0.3 * rng.normal(size=count) for _ in range(3)], axis=1)
    scales[:, 2] -= 3
    colours = np.sin(3 * positions) + 0.1 * rng.normal(size=(count, 3))
    rest = 0.15 * rng.normal(size=(count, COEFFICIENTS[degree], 3))
    floats: dict[str, npt.NDArray[np.float64]] = {
        "positions": positions,
        "log_scales": scales,
        "rotations": rotations,
        "opacities": 2 * rng.normal(size=count),
        "sh0": colours,
        "shN": rest,
    }
    return {name: array.astype(np.float32) for name, array in floats.items()}


def rotation_distance(p: npt.NDArray[Any], q: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """1 - abs(p . q) of unit quaternions ``[N, 4]``; zero for equal rotations."""
    dots = (p.astype(np.float64) * q).sum(axis=1)
    lengths = np.linalg.norm(p, axis=1) * np.linalg.norm(q, axis=1)
    found: npt.NDArray[np.float64] = 1 - np.abs(dots / lengths)
    return found


def sog_with_harmonics(bands: int) -> Quantized:
    """Values of a SOG file of a palette of 130 entries."""
    rng = np.random.default_rng(bands)
    plain = to_sog(scene(COUNT))
    assert isinstance(plain.scheme, SogScheme)
    books = np.concatenate([plain.scheme.codebooks, np.sort(rng.normal(size=(1, 256)))])
    scheme = SogScheme(plain.scheme.mins, plain.scheme.maxs, books, bands, True)
    palette = rng.integers(0, 256, (130, HARMONICS[bands]))
    labels = rng.integers(0, 130, COUNT)
    return Quantized(scheme, plain.points, plain.values, labels, palette)
