"""The networks of photographs: what is trained is what codes."""

from __future__ import annotations

import numpy as np
import torch

from nacre.entropy.pyramid import decode_pyramid, encode_pyramid
from nacre.entropy.pyramid_model import Pyramid
from nacre.train.circuit_photo import PhaseNet, Recipe, bits_of, phase_samples, train_pyramid


def photo(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :80]
    base = 100 + 60 * np.sin(y / 9 + seed) * np.cos(x / 7)
    grain = rng.normal(0, 1.5, (64, 80, 1)) + rng.normal(0, 0.5, (64, 80, 3))
    return np.clip(np.rint(base[..., None] + grain), 0, 255).astype(np.uint8)


def test_a_few_steps_make_a_model_that_codes_as_it_promised() -> None:
    lines: list[str] = []
    photos = [photo(1), photo(2)]
    arrays = train_pyramid([photos, photos], Recipe(steps=60, batch=512), lines.append)
    assert len(lines) == 9
    model, pixels = Pyramid.from_arrays(arrays), photo(3)
    data = encode_pyramid(pixels, model)
    assert np.array_equal(decode_pyramid(data, pixels.shape, 8, model), pixels)
    assert 8 * len(data) / pixels.size < 4.5  # 8 before training; 3 at the best


def test_rounded_and_unrounded_networks_agree_closely() -> None:
    torch.manual_seed(0)
    features, targets = phase_samples([photo(4)], 1, 2)
    net = PhaseNet(features.shape[1] - 1)
    inputs = torch.from_numpy(features).float()
    goal = torch.from_numpy(targets).float()
    with torch.no_grad():
        trained = bits_of(net(inputs), goal).mean()
        free = bits_of(net.forward_unrounded(inputs), goal).mean()
        exported = bits_of(net.eval()(inputs), goal).mean()
    assert abs(float(trained - free)) < 0.05
    assert abs(float(trained - exported)) < 1e-3
