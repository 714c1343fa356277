"""WaLLoC's transform for photos: linear analysis, learned synthesis, both of finite reach.

Source: D. Jacobellis, N. Yadwadkar, "Learned Compression for Compressed Learning" (DCC 2025,
arXiv 2412.09405): wavelet packets, a linear map that orders and drops dimensions, a learned
decoder. What differs here: symmetric boundaries, a decoder without attention and without
normalisation over space (so that a part of a picture decodes alone, to the same values), and one
model for every step and number of channels.

    analysis    x [B, 3, H, W] ──packet──▶ [B, 192, H/8, W/8] ──linear──▶ latents, by importance
    synthesis   latents ──linear──▶ packet⁻¹ ──▶ preview
                latents + residual network ──linear──▶ packet⁻¹ ──▶ picture
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from nacre.transforms.wavelet import WaveletPacket

STRIDE = 8
"""Pixels of one axis per latent position (three levels)."""
DIMENSIONS = 192
"""Bands of one position: 3 colours x 8 x 8."""
CHANNELS = (12, 48, 192)
"""Prefixes of the latents that a stream may keep: a reduction by 16, 4, or none."""
PACKET = WaveletPacket("bior4.4", levels=3, dims=2, boundary="symmetric")
PACKET_REACH = 4
"""Latent positions that the inverse packet reads on either side of a pixel (32 samples)."""

CENTRE = 128.0  # taken from 8-bit pixels, so that latents of mid-grey are zero


class Analysis(nn.Module):
    """Pixels to latents: a packet and one matrix, nothing else (0.7 kMAC a pixel).

    Attributes:
        weight: ``[192, 192]``, a row a latent channel, the most important first.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())

    def forward(self, pixels: torch.Tensor, channels: int = DIMENSIONS) -> torch.Tensor:
        """``[B, 3, H, W]`` in 0..255, sides multiples of 8, to ``[B, channels, H/8, W/8]``."""
        bands = PACKET.analyze(pixels - CENTRE)
        return functional.conv2d(bands, self.weight[:channels, :, None, None])


class _Block(nn.Module):
    """Residual block of two 3 x 3 convolutions, scaled and shifted by the condition."""

    def __init__(self, width: int, conditions: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(conditions, 2 * width)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        hidden = functional.relu(self.first(x) * (1 + scale) + shift)
        out: torch.Tensor = x + self.second(hidden)
        return out


class Synthesis(nn.Module):
    """Latents to pixels: a linear inverse, and a network that improves the latents before it.

    The network sees latents over their standard deviation and answers in units of what is unknown
    about each of them: about half a step where a channel was coded, its standard deviation where it
    was dropped. It starts at zero, so an untrained decoder is the linear one.

    Args:
        weight: ``[192, 192]``, the linear inverse.
        deviation: ``[192]``, standard deviation of each latent channel over natural photos.
        width, blocks: of the network; ``(18 * blocks * width**2 + 384 * width) / 64`` MAC a pixel.
    """

    def __init__(
        self, weight: torch.Tensor, deviation: torch.Tensor, width: int = 96, blocks: int = 4
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.register_buffer("deviation", deviation.clone())
        conditions = 1 + len(CHANNELS)
        self.enter = nn.Conv2d(DIMENSIONS, width, 1)
        self.blocks = nn.ModuleList(_Block(width, conditions) for _ in range(blocks))
        self.leave = nn.Conv2d(width, DIMENSIONS, 1)
        nn.init.zeros_(self.leave.weight)
        self.leave.bias = nn.Parameter(torch.zeros(DIMENSIONS))

    @property
    def halo(self) -> int:
        """Latent positions around a region that its pixels depend on."""
        return 2 * len(self.blocks) + PACKET_REACH

    def refine(self, latents: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Latents nearer to the unquantised ones, ``[B, 192, h, w]``.

        Args:
            latents: ``[B, channels, h, w]``, ``channels`` of :data:`CHANNELS`.
            step: ``[B]``, the quantiser's step in latent units.
        """
        channels = latents.shape[1]
        deviation: torch.Tensor = self.get_buffer("deviation")
        kept = functional.one_hot(torch.tensor(CHANNELS.index(channels)), len(CHANNELS)).to(latents)
        condition = torch.cat([(step.log2() - 4.0)[:, None] / 2, kept.expand(len(step), -1)], dim=1)
        x = self.enter.weight[:, :channels] / deviation[:channels, None, None]
        x = functional.conv2d(latents, x, self.enter.bias)
        for block in self.blocks:
            x = block(x, condition)
        coded = torch.arange(DIMENSIONS, device=latents.device) < channels
        unknown = torch.where(coded, torch.minimum(step[:, None] / 2, deviation), deviation)
        residual: torch.Tensor = self.leave(functional.relu(x)) * unknown[:, :, None, None]
        return functional.pad(latents, (0, 0, 0, 0, 0, DIMENSIONS - channels)) + residual

    def linear(self, latents: torch.Tensor) -> torch.Tensor:
        """The preview: ``[B, channels, h, w]`` to pixels ``[B, 3, 8 h, 8 w]``, not clamped."""
        bands = functional.conv2d(latents, self.weight[:, : latents.shape[1], None, None])
        return PACKET.synthesize(bands) + CENTRE

    def forward(self, latents: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """``[B, channels, h, w]`` and steps ``[B]`` to pixels ``[B, 3, 8 h, 8 w]``, not clamped."""
        return self.linear(self.refine(latents, step))


Arrays = Mapping[str, npt.NDArray[np.generic]]


def analysis_from_arrays(arrays: Arrays) -> Analysis:
    """The encoder whose ``state_dict`` is ``arrays``, ready to use."""
    return Analysis(torch.from_numpy(arrays["weight"])).eval().requires_grad_(False)


def synthesis_from_arrays(arrays: Arrays) -> Synthesis:
    """The decoder whose ``state_dict`` is ``arrays``, its width and depth read from the shapes."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    width = len(tensors["enter.weight"])
    blocks = sum(name.endswith("first.weight") for name in tensors)
    synthesis = Synthesis(tensors["weight"], tensors["deviation"], width, blocks)
    synthesis.load_state_dict(tensors)
    return synthesis.eval().requires_grad_(False)
