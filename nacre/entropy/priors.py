"""Tables from CompressAI's entropy models: trained there in floats, exported to integers here.

A factorised prior (``EntropyBottleneck``: one learned density a channel) and a Gaussian scale table
(``GaussianConditional``), both of Ballé et al. 2018 (arXiv 1802.01436). CompressAI comes with the
extra ``nacre[train]``; coding needs the exported tables alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nacre.entropy.tables import PRECISION, Tables, gaussian_tables
from nacre.errors import InputError

LARGEST_REACH = 1 << 14
"""Integers on either side of the median at most."""


def factorized_prior(channels: int) -> Any:
    """CompressAI's ``EntropyBottleneck``, to be trained by :func:`rate` of its likelihoods."""
    _need_compressai()
    from compressai.entropy_models import EntropyBottleneck

    return EntropyBottleneck(channels)


def gaussian_prior(scales: Sequence[float]) -> Any:
    """CompressAI's ``GaussianConditional`` over rising ``scales``, ready to code as well."""
    _need_compressai()
    from compressai.entropy_models import GaussianConditional

    prior = GaussianConditional([float(scale) for scale in scales], scale_bound=float(scales[0]))
    prior.update()
    return prior


def rate(likelihoods: Tensor) -> Tensor:
    """Bits in all of what has these likelihoods: the rate term of a loss, a scalar."""
    return -torch.log2(likelihoods).sum()


@torch.no_grad()
def fit_factorized(
    latents: Tensor, *, steps: int = 1000, batch: int = 4096, rate_of_learning: float = 1e-2
) -> Any:
    """A factorised prior trained on latents that do not change.

    Args:
        latents: float32 ``[N, C]``, in quantiser steps.
        steps: of Adam, with uniform noise in place of rounding.
        batch: rows of each step, drawn with torch's global generator.
        rate_of_learning: of Adam; it falls to nothing along a cosine.

    Returns:
        An ``EntropyBottleneck`` in evaluation mode, its medians found.
    """
    if latents.ndim != 2 or not len(latents):
        raise InputError(f"latents must be [N, C] with N > 0; got {tuple(latents.shape)}")
    prior = factorized_prior(latents.shape[1]).to(latents.device).train()
    learned = [value for name, value in prior.named_parameters() if name != "quantiles"]
    optimizer = torch.optim.Adam(learned, lr=rate_of_learning)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with torch.enable_grad():
        for _ in range(steps):
            rows = latents[torch.randint(len(latents), (batch,), device=latents.device)]
            loss = rate(prior(rows)[1]) / rows.numel()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    prior.update(force=True, update_quantiles=True)
    return prior.eval()


def medians(prior: Any) -> npt.NDArray[np.float32]:
    """What an ``EntropyBottleneck`` takes from latents before rounding, float32 ``[C]``."""
    values: npt.NDArray[np.float32] = prior.quantiles[:, 0, 1].detach().cpu().numpy()
    return values


@torch.no_grad()
def factorized_tables(prior: Any, *, tail: float = 2.0**-PRECISION) -> Tables:
    """One table for each channel of an ``EntropyBottleneck``.

    Table ``c`` is over ``round(latent - median)`` of channel ``c``, as CompressAI quantises.

    Args:
        prior: the trained model; its medians must have been found (:func:`fit_factorized`, or
            CompressAI's auxiliary loss or ``update(update_quantiles=True)``).
        tail: probability on both sides together that is left to the escape.
    """
    exact = copy.deepcopy(prior).cpu().double()
    middle = exact.quantiles[:, :, 1:2]
    reach = 8
    while True:
        edges = torch.arange(-reach, reach + 2, dtype=torch.float64) - 0.5
        logits = exact._logits_cumulative(middle + edges, stop_gradient=True)[:, 0]
        outside = torch.sigmoid(logits[:, 0]) + torch.sigmoid(-logits[:, -1])
        if bool((outside < tail / 2).all()) or reach >= LARGEST_REACH:
            break
        reach *= 2
    # Each mass in the tail where it is small, so that no digits cancel.
    sign = -torch.sign(logits[:, 1:] + logits[:, :-1])
    masses = torch.sigmoid(sign * logits[:, 1:]) - torch.sigmoid(sign * logits[:, :-1])
    masses = masses.abs()
    probabilities, minimum = [], []
    for channel in masses.numpy():
        kept = np.flatnonzero(
            (np.cumsum(channel) > tail / 2) & (np.cumsum(channel[::-1])[::-1] > tail / 2)
        )
        probabilities.append(channel[kept[0] : kept[-1] + 1])
        minimum.append(int(kept[0]) - reach)
    return Tables.from_probabilities(probabilities, minimum)


def gaussian_scale_tables(prior: Any, means: Sequence[float] = (0.0,)) -> Tables:
    """Tables of a ``GaussianConditional``: number ``i * len(means) + j`` for scale i and mean j.

    ``prior.build_indexes(scales)`` gives ``i``.
    """
    return gaussian_tables(prior.scale_table.double().cpu().numpy(), means)


def _need_compressai() -> None:
    try:
        import compressai  # noqa: F401
    except ImportError as error:
        raise InputError(
            "training a prior needs CompressAI; install nacre with the extra: nacre[train]"
        ) from error
