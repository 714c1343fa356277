"""Another sample rate: as torchaudio has it, sines stay sines, lengths are as promised."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nacre.transforms.resample import ROLLOFF, ZERO_CROSSINGS, reach, resample

RATIOS = [(1, 2), (2, 1), (160, 441), (441, 160), (147, 160), (3, 7)]


@pytest.mark.parametrize(("up", "down"), RATIOS)
@pytest.mark.parametrize("length", [1, 5, 4000])
def test_it_is_what_torchaudio_gives(up: int, down: int, length: int) -> None:
    functional = pytest.importorskip("torchaudio.functional")
    values = np.random.default_rng(4).standard_normal((2, length))
    expected = functional.resample(
        torch.from_numpy(values), down, up, lowpass_filter_width=ZERO_CROSSINGS, rolloff=ROLLOFF
    ).numpy()
    found = resample(values, up, down)
    assert found.shape == expected.shape == (2, -(-length * up // down))
    assert np.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("up", "down"), [(1, 2), (2, 1), (160, 441), (441, 160)])
def test_a_sine_stays_a_sine(up: int, down: int) -> None:
    frequency = 0.2 * min(1, up / down)  # in turns a sample; the band ends at 0.47
    old = np.sin(2 * np.pi * frequency * np.arange(6000))
    new = np.sin(2 * np.pi * frequency * np.arange(6000 * up // down) * down / up)
    edge = 2 * reach(up, down) * up // down + 2
    found = resample(old[None], up, down)[0, : len(new)]
    assert np.abs(found - new)[edge:-edge].max() < 2e-4
