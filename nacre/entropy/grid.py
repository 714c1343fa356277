"""In which order a grid of latents is coded: channel groups, and passes over positions inside each.

Every symbol of a pass is coded under a table that a network chose by looking at all passes before
it. Channel groups are prefixes of the latents, so a reader that wants the first channels alone
stops early. Inside a group the positions split like an interlaced picture (Adam7's idea for the few
channels that hold most of the correlation, a checkerboard for the next), so that most symbols see
neighbours on all sides and a pass is still one array operation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

GROUPS = ((0, 3), (3, 12), (12, 48), (48, 192))
"""First and end channel of each group."""


@dataclass(frozen=True)
class Pass:
    """One step of the order.

    Attributes:
        group: index into :data:`GROUPS`.
        index: which pass of its group.
        first, end: the group's channels.
    """

    group: int
    index: int
    first: int
    end: int

    @property
    def sees_group(self) -> bool:
        """Whether some of its own group is known already."""
        return self.index > 0

    def positions(self, height: int, width: int) -> npt.NDArray[np.bool_]:
        """Which positions it codes, bool ``[height, width]``."""
        return _masks(self.group, height, width)[self.index]

    def known(self, height: int, width: int) -> npt.NDArray[np.bool_]:
        """Positions of its group that the passes before it have coded, bool ``[height, width]``."""
        masks = _masks(self.group, height, width)
        known = np.zeros_like(masks[0])
        for mask in masks[: self.index]:
            known |= mask
        return known


def _masks(group: int, height: int, width: int) -> list[npt.NDArray[np.bool_]]:
    y, x = np.mgrid[:height, :width]
    even = (y + x) % 2 == 0
    if group == 0:
        coarse = (y % 2 == 0) & (x % 2 == 0)
        return [
            (y % 4 == 0) & (x % 4 == 0),
            (y % 4 == 2) & (x % 4 == 2),
            coarse & ((y + x) % 4 == 2),
            even & ~coarse,
            ~even,
        ]
    return [np.ones_like(even)] if group == len(GROUPS) - 1 else [even, ~even]


PASSES = tuple(
    Pass(group, index, first, end)
    for group, (first, end) in enumerate(GROUPS)
    for index in range(len(_masks(group, 1, 1)))
)
"""All passes in coding order."""
