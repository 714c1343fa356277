"""How the noise of one picture differs from what the networks of ``pyramid.py`` expect.

A camera's noise, or a resampler's lack of it, is the same all over a picture, which networks that
look at 24 samples cannot know. So a message begins with a shift for groups of scale classes of
each network, chosen by the encoder to make the message short. Decoding them costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.pyramid_geometry import PHASES, Samples
from nacre.entropy.pyramid_kernels import FRACTIONS, REACH, Int16s
from nacre.entropy.pyramid_model import CLASSES, Pyramid
from nacre.entropy.sequential import (
    State,
    Words,
    decode_advance,
    decode_target,
    encode_symbol,
)
from nacre.entropy.tables import TOTAL

Int8s = npt.NDArray[np.int8]

GROUPS = 10
"""Of so many groups, each of four neighbouring classes, every one has a shift."""
SHIFTS = np.arange(-4, 5)
_EDGES = [TOTAL * edge // 32 for edge in (0, 1, 2, 4, 8, 24, 28, 30, 31, 32)]
"""Where the intervals of -4..4 begin: a shift of 0 costs a bit, one of 4 costs five."""
_COSTS = np.array([5, 5, 4, 3, 1, 3, 4, 5, 5])
_HALF = TOTAL // 2
BIT = 1024
"""Costs are counted in units of a bit's 1024th."""


class Phase(NamedTuple):
    """A phase of a plane and what codes it.

    Attributes:
        plane: 0, 1 or 2.
        number: of the phase.
        stride: of its level.
        samples: uint8 ``[h, w]``, a view into the picture, to read or to write.
        centre: uint8 ``[h * w]``, the whole part of each mean.
        table: int16 ``[h * w]``; sample x has the index ``x - centre + REACH`` of it.
    """

    plane: int
    number: int
    stride: int
    samples: Samples
    centre: Samples
    table: Int16s


def no_shifts(planes: int) -> Int8s:
    """Shifts ``[planes, 3, 2, GROUPS]`` that change nothing; the third axis is 1 at stride 1."""
    return np.zeros((planes, len(PHASES), 2, GROUPS), dtype=np.int8)


def shifted_classes(shifts: Int8s) -> Samples:
    """What each class becomes: uint8 ``[..., CLASSES]`` for shifts ``[..., GROUPS]``."""
    moved = np.arange(CLASSES) + np.repeat(shifts, CLASSES // GROUPS, axis=-1)
    classes: Samples = np.clip(moved, 0, CLASSES - 1).astype(np.uint8)
    return classes


def shifted_tables(phase: Phase, classes: Samples) -> Int16s:
    """The tables of a phase, whose classes become ``classes [planes, 3, 2, CLASSES]``."""
    become = classes[phase.plane, phase.number, int(phase.stride == 1)]
    tables = np.arange(CLASSES * FRACTIONS)
    lookup = FRACTIONS * become[tables // FRACTIONS].astype(np.int16) + tables % FRACTIONS
    found: Int16s = lookup.astype(np.int16)[phase.table]
    return found


def choose_shifts(phases: Sequence[Phase], model: Pyramid, planes: int) -> Int8s:
    """The shifts for which all these phases and the shifts themselves take the fewest bits."""
    shifts = no_shifts(planes)
    tables, symbols = model.cumulative.shape[0], model.cumulative.shape[1] - 1
    for plane, number, finest in np.ndindex(shifts.shape[:3]):
        places = [
            symbols * phase.table.astype(np.int64)
            + (phase.samples.ravel().astype(np.int64) - phase.centre + REACH)
            for phase in phases
            if (phase.plane, phase.number, phase.stride == 1) == (plane, number, bool(finest))
        ]
        if not places:
            continue
        counts = np.bincount(np.concatenate(places), minlength=tables * symbols)
        costs = _costs(counts.reshape(tables, symbols), model) + BIT * _COSTS[:, None]
        # Of equally good ones the one nearest to 0, which comes first in this order.
        order = np.argsort(np.abs(SHIFTS), kind="stable")
        best = order[costs[order].argmin(axis=0)]
        if (costs[best, np.arange(GROUPS)]).sum() < (costs[4] - BIT * _COSTS[4]).sum():
            shifts[plane, number, finest] = SHIFTS[best]
    return shifts


def _costs(counts: npt.NDArray[np.int64], model: Pyramid) -> npt.NDArray[np.int64]:
    """``[len(SHIFTS), GROUPS]``, of how often each symbol of each table occurred."""
    tables = np.flatnonzero(counts.any(axis=1))
    symbols = np.flatnonzero(counts.any(axis=0))
    part = slice(symbols[0], symbols[-1] + 1)
    counts = counts[tables, part]
    group = tables // FRACTIONS * GROUPS // CLASSES
    costs = np.zeros((len(SHIFTS), GROUPS), dtype=np.int64)
    for row, shift in enumerate(SHIFTS.tolist()):
        moved = np.clip(tables // FRACTIONS + shift, 0, CLASSES - 1)
        bits = model.costs[FRACTIONS * moved + tables % FRACTIONS, part]
        np.add.at(costs[row], group, np.einsum("ij,ij->i", counts, bits, dtype=np.int64))
    return costs


def encode_shifts(state: State, words: Words, shifts: Int8s) -> None:
    """One bit for each network, a one if it has shifts, and then those of all groups."""
    for row in shifts.reshape(-1, GROUPS).tolist():
        encode_symbol(state, words, _HALF * any(row), _HALF)
        for shift in row if any(row) else ():
            index = shift - int(SHIFTS[0])
            encode_symbol(state, words, _EDGES[index], _EDGES[index + 1] - _EDGES[index])


def decode_shifts(state: State, words: Words, planes: int) -> Int8s:
    """The shifts that :func:`encode_shifts` coded; damaged data give some shifts."""
    shifts = no_shifts(planes)
    for row in shifts.reshape(-1, GROUPS):
        present = int(decode_target(state)) >= _HALF
        decode_advance(state, words, _HALF * present, _HALF)
        for group in range(GROUPS if present else 0):
            target = int(decode_target(state))
            index = int(np.searchsorted(_EDGES, target, side="right")) - 1
            decode_advance(state, words, _EDGES[index], _EDGES[index + 1] - _EDGES[index])
            row[group] = SHIFTS[index]
    return shifts
