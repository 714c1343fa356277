"""Noise: where and how loud it is, whatever blocks the frames have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from nacre.transforms.lapped import analyze, reanalyze, synthesize
from nacre.transforms.walloc_audio import (
    ANGLES,
    NOISES,
    SPEECH,
    STEREO,
    Geometry,
    bands_of,
    measure_noise,
    noise_of,
    rotate,
)

Floats = npt.NDArray[np.float64]


def splits_of(frames: int, geometry: Geometry, seed: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, geometry.levels + 1, frames).astype(np.uint8)


@pytest.mark.parametrize("geometry", [STEREO, SPEECH])
def test_other_blocks_hold_the_same_sound(geometry: Geometry) -> None:
    frames = 7
    splits = splits_of(frames, geometry, 1)
    found = np.random.default_rng(2).normal(size=(2, frames, geometry.frame))
    stretch = synthesize(found, splits)
    fine = np.zeros(geometry.fine_blocks(frames), np.uint8)
    blocks = reanalyze(stretch.copy(), fine, geometry.fine)
    assert blocks.shape == (2, len(fine), geometry.fine)
    assert np.square(blocks).sum() == pytest.approx(np.square(found).sum())
    assert np.allclose(synthesize(blocks, fine), stretch)
    assert np.allclose(reanalyze(synthesize(blocks, fine), splits, geometry.frame), found)


@pytest.mark.parametrize("geometry", [STEREO, SPEECH])
def test_bands_and_blocks_fit(geometry: Geometry) -> None:
    assert geometry.fine_edges[-1] == geometry.fine
    assert geometry.frame % geometry.fine == 0
    assert geometry.fine >= geometry.overlap
    assert (np.diff(geometry.fine_edges) > 0).all()


def burst(geometry: Geometry, frames: int, first: int, last: int) -> Floats:
    """Hiss from one sample to another in the first of two channels, with margins."""
    half = geometry.overlap // 2
    sound = np.zeros((2, frames * geometry.frame + 2 * half))
    sound[0, half + first : half + last] = np.random.default_rng(0).normal(size=last - first)
    return sound


def test_noise_is_where_and_as_loud_as_what_was_lost() -> None:
    geometry, frames, first, last = STEREO, 6, 9000, 15000
    splits = np.zeros(frames, np.uint8)
    angles = np.random.default_rng(3).integers(0, ANGLES, geometry.bands).astype(np.int32)
    error = analyze(
        burst(geometry, frames, first, last), splits, geometry.frame, overlap=geometry.overlap,
        begins=True, ends=True,
    )  # fmt: skip
    error = 0.1 * rotate(error, angles, bands_of(geometry, splits), 1)
    levels = measure_noise(error, splits, angles, geometry)
    assert levels.shape == (2, frames * 8, geometry.fine_bands)
    assert (levels[1] == NOISES - 1).all()  # the other channel's is not turned into it
    noise = noise_of(levels, geometry, 1.0, 5)
    assert np.array_equal(noise, noise_of(levels, geometry, 1.0, 5))
    inside = noise[0, first + 600 : last - 600]
    assert inside.std() == pytest.approx(0.1, rel=0.1)
    outside = np.concatenate([noise[0, : first - 1100], noise[0, last + 1100 :]])
    assert not outside.any()
    assert np.square(noise_of(levels, geometry, 0.5, 5)).sum() == pytest.approx(
        np.square(noise).sum() / 4
    )


def test_levels_stay_where_they_are_near_enough() -> None:
    frames = 20
    rng = np.random.default_rng(4)
    error = rng.normal(size=(1, frames, SPEECH.frame)) * 0.1
    levels = measure_noise(error, np.zeros(frames, np.uint8), np.zeros(0, np.int32), SPEECH)
    changes = (np.diff(levels, axis=1) != 0).mean()
    assert changes < 0.3  # bands of five coefficients vary by 2.7 dB
    wide = levels[0, :, -1]
    assert len(np.unique(wide)) == 1
    assert 2.0 ** (-wide[0] / 2) / 2 == pytest.approx(0.1, rel=0.25)
