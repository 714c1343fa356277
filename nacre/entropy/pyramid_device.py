"""The networks of ``pyramid.py`` on a torch device: the same integers, so the same bytes.

They run in float64, where every sum is exact in any order (``pyramid_model.py`` has the bounds),
and no reduced precision, such as TF32 for float32, can be put in their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nacre.entropy.pyramid_geometry import NEAREST, Samples, taps_of
from nacre.entropy.pyramid_kernels import (
    FEATURE_LIMIT,
    FRACTIONS,
    HIDDEN_LIMIT,
    OUTPUT_HIGH,
    OUTPUT_LOW,
    Int16s,
    Network,
)

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 1 << 19
"""Samples that a network takes at once: half a gigabyte of activations."""


def predict_on(
    device: str, stack: Int16s, plane: int, phase: int, network: Network, class_of: Samples,
    shape: tuple[int, int],
) -> tuple[Samples, Int16s]:  # fmt: skip
    """As ``pyramid_kernels.predict``: centre and table ``[rows, columns]`` of a phase.

    Args:
        device: of torch, with float64.
        stack: the sub-images of a level.
        plane, phase: which network.
        network: its layers.
        class_of: scale class of each second output.
        shape: rows and columns of the phase.
    """
    import torch

    rows, columns = shape
    planes = torch.from_numpy(stack).to(device)
    layers = [torch.from_numpy(part).to(device, torch.float64) for part in network]
    classes = torch.from_numpy(class_of).to(device, torch.int64)
    centre, table = np.empty(shape, dtype=np.uint8), np.empty(shape, dtype=np.int16)
    each = max(1, AT_ONCE // columns)
    for first in range(0, rows, each):
        last = min(first + each, rows)
        features, base = _features(planes, plane, phase, first, last, columns)
        outputs = _run(layers, features.to(torch.float64).flatten(1))
        shift, scale = outputs.to(torch.int64).reshape(2, last - first, columns)
        mean = (FRACTIONS * base + shift).clamp(0, 256 * FRACTIONS - 1)
        found = FRACTIONS * classes[scale - OUTPUT_LOW] + (mean & 15)
        centre[first:last] = (mean >> 4).to(torch.uint8).cpu().numpy()
        table[first:last] = found.to(torch.int16).cpu().numpy()
    return centre, table


def _features(
    planes: Tensor, plane: int, phase: int, first: int, last: int, columns: int
) -> tuple[Tensor, Tensor]:
    """Features ``[T, rows, columns]`` of some rows, and their base in grey levels."""
    import torch

    taps, own = taps_of(plane, phase)

    def values(source: int, tap: list[int]) -> Tensor:
        y, x = tap[2] + first, tap[3]
        return planes[source, tap[1], y : y + last - first, x : x + columns].to(torch.int32)

    def near(source: int) -> Tensor:
        corners = [values(source, tap) for tap in taps[:NEAREST].tolist()]
        return (torch.stack(corners).sum(0, dtype=torch.int32) + 2) >> 2

    base = near(plane)
    found = [values(plane, tap) - base for tap in taps[:own].tolist()]
    for place in range(own, len(taps), 9):
        source = int(taps[place, 0])
        centre = values(source, taps[place].tolist())
        around = [values(source, tap) for tap in taps[place + 1 : place + 9].tolist()]
        found += [value - centre for value in (near(source), *around)]
        base = base + centre if source == 0 else base
    return torch.stack(found).clamp(-FEATURE_LIMIT, FEATURE_LIMIT), base.to(torch.int64)


def _run(layers: list[Tensor], features: Tensor) -> Tensor:
    """Mean and scale ``[2, N]`` for features ``[T, N]``, integers in float64."""
    import torch

    w1, b1, w2, b2, w3, b3 = layers
    hidden = torch.addmm(b1[:, None], w1, features).floor_().clamp_(0, HIDDEN_LIMIT)
    hidden = torch.addmm(b2[:, None], w2, hidden).floor_().clamp_(0, HIDDEN_LIMIT)
    outputs = torch.addmm(b3[:, None], w3, torch.cat([hidden, features]))
    return outputs.floor_().clamp_(OUTPUT_LOW, OUTPUT_HIGH)
