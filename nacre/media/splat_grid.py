"""Rounding splats of floats to nacre's own grid (:class:`nacre.media.splat_schemes.Grid`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nacre.errors import InputError
from nacre.media.splat_schemes import (
    HARMONICS,
    SQRT_HALF,
    WXYZ,
    Even,
    Grid,
    Quantized,
    sigmoid,
    stored_rotations,
)


@dataclass(frozen=True)
class Precision:
    """Steps of attributes.

    Attributes:
        point_bits: of positions along the longest side.
        scale: step of log-scales.
        opacity: step of opacities, of 1.
        colour: step of harmonics of degree 0.
        turn_bits: of a quaternion's component.
        harmonic: step of the other harmonics.
    """

    point_bits: int
    scale: float
    opacity: float
    colour: float
    turn_bits: int
    harmonic: float


PRECISIONS = {
    "low": Precision(14, 1 / 8, 1 / 63, 0.05, 7, 1 / 8),
    "medium": Precision(16, 1 / 16, 1 / 255, 0.025, 8, 1 / 16),
    "high": Precision(20, 1 / 64, 1 / 1023, 0.005, 11, 1 / 64),
}
"""Steps of opacity are those of 6, 8 and 10 bits; medium is about what SPZ and SOG keep."""
_STEEPEST = 20.0
"""Log-scales and harmonics of degree 0 are kept inside +- this."""


def to_grid(floats: dict[str, Any], precision: str, bits: int = 0) -> Quantized:
    """Integers of floats.

    Args:
        floats: the arrays of Splats.
        precision: a key of :data:`PRECISIONS`.
        bits: of positions along the longest side; 0: as the precision says.

    Raises:
        InputError: positions are not finite.
    """
    steps = PRECISIONS[precision]
    positions = floats["positions"].astype(np.float64)
    if not np.isfinite(positions).all():
        raise InputError("positions with NaN or infinity in them")
    point_bits = bits or steps.point_bits
    low = positions.min(axis=0) if len(positions) else np.zeros(3)
    span = float((positions.max(axis=0) - low).max()) if len(positions) else 0.0
    step = span / ((1 << point_bits) - 1) if span > 1e-25 else 1.0
    points = np.rint((positions - low) / step).clip(0, (1 << point_bits) - 1).astype(np.int64)
    scales = _tame(floats["log_scales"], _STEEPEST)
    colours = _tame(floats["sh0"], _STEEPEST)
    rest = floats["shN"]
    harmonics = _tame(rest, _STEEPEST).reshape(len(rest), 3 * rest.shape[1])
    channels = (
        Even.covering(scales, steps.scale),
        Even(round(np.log2(1 / steps.opacity + 1)), steps.opacity, 0.0),
        Even.covering(colours, steps.colour),
        Even.covering(harmonics, steps.harmonic),
    )
    largest, others = stored_rotations(floats["rotations"], WXYZ)
    top = (1 << steps.turn_bits) - 1
    turn = np.rint((others / SQRT_HALF + 1.0) * top / 2).clip(0, top).astype(np.int64)
    values = np.concatenate(
        [
            channels[0].quantize(scales),
            channels[1].quantize(sigmoid(np.nan_to_num(floats["opacities"])))[:, None],
            channels[2].quantize(colours),
            largest[:, None],
            turn,
            channels[3].quantize(harmonics),
        ],
        axis=1,
    )
    degree = HARMONICS.index(harmonics.shape[1])
    origin = (float(low[0]), float(low[1]), float(low[2]))
    antialiased = bool(floats.get("antialiased"))
    grid = Grid(degree, point_bits, origin, step, channels, steps.turn_bits, antialiased)
    return Quantized(grid, points, values)


def _tame(values: Any, limit: float) -> Any:
    """Float64 inside +- ``limit``, NaN becoming 0."""
    return np.nan_to_num(values.astype(np.float64), posinf=limit, neginf=-limit).clip(-limit, limit)
