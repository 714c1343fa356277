"""Uniform quantisation of latents with a dead zone, and the steps that a stream can name."""

from __future__ import annotations

import torch

STEPS_PER_OCTAVE = 32
DEAD_ZONE = 0.17
"""How much of half a step is taken from the neighbours of zero and given to zero."""
PLAIN_CHANNELS = 3
"""The first channels (brightness and colour) have no reason to lie near zero: plain rounding."""
LARGEST = 2047
"""Symbols are clamped to this; 8-bit pictures reach it at a step below 1."""


def step_of(step_code: int) -> float:
    """Step of a stored code, in units of an 8-bit sample: 2^(code / 32)."""
    return float(2.0 ** (step_code / STEPS_PER_OCTAVE))


def quantize(latents: torch.Tensor, step: torch.Tensor | float) -> torch.Tensor:
    """Integers, as float, of latents ``[..., C, h, w]``; ``step`` broadcasts against them."""
    scaled = latents / step
    offset = torch.full((latents.shape[-3], 1, 1), 0.5 - DEAD_ZONE, device=latents.device)
    offset[:PLAIN_CHANNELS] = 0.5
    symbols = scaled.sign() * (scaled.abs() + offset).floor()
    return symbols.clamp(-LARGEST, LARGEST)
