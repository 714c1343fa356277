"""Metrics against independent values: brute force, SciPy, and curves whose answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from nacre.bench.metrics import (
    MS_SSIM_SHORTEST_SIDE,
    bd_rate,
    bits_per_pixel,
    identical,
    ms_ssim,
    psnr_db,
    similarity_db,
)
from nacre.errors import InputError

JPEG = [(0.268, 26.67), (0.458, 29.14), (0.865, 32.17), (1.315, 34.52), (2.433, 38.86)]
WEBP = [(0.217, 28.11), (0.378, 30.19), (0.769, 33.73), (1.448, 37.61), (2.224, 40.29)]


def picture(seed: int, height: int = 7, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [128 + 80 * np.sin(x / (9 + k)) * np.cos(y / (14 - k)) for k in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def test_psnr_equals_a_loop_over_samples():
    a, b = picture(0), picture(1)
    total = 0.0
    for place in itertools.product(*map(range, a.shape)):
        total += (float(a[place]) - float(b[place])) ** 2
    assert psnr_db(a, b) == pytest.approx(10 * math.log10(255**2 / (total / a.size)), abs=1e-12)


def test_psnr_of_the_largest_difference_is_zero_and_of_none_infinite():
    black, white = np.zeros((3, 4, 3), np.uint8), np.full((3, 4, 3), 255, np.uint8)
    assert psnr_db(black, white) == 0
    assert psnr_db(white, white) == math.inf


@pytest.mark.parametrize(
    "other", [picture(1, 7, 6), picture(1).astype(np.uint16), picture(1)[..., 0]]
)
def test_pictures_that_cannot_be_compared_are_refused(other):
    with pytest.raises(InputError):
        psnr_db(picture(0), other)


def test_identical_means_every_sample():
    a = picture(0)
    b = a.copy()
    assert identical(a, b)
    b[-1, -1, -1] ^= 1
    assert not identical(a, b)
    assert not identical(a, a.astype(np.uint16))


def brute_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """MS-SSIM from its definition, in float64: convolutions by NumPy, no torch."""
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blur(plane: np.ndarray) -> np.ndarray:
        for _ in range(2):
            count = len(plane) - 10
            plane = sum(tap * plane[k : k + count] for k, tap in enumerate(taps)).T
        return plane

    def halve(plane: np.ndarray) -> np.ndarray:
        rows = plane[::2] + plane[1::2]
        return (rows[:, ::2] + rows[:, 1::2]) / 4

    scores = []
    for channel in range(a.shape[2]):
        x, y = a[..., channel].astype(float), b[..., channel].astype(float)
        product = 1.0
        for level, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
            if level:
                x, y = halve(x), halve(y)
            mean_x, mean_y = blur(x), blur(y)
            var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
            covariance = blur(x * y) - mean_x * mean_y
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            term = (2 * covariance + c2) / (var_x + var_y + c2)
            if level == 4:
                term = term * (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            product *= max(term.mean(), 0.0) ** weight
        scores.append(product)
    return float(np.mean(scores))


def test_ms_ssim_equals_its_definition():
    a = smooth(176, 192)
    noise = np.random.default_rng(3).normal(0, 12, a.shape)
    b = np.clip(a + noise, 0, 255).astype(np.uint8)
    expected = brute_ms_ssim(a, b)
    assert 0.5 < expected < 0.999
    assert ms_ssim(a, b) == pytest.approx(expected, abs=2e-5)
    assert ms_ssim(a, a) == pytest.approx(1, abs=1e-6)


def test_ms_ssim_of_a_small_picture_is_refused():
    small = smooth(MS_SSIM_SHORTEST_SIDE - 1, 300)
    with pytest.raises(InputError, match="161"):
        ms_ssim(small, small)
    enough = smooth(MS_SSIM_SHORTEST_SIDE, 200)
    assert ms_ssim(enough, enough) == pytest.approx(1, abs=1e-6)


def test_similarity_in_decibels():
    assert similarity_db(0.999) == pytest.approx(30)
    assert similarity_db(1.0) == math.inf


def test_bits_per_pixel_counts_the_whole_file():
    assert bits_per_pixel(1000, 4000) == 2.0


def test_bd_rate_of_a_scaled_curve_is_the_scale():
    result = bd_rate(JPEG, [(0.9 * rate, quality) for rate, quality in reversed(JPEG)])
    assert result.percent == pytest.approx(-10, abs=1e-9)
    assert (result.low, result.high) == (26.67, 38.86)


def test_bd_rate_is_scipys():
    interpolate = pytest.importorskip("scipy.interpolate")
    low, high = 28.11, 38.86
    means = []
    for curve in (JPEG, WEBP):
        rate, quality = np.array(curve).T
        spline = interpolate.PchipInterpolator(quality, np.log(rate))
        means.append(spline.integrate(low, high) / (high - low))
    result = bd_rate(JPEG, WEBP)
    assert result.percent == pytest.approx(100 * (np.exp(means[1] - means[0]) - 1), abs=1e-9)
    assert (result.low, result.high) == (low, high)


def test_bd_rate_is_a_dense_numerical_integral():
    """Two points a curve: PCHIP is then a straight line in log rate."""
    reference, other = [(1.0, 30.0), (4.0, 40.0)], [(1.0, 32.0), (3.0, 38.0)]
    quality = np.linspace(32, 38, 100001)
    lines = [
        np.interp(quality, [q for _, q in curve], [math.log(r) for r, _ in curve])
        for curve in (reference, other)
    ]
    expected = 100 * (math.exp((lines[1] - lines[0]).mean()) - 1)
    assert bd_rate(reference, other).percent == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ([(1.0, 30.0)], "1 points"),
        ([(0.0, 30.0), (1.0, 31.0)], "not positive"),
        ([(1.0, 31.0), (2.0, 30.0)], "does not rise"),
        ([(1.0, 50.0), (2.0, 51.0)], "no quality in common"),
        ([(1.0, 30.0), (2.0, math.inf)], "finite"),
    ],
)
def test_curves_without_an_answer_say_why(other, says):
    with pytest.raises(InputError, match=says):
        bd_rate(JPEG, other)
