"""Distances between pictures, and between rate-distortion curves.

All functions are pure. Pictures are ``[H, W, C]`` uint8; rates are positive, in any unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError

Pixels = npt.NDArray[np.uint8]
Curve = Sequence[tuple[float, float]]
"""Points ``(rate, quality)`` of one codec, in any order."""

MS_SSIM_SHORTEST_SIDE = 161
"""Pixels: five scales of a window of 11 need a side of more than (11 - 1) * 2^4."""


def bits_per_pixel(size_bytes: int, pixels: int) -> float:
    """Bits of file per pixel."""
    return 8 * size_bytes / pixels


def identical(original: Pixels, decoded: Pixels) -> bool:
    """Whether two pictures have the same shape, sample format and samples."""
    same_kind = original.shape == decoded.shape and original.dtype == decoded.dtype
    return same_kind and bool(np.array_equal(original, decoded))


def psnr_db(original: Pixels, decoded: Pixels) -> float:
    """Peak signal-to-noise ratio over all samples, peak 255, in dB; infinite when equal.

    Raises:
        InputError: the shapes differ, or the samples are not 8-bit.

    >>> grey = np.full((4, 4, 3), 100, np.uint8)
    >>> round(psnr_db(grey, grey + np.uint8(1)), 2)
    48.13
    """
    _check_pair(original, decoded)
    difference = original.astype(np.int32) - decoded.astype(np.int32)
    squared = int(np.sum(difference * difference, dtype=np.int64))
    if squared == 0:
        return math.inf
    return 10 * math.log10(255**2 * original.size / squared)


def ms_ssim(original: Pixels, decoded: Pixels) -> float:
    """Multi-scale structural similarity, mean over channels, at most 1 (pytorch-msssim's).

    Wang, Simoncelli and Bovik 2003: five scales, Gaussian window of 11 with a deviation of 1.5.

    Raises:
        InputError: the shapes differ, the samples are not 8-bit, a side is shorter than
            :data:`MS_SSIM_SHORTEST_SIDE`, or pytorch-msssim is not installed.
    """
    _check_pair(original, decoded)
    height, width = original.shape[:2]
    if min(height, width) < MS_SSIM_SHORTEST_SIDE:
        raise InputError(
            f"picture of {width} x {height} pixels: MS-SSIM is defined from a shorter side of "
            f"{MS_SSIM_SHORTEST_SIDE} pixels on; use PSNR"
        )
    try:
        import pytorch_msssim
    except ModuleNotFoundError as error:
        raise InputError(
            "MS-SSIM needs pytorch-msssim, which is not installed; pip install 'nacre[bench]'"
        ) from error
    import torch

    with torch.inference_mode():
        pair = [
            torch.from_numpy(np.array(pixels)).movedim(-1, 0)[None].float()
            for pixels in (original, decoded)
        ]
        return float(pytorch_msssim.ms_ssim(*pair, data_range=255))


def similarity_db(similarity: float) -> float:
    """A similarity of at most 1 in dB, ``-10 log10(1 - similarity)``; infinite at 1.

    >>> round(similarity_db(0.99), 6)
    20.0
    """
    return math.inf if similarity >= 1 else -10 * math.log10(1 - similarity)


@dataclass(frozen=True)
class BDRate:
    """Mean difference of rate at equal quality.

    Attributes:
        percent: of the rate of the reference; negative is fewer bytes.
        low: lower end of the range of quality that both curves cover.
        high: upper end.
    """

    percent: float
    low: float
    high: float


def bd_rate(reference: Curve, other: Curve) -> BDRate:
    """Bjøntegaard's mean difference of rate of ``other`` against ``reference``.

    The logarithm of the rate is interpolated over quality by piecewise cubics without overshoot
    (PCHIP) and integrated over the range that both curves cover (VCEG-M33; JCTVC-L1100 for the
    interpolation).

    Raises:
        InputError: a curve has fewer than 2 points, a rate that is not positive, or a quality that
            does not rise with the rate; or the curves have no quality in common.

    >>> jpeg = [(0.25, 27.0), (0.5, 30.0), (1.0, 33.5), (2.0, 37.0)]
    >>> round(bd_rate(jpeg, [(0.9 * rate, quality) for rate, quality in jpeg]).percent, 6)
    -10.0
    """
    curves = [_Pchip.through(curve) for curve in (reference, other)]
    low = max(curve.x[0] for curve in curves)
    high = min(curve.x[-1] for curve in curves)
    if low >= high:
        raise InputError(
            "the curves have no quality in common: one ends at "
            f"{high:.3f} where the other begins at {low:.3f}; measure more qualities"
        )
    areas = [curve.integral(low, high) for curve in curves]
    mean_log_ratio = (areas[1] - areas[0]) / (high - low)
    return BDRate(100 * math.expm1(mean_log_ratio), float(low), float(high))


@dataclass(frozen=True, eq=False)
class _Pchip:
    """A piecewise cubic Hermite curve that keeps monotone data monotone.

    Fritsch and Butland 1984, as in SciPy and MATLAB: the slope at an inner point is a weighted
    harmonic mean of the slopes beside it, or 0 at an extremum.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    slope: npt.NDArray[np.float64]

    @classmethod
    def through(cls, curve: Curve) -> _Pchip:
        """Log rate as a function of quality."""
        points = np.array(sorted(curve), dtype=np.float64).reshape(-1, 2)
        rate, quality = points[:, 0], points[:, 1]
        if len(points) < 2:
            raise InputError(f"a curve has {len(points)} points; at least 2 are needed")
        if not np.isfinite(points).all() or rate[0] <= 0:
            raise InputError("a curve has a rate that is not positive, or a value not finite")
        if not (np.diff(quality) > 0).all():
            fall = int(np.argmin(np.diff(quality) > 0))
            raise InputError(
                f"quality does not rise with the rate: {quality[fall]:.3f} at {rate[fall]:.4f}, "
                f"then {quality[fall + 1]:.3f} at {rate[fall + 1]:.4f}"
            )
        return cls(quality, np.log(rate), _slopes(quality, np.log(rate)))

    def integral(self, low: float, high: float) -> float:
        """The area under the curve from ``low`` to ``high``, both inside its range."""
        return self._area(high) - self._area(low)

    def _area(self, end: float) -> float:
        """The area from the first point to ``end``: antiderivatives of the Hermite basis."""
        width = np.diff(self.x)
        t = np.clip((end - self.x[:-1]) / width, 0, 1)
        first = t - t**3 + t**4 / 2
        last = t**3 - t**4 / 2
        first_slope = t**2 / 2 - 2 * t**3 / 3 + t**4 / 4
        last_slope = t**4 / 4 - t**3 / 3
        pieces = width * (self.y[:-1] * first + self.y[1:] * last)
        pieces += width**2 * (self.slope[:-1] * first_slope + self.slope[1:] * last_slope)
        return float(pieces.sum())


def _slopes(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slopes ``[n]`` at the points of a PCHIP curve."""
    width = np.diff(x)
    chord = np.diff(y) / width
    if len(chord) == 1:
        return np.repeat(chord, 2)
    slope = np.zeros_like(x)
    before, after = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    agree = chord[:-1] * chord[1:] > 0
    harmonic = (before + after)[agree] / (
        before[agree] / chord[:-1][agree] + after[agree] / chord[1:][agree]
    )
    slope[1:-1][agree] = harmonic
    slope[0] = _end_slope(width[0], width[1], chord[0], chord[1])
    slope[-1] = _end_slope(width[-1], width[-2], chord[-1], chord[-2])
    return slope


def _end_slope(width: float, next_width: float, chord: float, next_chord: float) -> float:
    """The slope at an end, from three points, limited so that the curve keeps its direction."""
    slope = ((2 * width + next_width) * chord - width * next_chord) / (width + next_width)
    if slope * chord <= 0:
        return 0.0
    if chord * next_chord <= 0 and abs(slope) > 3 * abs(chord):
        return 3 * chord
    return slope


def _check_pair(original: Pixels, decoded: Pixels) -> None:
    for name, pixels in (("original", original), ("decoded", decoded)):
        if pixels.dtype != np.uint8 or pixels.ndim != 3:
            raise InputError(
                f"the {name} is {pixels.dtype} of {pixels.ndim} dimensions; "
                "expected uint8 [height, width, channels]"
            )
    if original.shape != decoded.shape:
        raise InputError(
            f"the original is {original.shape} and the decoded picture {decoded.shape}; "
            "they must have one shape"
        )
