"""The network of meshes in floats: what is learned, its loss, and its twin in integers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from nacre.entropy.mesh.features import (
    ANSWERS,
    COMPONENTS,
    FEATURE_UNIT,
    FEATURES,
    MEAN_UNIT,
    SEEN,
)
from nacre.entropy.mesh.functions import OCTAVE
from nacre.entropy.mesh.network import (
    FEATURE_LIMIT,
    GAIN_UNIT,
    HIDDEN_LIMIT,
    HIDDEN_UNIT,
    LIMITS,
    OUTPUTS,
    SAID,
    SHIFT_LIMIT,
    SUM_LIMIT,
    Layer,
    Network,
    answers_of,
)
from nacre.train.meshes import SCALE, Rows

LOGISTIC = math.sqrt(3) / math.pi
"""Scale of a logistic distribution of deviation 1."""
LEAST_VARIANCE = 0.03 + 1 / 12
"""Of a coordinate, in lattice steps: what the coder adds, and the noise of training."""
_CHUNK = 8192

Float64s = npt.NDArray[np.float64]
Answers = Callable[[npt.NDArray[np.int16], npt.NDArray[np.float32]], Tensor]
"""What is said of features ``[n, FEATURES]`` and vectors ``[n, SEEN, 3]``, in units of 1."""


class MeshNet(nn.Module):
    """The float twin of :class:`Network`."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, OUTPUTS)
        with torch.no_grad():
            self.last.weight.mul_(0.3)
            bias = self.last.bias.view(COMPONENTS, SAID)
            bias.zero_()
            # Components begin with deviations from a half to a hundredth of an edge.
            bias[:, 4:ANSWERS] = -torch.linspace(1, 6, COMPONENTS)[:, None]

    def forward(self, features: Tensor, vectors: Tensor) -> Tensor:
        """What the coder is told: ``[n, COMPONENTS, ANSWERS]``.

        Of each component: log2 of the weight, three means, three log2 deviations (of the scale).

        Args:
            features: ``[n, FEATURES]``, 1 is 1.
            vectors: those among them, ``[n, SEEN, 3]``.
        """
        top = HIDDEN_LIMIT / HIDDEN_UNIT
        hidden = functional.silu(self.first(features).clamp(-top, top))
        hidden = functional.silu(self.second(hidden).clamp(-top, top))
        said = self.last(hidden).view(-1, COMPONENTS, SAID)
        means = said[..., 1:4] + said[..., ANSWERS:] @ vectors
        return torch.cat([said[..., :1], means, said[..., 4:ANSWERS]], dim=2)


def bits_of(answers: Tensor, residual: Tensor, scale: Tensor) -> Tensor:
    """Bits of each vertex ``[n]``.

    Args:
        answers: as :meth:`MeshNet.forward` gives them.
        residual: in the frame, in lattice steps, with noise, ``[n, 3]``.
        scale: in lattice steps, ``[n]``.
    """
    low, high = (limit / OCTAVE for limit in LIMITS[2])
    weight = torch.log_softmax(answers[..., 0] * math.log(2), dim=1)
    variance = (torch.exp2(answers[..., 4:].clamp(low, high)) * scale[:, None, None]).square()
    width = 0.5 * torch.log(variance + LEAST_VARIANCE) + math.log(LOGISTIC)
    away = (residual[:, None] - answers[..., 1:4] * scale[:, None, None]) * torch.exp(-width)
    density = (-away - width - 2 * functional.softplus(-away)).sum(dim=2)
    return -torch.logsumexp(weight + density, dim=1) / math.log(2)


def noisy(targets: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Targets with uniform noise of -1/2 to 1/2 along the lattice's axes on the residual."""
    found = targets.copy()
    noise = rng.random((len(targets), 3), dtype=np.float32) - np.float32(0.5)
    found[:, :3] += np.einsum("nij,nj->ni", targets[:, 3:12].reshape(-1, 3, 3), noise)
    return found


def integer_network(model: MeshNet) -> Network:
    """The network in integers that is nearest to ``model``."""
    units = [OCTAVE] + 3 * [MEAN_UNIT] + 3 * [OCTAVE] + SEEN * [GAIN_UNIT]
    outputs = np.tile(np.array(units, dtype=np.float64), COMPONENTS)
    hidden = np.full(model.first.out_features, float(HIDDEN_UNIT))
    first, second, last = (
        (layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy())
        for layer in (model.first, model.second, model.last)
    )
    return Network(
        (
            integer_layer(*first, FEATURE_UNIT, hidden, FEATURE_LIMIT),
            integer_layer(*second, HIDDEN_UNIT, hidden, HIDDEN_LIMIT),
            integer_layer(*last, HIDDEN_UNIT, outputs, HIDDEN_LIMIT),
        )
    )


def integer_layer(
    weight: Float64s, bias: Float64s, unit: int, outputs: Float64s, limit: int
) -> Layer:
    """A layer in integers; each row has the largest shift at which its numbers and sums fit.

    Args:
        weight: ``[O, I]``.
        bias: ``[O]``.
        unit: what 1 is as an input.
        outputs: what 1 is as an output, ``[O]``.
        limit: the largest size of an input.
    """
    weight, bias = weight * (outputs / unit)[:, None], bias * outputs
    shift = np.zeros(len(bias), np.int32)
    for row in range(len(bias)):
        while shift[row] < SHIFT_LIMIT and _fits(weight[row], bias[row], shift[row] + 1, limit):
            shift[row] += 1
    factor = np.exp2(shift.astype(np.float64))
    return Layer(
        np.rint(weight * factor[:, None]).astype(np.int16),
        np.rint(bias * factor).astype(np.int32),
        shift,
        limit,
    )


def _fits(weight: npt.NDArray[np.float64], bias: float, shift: int, limit: int) -> bool:
    scaled = np.abs(np.rint(weight * 2.0**shift))
    wide = scaled.sum() * limit >= SUM_LIMIT or abs(bias) * 2.0**shift >= SUM_LIMIT - 1
    return bool(scaled.max() < 1 << 15 and not wide)


def measure(answers: Answers, rows: Rows) -> float:
    """Mean bits a vertex of rows, with noise that is always the same."""
    total = 0.0
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for first in range(0, len(rows.features), _CHUNK):
            part = slice(first, first + _CHUNK)
            targets = noisy(rows.targets[part], rng)
            vectors = targets[:, SCALE + 1 :].reshape(-1, SEEN, 3)
            said = answers(rows.features[part], vectors)
            where = torch.from_numpy(targets)
            total += float(bits_of(said, where[:, :3], where[:, SCALE]).double().sum())
    return total / max(len(rows.features), 1)


def float_answers(model: MeshNet) -> Answers:
    """What ``model`` says."""
    return lambda features, vectors: torch.as_tensor(
        model(torch.from_numpy(features).float() / FEATURE_UNIT, torch.from_numpy(vectors))
    )


def integer_answers(network: Network) -> Answers:
    """What ``network`` says."""
    unit = torch.tensor([OCTAVE] + 3 * [MEAN_UNIT] + 3 * [OCTAVE])
    return lambda features, vectors: (
        torch.from_numpy(answers_of(network, features, vectors.astype(np.float64))).float() / unit
    )
