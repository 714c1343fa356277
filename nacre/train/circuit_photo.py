"""The networks of ``entropy/pyramid.py``: nine, each trained alone on the samples of its phase.

Loss: bits of a sample under the mixture of two logistic distributions that the tables hold. In
the last part of training the layers round as the exported ones do (``trainable.py``), so that what
is trained is what codes. Batches are drawn in equal parts from several sets, such as photos as they
are, and photos at half size: files that were coded with loss are too smooth at their own size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from nacre.entropy.pyramid_geometry import (
    NEAREST,
    PHASES,
    Samples,
    features_of,
    fill_level,
    strides,
    taps_of,
)
from nacre.entropy.pyramid_kernels import (
    FEATURE_LIMIT,
    FRACTIONS,
    HIDDEN,
    HIDDEN_LIMIT,
    OUTPUT_HIGH,
    OUTPUT_LOW,
)
from nacre.entropy.pyramid_model import CLASSES, DECAY_BITS, WIDE_SHARE_BITS
from nacre.entropy.trainable import TrainableLinear

INPUT_EXPONENT, HIDDEN_EXPONENT, OUTPUT_EXPONENT = -4, -7, -8
"""A feature of 16 grey levels is 1 to the network; a mean of one level is 1/16."""
WIDE = 2.25
"""The wide distribution's scale, as a multiple of the narrow one's."""
LEAST_SCALE, GREATEST_SCALE = 0.05, 60.0
LEAST_CHANCE = 2.0**-20
ROUNDED_FROM = 0.85
"""The part of the steps after which the layers round."""


@dataclass(frozen=True)
class Recipe:
    """How long to train: ``steps`` of ``batch`` samples for each of the nine networks."""

    steps: int = 36000
    batch: int = 4096
    rate: float = 4e-3
    seed: int = 0


def phase_samples(
    photos: Sequence[Samples], plane: int, phase: int
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Features int16 ``[N, T + 1]`` and what the mean is to hit, int16 ``[N]``, of all levels.

    Args:
        photos: RGB, uint8 ``[H, W, 3]``.
        plane, phase: which network.
    """
    top, left = PHASES[phase]
    inputs, targets = [], []
    for pixels in photos:
        for stride in strides(*pixels.shape[:2]):
            level = pixels[::stride, ::stride]
            stack = fill_level(level, plane)
            samples = level[top::2, left::2].astype(np.int16)
            if not samples.size:
                continue
            found = features_of(stack, plane, phase, *samples.shape[:2])
            flag = np.full((1, *found.shape[1:]), 0 if stride == 1 else 16, dtype=np.int16)
            inputs.append(np.concatenate([found, flag]).reshape(len(found) + 1, -1).T)
            origin = local_mean(stack, plane, phase, *samples.shape[:2])
            difference = samples[..., (1, 0, 2)[plane]] - (samples[..., 1] if plane else 0)
            targets.append((difference - origin).ravel().astype(np.int16))
    return np.concatenate(inputs), np.concatenate(targets)


def local_mean(
    stack: npt.NDArray[np.int16], plane: int, phase: int, rows: int, columns: int
) -> npt.NDArray[np.int32]:
    """The mean of the nearest four samples of the plane itself, ``[rows, columns]``."""
    taps, _ = taps_of(plane, phase)
    near = [stack[p, k, y : y + rows, x : x + columns] for p, k, y, x in taps[:NEAREST].tolist()]
    return np.asarray((np.sum(near, axis=0, dtype=np.int32) + 2) >> 2)


class PhaseNet(nn.Module):
    """Two hidden layers; the last one sees the features too, for what is linear in them."""

    def __init__(self, features: int) -> None:
        super().__init__()
        hidden = (0, HIDDEN_LIMIT)
        self.one = TrainableLinear(
            features + 1,
            HIDDEN,
            inputs=(-FEATURE_LIMIT, FEATURE_LIMIT),
            outputs=hidden,
            input_exponent=INPUT_EXPONENT,
            output_exponent=HIDDEN_EXPONENT,
        )
        self.two = TrainableLinear(
            HIDDEN,
            HIDDEN,
            inputs=hidden,
            outputs=hidden,
            input_exponent=HIDDEN_EXPONENT,
            output_exponent=HIDDEN_EXPONENT,
        )
        self.last = TrainableLinear(
            HIDDEN + features,
            2,
            inputs=(-8 * FEATURE_LIMIT, HIDDEN_LIMIT),
            outputs=(OUTPUT_LOW, OUTPUT_HIGH),
            input_exponent=HIDDEN_EXPONENT,
            output_exponent=OUTPUT_EXPONENT,
        )
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.weight[:, HIDDEN:] = 0

    def forward(self, features: Tensor) -> Tensor:
        """Features ``[N, T + 1]`` to mean and scale ``[N, 2]``, integers."""
        hidden = self.two(self.one(features))
        return torch.as_tensor(self.last(torch.cat([hidden, 8 * features[:, :-1]], dim=1)))

    def forward_unrounded(self, features: Tensor) -> Tensor:
        """The same without rounding and limits: twice as fast, for the first steps."""
        inputs = features * 2.0**INPUT_EXPONENT
        hidden = functional.relu(functional.linear(inputs, self.one.weight, self.one.bias))
        hidden = functional.relu(functional.linear(hidden, self.two.weight, self.two.bias))
        hidden = torch.cat([hidden, inputs[:, :-1]], dim=1)
        outputs = functional.linear(hidden, self.last.weight, self.last.bias)
        return outputs * 2.0**-OUTPUT_EXPONENT

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[np.generic]]:
        """The arrays that ``Pyramid.from_arrays`` reads."""
        arrays: dict[str, npt.NDArray[np.generic]] = {}
        for number, layer in enumerate((self.one, self.two, self.last)):
            exported = layer.export()
            for name in ("weight", "bias", "shift"):
                arrays[f"{prefix}.{number}.{name}"] = getattr(exported, name)
        return arrays


