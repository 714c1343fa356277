"""In which order a grid of latents is coded: channel groups, and passes over positions inside each.

Every symbol of a pass is coded under a table that a network chose by looking at all passes before
it. Channel groups are prefixes of the latents, so a reader that wants the first channels alone
stops early. Inside a group the positions split like an interlaced picture (Adam7's idea for the few
channels that hold most of the correlation, a checkerboard for the next), so that most symbols see
neighbours on all sides and a pass is still a few array operations.

The positions of a pass are lattices: rows ``y, y + s, ...`` and columns ``x, x + s, ...``. Its
symbols are coded lattice by lattice; inside one by channel, then row, then column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nacre.entropy.integer import Lattice

GROUPS = ((0, 3), (3, 12), (12, 48), (48, 192))
"""First and end channel of each group."""

_INTERLACED: tuple[tuple[Lattice, ...], ...] = (
    ((4, 0, 0),),
    ((4, 2, 2),),
    ((4, 0, 2), (4, 2, 0)),
    ((2, 1, 1),),
    ((2, 0, 1), (2, 1, 0)),
)
_CHECKERBOARD: tuple[tuple[Lattice, ...], ...] = (
    ((2, 0, 0), (2, 1, 1)),
    ((2, 0, 1), (2, 1, 0)),
)
_AT_ONCE: tuple[tuple[Lattice, ...], ...] = (((1, 0, 0),),)
_ORDERS = (_INTERLACED, _CHECKERBOARD, _CHECKERBOARD, _AT_ONCE)


@dataclass(frozen=True)
class Pass:
    """One step of the order.

    Attributes:
        group: index into :data:`GROUPS`.
        index: which pass of its group.
        first, end: the group's channels.
        lattices: the positions that it codes.
    """

    group: int
    index: int
    first: int
    end: int
    lattices: tuple[Lattice, ...]

    @property
    def sees_group(self) -> bool:
        """Whether some of its own group is known already."""
        return self.index > 0

    def positions(self, height: int, width: int) -> npt.NDArray[np.bool_]:
        """Which positions it codes, bool ``[height, width]``."""
        return _mark([self.lattices], height, width)

    def known(self, height: int, width: int) -> npt.NDArray[np.bool_]:
        """Positions of its group that the passes before it have coded, ``[height, width]``."""
        return _mark(_ORDERS[self.group][: self.index], height, width)


def _mark(passes: Sequence[Sequence[Lattice]], height: int, width: int) -> npt.NDArray[np.bool_]:
    marked = np.zeros((height, width), np.bool_)
    for lattices in passes:
        for stride, y, x in lattices:
            marked[y::stride, x::stride] = True
    return marked


PASSES = tuple(
    Pass(group, index, *GROUPS[group], lattices)
    for group, order in enumerate(_ORDERS)
    for index, lattices in enumerate(order)
)
"""All passes in coding order."""
