"""Splats nearby that a splat may be a copy of.

Training makes splats by cloning and splitting others, and copies stay alike. Which of the
neighbours, if any, is the sibling shows as soon as a channel is coded: the odds of each neighbour
are multiplied by how much better its value fits than an unrelated one would. The values of likely
siblings then are narrow components of the next channel's mixture.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from nacre.entropy.mixing import LIMIT, SQUASH, UNIT
from nacre.entropy.sequential import compiled
from nacre.entropy.splats.neighbours import EARLIER
from nacre.entropy.tables import TOTAL

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Number: TypeAlias = Any
"""A number of a compiled function, whole or not; numba finds out which."""

BROADER = 2.5
"""Ratio of the widths of both mixtures over siblings."""
MOST_RATIO = 30.0
"""So much one channel may say about a sibling."""


class Candidates(NamedTuple):
    """Neighbours as siblings.

    Attributes:
        places: their numbers, -1: none, int64 ``[EARLIER]``.
        odds: of each being a sibling against there being none, ``[EARLIER]``.
        share: odds that sum to 1, ``[EARLIER]``.
        values: of the channel at hand, ``[EARLIER]``.
        prior: odds before any channel is known, by rank, ``[EARLIER]``.
        narrow: mean difference of siblings and its count, ``[channels, 2]``.
        wide: of other neighbours, ``[channels, 2]``.
        errors: differences of the splat, ``[channels, EARLIER]``.
        total: sum of the odds, ``[1]``.
    """

    places: Int64s
    odds: Floats
    share: Floats
    values: Floats
    prior: Floats
    narrow: Floats
    wide: Floats
    errors: Floats
    total: Floats


def new_candidates(channels: int) -> Candidates:
    """Nothing known of siblings yet."""
    return Candidates(
        np.full(EARLIER, -1, np.int64),
        np.zeros(EARLIER),
        np.zeros(EARLIER),
        np.zeros(EARLIER),
        np.full(EARLIER, 0.05),
        np.tile([0.03, 0.0], (channels, 1)),
        np.tile([0.15, 0.0], (channels, 1)),
        np.zeros((channels, EARLIER)),
        np.zeros(1),
    )


@compiled
def meet(earlier: Int32s, candidates: Candidates) -> None:
    """Begin with a splat whose neighbours are ``earlier`` ``[EARLIER]``."""
    for n in range(EARLIER):
        j = np.int64(earlier[n])
        candidates.places[n] = j
        candidates.odds[n] = candidates.prior[n] if j >= 0 else 0.0
    _share(candidates)


@compiled
def _share(candidates: Candidates) -> None:
    total = 0.0
    for n in range(EARLIER):
        total += candidates.odds[n]
    candidates.total[0] = total
    for n in range(EARLIER):
        candidates.share[n] = candidates.odds[n] / total if total > 1e-100 else 0.0


@compiled
def trust(candidates: Candidates) -> Number:
    """How sure a sibling is, 0 .. 4."""
    number = np.int64(0)
    for edge in (0.3, 1.0, 4.0, 20.0):
        number += candidates.total[0] > edge
    return number


@compiled
def likeliest(candidates: Candidates) -> Number:
    """The place of the likeliest sibling."""
    best = 0
    for n in range(1, EARLIER):
        if candidates.odds[n] > candidates.odds[best]:
            best = n
    return best


@compiled
def mean_of(candidates: Candidates) -> Number:
    """The values, weighed by how likely each is a sibling's."""
    total = 0.0
    for n in range(EARLIER):
        total += candidates.share[n] * candidates.values[n]
    return total


@compiled
def below(x: Number, width: Number, candidates: Candidates) -> Number:
    """The share of a mixture over siblings that lies below ``x``, in 2^-24: 1 .. 2^24 - 1."""
    total, scale = 0.0, UNIT / width
    for n in range(EARLIER):
        part = candidates.share[n]
        if part > 1e-3:
            distance = (x - candidates.values[n]) * scale
            if distance >= LIMIT:
                total += part * (TOTAL - 1)
            elif distance > -LIMIT:
                total += part * SQUASH[np.int64(distance + (LIMIT + 0.5))]
    return min(max(total, 1.0), float(TOTAL - 1))


@compiled
def _density(error: Number, half: Number, width: Number) -> Number:
    """Probability of ``error`` +- ``half`` under a logistic distribution."""
    scale = UNIT / width
    high = min(max((error + half) * scale, -float(LIMIT)), float(LIMIT))
    low = min(max((error - half) * scale, -float(LIMIT)), float(LIMIT))
    share = SQUASH[np.int64(high + (LIMIT + 0.5))] - SQUASH[np.int64(low + (LIMIT + 0.5))]
    return float(share) + 32.0


@compiled
def compare(channel: Number, y: Number, half: Number, candidates: Candidates) -> None:
    """Let the value of a channel, known to +- ``half``, change the odds."""
    narrow = 0.72 * candidates.narrow[channel, 0] + 0.25 * half
    wide = 0.72 * candidates.wide[channel, 0] + 0.25 * half
    for n in range(EARLIER):
        error = y - candidates.values[n]
        candidates.errors[channel, n] = abs(error)
        ratio = _density(error, half, narrow) / _density(error, half, wide)
        ratio = min(max(ratio, 1.0 / MOST_RATIO), MOST_RATIO)
        candidates.odds[n] = min(candidates.odds[n] * ratio, 1e12)
    _share(candidates)


@compiled
def part(channels: Number, candidates: Candidates) -> None:
    """Learn from a splat that was coded: priors by rank, how alike siblings are."""
    for n in range(EARLIER):
        if candidates.places[n] < 0:
            continue
        chance = candidates.odds[n] / (1.0 + candidates.total[0])
        target = min(max(chance, 0.002), 0.9)
        candidates.prior[n] += (target / (1.0 - target) - candidates.prior[n]) * 0.001
        for channel in range(channels):
            error = candidates.errors[channel, n]
            if chance > 0.01:
                cell = candidates.narrow[channel]
                cell[1] = min(cell[1] + chance, 400.0)
                cell[0] += (error - cell[0]) * chance / (cell[1] + 2.0)
            if n < 4 and chance < 0.5:
                cell = candidates.wide[channel]
                cell[1] = min(cell[1] + 1.0, 1000.0)
                cell[0] += (error - cell[0]) / (cell[1] + 2.0)
