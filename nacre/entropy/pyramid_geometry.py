"""The levels, phases and features of ``pyramid.py``.

A *stack* holds the sub-images of a level: int16 ``[planes, 4, h + 2 MARGIN, w + 2 MARGIN]``, where
sub-image ``2 y + x`` has the samples whose row and column are y and x modulo 2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nacre.entropy.pyramid_kernels import FEATURE_LIMIT, MARGIN, Int16s, Int32s

Samples = npt.NDArray[np.uint8]
Offset = tuple[int, int]

COARSEST = 8
"""The top of the pyramid has at most so many rows and columns; they are stored as they are."""
NEAREST = 4
"""The taps that the local mean is of; they stand first."""

PHASES: tuple[Offset, ...] = ((1, 1), (0, 1), (1, 0))
AROUND: tuple[Offset, ...] = tuple(
    (y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)
)


def _sorted_taps(known: Callable[[int, int], bool], limit: int) -> tuple[Offset, ...]:
    """The 24 nearest known places; of equal distance, by row and column."""
    places = [(y, x) for y in range(-limit, limit + 1) for x in range(-limit, limit + 1)]
    places = [place for place in places if known(*place)]
    return tuple(sorted(places, key=lambda p: (p[0] ** 2 + p[1] ** 2, p)))[:24]


OWN_TAPS = (
    _sorted_taps(lambda y, x: y % 2 == 1 and x % 2 == 1, 5),
    _sorted_taps(lambda y, x: (y + x) % 2 == 1, 5),
    _sorted_taps(lambda y, x: y % 2 == 1 or (x % 2 == 1 and y % 2 == 0), 5),
)
"""Offsets ``(y, x)`` of each phase in its own plane, in units of the level's stride."""


def taps_of(plane: int, phase: int) -> tuple[Int32s, int]:
    """Where the features of a phase come from.

    Of the plane itself ``24 - plane`` taps, less the mean of the nearest four. Then for each plane
    before it nine: the mean of its nearest four less its centre, and the eight around less it.

    Returns:
        int32 ``[T, 4]``: plane, sub-image, row and column with MARGIN; and how many are its own.
    """
    top, left = PHASES[phase]
    own = OWN_TAPS[phase][: len(OWN_TAPS[phase]) - plane]
    places = [(plane, y, x) for y, x in own]
    for reference in range(plane):
        places += [(reference, y, x) for y, x in ((0, 0), *AROUND)]
    rows = [
        (p, 2 * ((top + y) % 2) + (left + x) % 2, MARGIN + (top + y) // 2, MARGIN + (left + x) // 2)
        for p, y, x in places
    ]
    return np.array(rows, dtype=np.int32), len(own)


def features_of(stack: Int16s, plane: int, phase: int, rows: int, columns: int) -> Int16s:
    """What a network sees, int16 ``[T, rows, columns]``; the compiled loop makes the same.

    Args:
        stack: ``[planes, 4, h + 2 MARGIN, w + 2 MARGIN]``, the sub-images of a level.
        plane, phase: which network.
        rows, columns: of the phase.
    """
    taps, own = taps_of(plane, phase)

    def values(p: int, k: int, y: int, x: int) -> Int32s:
        part: Int32s = stack[p, k, y : y + rows, x : x + columns].astype(np.int32)
        return part

    def near(p: int) -> Int32s:
        total = sum(values(p, *tap[1:]) for tap in taps[:NEAREST].tolist())
        return np.asarray((total + 2) >> 2)

    relative = []
    for index, (p, k, y, x) in enumerate(taps.tolist()):
        if index == 0:
            origin = near(p)
        if index >= own and (index - own) % 9 == 0:
            origin = values(p, k, y, x)
            relative.append(near(p) - origin)
        else:
            relative.append(values(p, k, y, x) - origin)
    limited: Int16s = np.clip(relative, -FEATURE_LIMIT, FEATURE_LIMIT).astype(np.int16)
    return limited


def new_stack(planes: int, height: int, width: int) -> Int16s:
    """Room for the sub-images of a level of that size, with their margins."""
    half = (-(-height // 2) + 2 * MARGIN, -(-width // 2) + 2 * MARGIN)
    return np.zeros((planes, 4, *half), dtype=np.int16)


def fill(stack: Int16s, plane: int, kind: int, values: Int16s) -> None:
    """Put a sub-image into a stack and repeat its border; one without samples copies image 0."""
    target = stack[plane, kind]
    rows, columns = values.shape
    if not values.size:
        target[:] = stack[plane, 0]
        return
    target[MARGIN : MARGIN + rows, MARGIN : MARGIN + columns] = values
    target[:MARGIN] = target[MARGIN]
    target[MARGIN + rows :] = target[MARGIN + rows - 1]
    target[:, :MARGIN] = target[:, MARGIN, None]
    target[:, MARGIN + columns :] = target[:, MARGIN + columns - 1, None]


def strides(height: int, width: int) -> list[int]:
    """Strides of the levels, coarsest first; the last one is 1, none for a very small picture."""
    levels = 0
    while -(-max(height, width) >> levels) > COARSEST:
        levels += 1
    return [1 << level for level in reversed(range(levels))]


def fill_from(stack: Int16s, level: Samples, plane: int, kind: int) -> None:
    """The sub-image of a plane (G, R - G, B - G, or the only one) from the samples of a level."""
    part = level[kind >> 1 :: 2, kind & 1 :: 2].astype(np.int16)
    if part.shape[2] == 1:
        values = part[..., 0]
    else:
        values = part[..., 1] if plane == 0 else part[..., 2 * plane - 2] - part[..., 1]
    fill(stack, plane, kind, values)


def fill_level(level: Samples, plane: int) -> Int16s:
    """All sub-images of a level ``[H, W, C]``, of the planes up to ``plane``."""
    stack = new_stack(plane + 1, *level.shape[:2])
    for which in range(plane + 1):
        for kind in range(4):
            fill_from(stack, level, which, kind)
    return stack