def scale_of(output: Tensor) -> Tensor:
    """The narrow distribution's scale in grey levels, of the second output."""
    return 2 * functional.softplus(output * 2.0**OUTPUT_EXPONENT + 1) + LEAST_SCALE


def bits_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """Bits of each sample ``[N]``.

    Args:
        outputs: mean and scale ``[N, 2]`` as the network gives them.
        targets: ``[N]`` in grey levels.
    """
    distance = targets - outputs[:, 0] / FRACTIONS
    scale = scale_of(outputs[:, 1])
    share = 2.0**-WIDE_SHARE_BITS
    chance = torch.zeros_like(distance)
    for part, width in ((1 - share, scale), (share, WIDE * scale)):
        upper = torch.sigmoid((distance + 0.5) / width)
        chance = chance + part * (upper - torch.sigmoid((distance - 0.5) / width))
    return -torch.log2(chance + LEAST_CHANCE)


def train_phase(
    sets: Sequence[tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]], recipe: Recipe
) -> PhaseNet:
    """One network; every batch is drawn from all sets in equal parts."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    net = PhaseNet(sets[0][0].shape[1] - 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.rate, total_steps=recipe.steps, pct_start=0.1
    )
    each = recipe.batch // len(sets)
    for step in range(recipe.steps):
        places = [rng.integers(0, len(targets), each) for _, targets in sets]
        pairs = zip(sets, places, strict=True)
        features = np.concatenate([values[0][at] for values, at in pairs])
        targets = np.concatenate([values[1][at] for values, at in zip(sets, places, strict=True)])
        forward = net if step >= ROUNDED_FROM * recipe.steps else net.forward_unrounded
        outputs = forward(torch.from_numpy(features).float())
        loss = bits_of(outputs, torch.from_numpy(targets).float()).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return net.eval()


def shared_arrays() -> dict[str, npt.NDArray[np.generic]]:
    """Scale classes and their decays: what all networks have in common."""
    scales = np.geomspace(LEAST_SCALE, GREATEST_SCALE, CLASSES)
    outputs = torch.arange(OUTPUT_LOW, OUTPUT_HIGH + 1, dtype=torch.float64)
    log_scale = np.log(scale_of(outputs).numpy())
    class_of = np.abs(log_scale[:, None] - np.log(scales)).argmin(axis=1).astype(np.uint8)
    decay = np.exp(-1 / (FRACTIONS * scales[:, None] * np.array([1.0, WIDE])))
    limit = (1 << DECAY_BITS) - 1
    return {
        "class_of": class_of,
        "decay": np.minimum(np.rint(decay * 2.0**DECAY_BITS), limit).astype(np.int64),
    }


def train_pyramid(
    sets: Sequence[Sequence[Samples]],
    recipe: Recipe,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, npt.NDArray[np.generic]]:
    """All networks, as the arrays of a model file.

    Args:
        sets: sets of RGB photos, uint8 ``[H, W, 3]``; each counts the same.
        recipe: how long.
        report: is told of each network that is done.
    """
    arrays = shared_arrays()
    for plane in range(3):
        for phase in range(len(PHASES)):
            begin = time.process_time()
            samples = [phase_samples(photos, plane, phase) for photos in sets]
            net = train_phase(samples, recipe)
            arrays |= net.to_arrays(f"{plane}.{phase}")
            features, targets = samples[0]
            some = slice(None, None, max(1, len(targets) // 200_000))
            with torch.no_grad():
                outputs = net(torch.from_numpy(features[some]).float())
                bits = float(bits_of(outputs, torch.from_numpy(targets[some]).float()).mean())
            seconds = time.process_time() - begin
            report(f"plane {plane} phase {phase}: {bits:.4f} bits a sample, {seconds:.0f} s")
            if not math.isfinite(bits):
                raise ArithmeticError("training diverged")
    return arrays
