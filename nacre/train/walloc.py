"""The recipe of ``nacre train walloc-rgb``: transform, context model and decoder, trained together.

Loss of a crop, in bits a sub-pixel: rate + LAGRANGE * MSE / step². LAGRANGE is the slope at which a
uniform quantiser of that step is optimal (dR/dD at high rate: 6 / ln 2), so that one model serves
every step. A step and a channel prefix are drawn for every batch; the logarithm of the loss is what
is minimised, because a tenth fewer bits is worth as much to a thumbnail as to an archive.

Two phases. In the first, rate is measured on noisy latents (gradients reach the analysis) while the
decoder and the contexts see rounded ones (Minnen & Singh, ICIP 2020, section 3.2). In the last fifth the
analysis is frozen and everything is rounded, exactly as the codec does it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nacre.train.context import ContextModel, laplace_bits
from nacre.train.loop import Loss, Plan
from nacre.train.photos import PhotoSet
from nacre.transforms.quantize import quantize
from nacre.transforms.walloc import CENTRE, DIMENSIONS, PACKET, STRIDE, Analysis, Synthesis

LAGRANGE = 6 / math.log(2)
HARD_FROM = 0.8
"""The fraction of the steps after which the analysis is frozen and everything is rounded."""
LOG_STEPS = {12: (3.0, 7.0), 48: (2.0, 7.0), 192: (1.0, 7.0)}
"""log2 of the least and the largest step that is trained for each prefix."""
DRAWS = (12, 48, 192, 192)
"""Prefixes, drawn with equal chances."""

def klt(photos: PhotoSet, most: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    """Principal axes of packet vectors: ``[192, 192]``, rows by falling deviation, and deviations.

    Karhunen-Loève transform of up to ``most`` photos spread over the set; the transform of least
    distortion for every prefix, and where training starts.
    """
    covariance = torch.zeros(DIMENSIONS, DIMENSIONS, dtype=torch.float64)
    vectors = 0
    for index in np.linspace(0, len(photos) - 1, min(most, len(photos))).astype(int):
        photo = torch.from_numpy(np.array(photos.photo(int(index)))).permute(2, 0, 1)[None]
        height, width = (n // STRIDE * STRIDE for n in photo.shape[2:])
        if not height or not width:
            continue
        bands = PACKET.analyze(photo[..., :height, :width].double() - CENTRE)[0].flatten(1)
        covariance += bands @ bands.T
        vectors += bands.shape[1]
    values, axes = torch.linalg.eigh(covariance / vectors)
    axes = axes.flip(1) * torch.where(axes.flip(1).sum(dim=0) < 0, -1.0, 1.0)
    return axes.T.float().contiguous(), values.flip(0).clamp(min=1e-4).sqrt().float()


class WallocModel(nn.Module):
    """Everything that is trained: analysis, context model, synthesis."""

    def __init__(self, axes: torch.Tensor, deviation: torch.Tensor, width: int, blocks: int) -> None:
        super().__init__()
        self.analysis = Analysis(axes)
        self.context = ContextModel(deviation)
        self.synthesis = Synthesis(axes.T.contiguous(), deviation, width, blocks)

    def forward(
        self, pixels: torch.Tensor, log_step: torch.Tensor, channels: int, noise: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Bits a sub-pixel and mean squared error, ``[B]`` each.

        Args:
            pixels: ``[B, 3, H, W]`` in 0..255.
            log_step: ``[B]``.
            channels: prefix that is coded.
            noise: ``[B, channels, H / 8, W / 8]`` in -0.5..0.5, or None for hard rounding.
        """
        step = torch.exp2(log_step)
        if noise is None:
            with torch.no_grad():
                latents = self.analysis(pixels, channels)
        else:
            latents = self.analysis(pixels, channels)
        scaled = latents / step[:, None, None, None]
        symbols = quantize(latents.detach(), step[:, None, None, None])
        mean, log_scale = self.context(symbols, log_step)
        coded = symbols if noise is None else scaled + noise
        bits = laplace_bits(coded, mean, log_scale).sum(dim=(1, 2, 3)) / pixels[0].numel()
        rounded = (scaled + (symbols - scaled).detach()) * step[:, None, None, None]
        error = (self.synthesis(rounded, step) - pixels).square().mean(dim=(1, 2, 3))
        return bits, error


@dataclass(frozen=True)
class WallocRecipe:
    """What the training loop asks for."""

    model: WallocModel
    photos: PhotoSet
    plan: Plan
    channels: Sequence[int] = DRAWS

    def batch(self, step: int, rank: int) -> torch.Tensor:
        """Crops ``[B, side, side, 3]``, uint8."""
        crops = self.photos.crops(self.plan.seed + 1000 * rank, step, self.plan.batch, self.plan.side)
        return torch.from_numpy(crops)

    def loss(self, model: nn.Module, batch: torch.Tensor, step: int, rank: int) -> Loss:
        """Mean logarithm of rate + LAGRANGE * distortion / step²."""
        draw = torch.Generator().manual_seed(self.plan.seed * 1_000_003 + step * 1009 + rank)
        channels = self.channels[int(torch.randint(len(self.channels), (), generator=draw))]
        low, high = LOG_STEPS[channels]
        log_step = torch.rand(len(batch), generator=draw) * (high - low) + low
        noise = None
        if step < HARD_FROM * self.plan.steps:
            size = [n // STRIDE for n in batch.shape[1:3]]
            noise = torch.rand(len(batch), channels, *size, generator=draw).to(batch.device) - 0.5
        log_step = log_step.to(batch.device)
        pixels = batch.permute(0, 3, 1, 2).float()
        bits, error = model(pixels, log_step, channels, noise)
        cost = bits + LAGRANGE * error * torch.exp2(-2 * log_step)
        return Loss(
            torch.log2(cost).mean(), float(bits.mean().detach()) * 3, float(error.mean().detach())
        )

    def groups(self) -> list[dict[str, Any]]:
        """Adam's parameter groups: the matrices move slowly, they start close to the optimum."""
        slow = [self.model.analysis.weight, self.model.synthesis.weight]
        fast = [p for p in self.model.parameters() if all(p is not q for q in slow)]
        return [{"params": slow, "scale": 0.05}, {"params": fast, "scale": 1.0}]


def make_model(photos: PhotoSet, width: int = 96, blocks: int = 4, seed: int = 0) -> WallocModel:
    """An untrained model: the Karhunen-Loève transform and networks that change nothing yet."""
    axes, deviation = klt(photos)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return WallocModel(axes, deviation, width, blocks)


