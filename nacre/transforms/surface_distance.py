"""How far surfaces are from each other, measured again and again against one of them.

Samples are drawn once on the original; each candidate is measured from them to it, and from samples
of its own back to the original (Cignoni et al. 1998, Metro; Aspert et al. 2002, MESH). Distances to
the nearest point are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nacre.errors import InputError
from nacre.transforms.nearest import Floats, Tree

SAMPLES = 30_000
"""Of each surface: the noise of a mean is below a per cent of it."""


@dataclass(frozen=True, eq=False)
class Original:
    """A surface that others are measured against.

    Attributes:
        tree: its triangles.
        samples: points on it, float64 ``[S, 3]``.
        diagonal: of its box; 1 where that is 0.
    """

    tree: Tree
    samples: Floats
    diagonal: float

    @classmethod
    def of(cls, corners: Floats, *, samples: int = SAMPLES, seed: int = 0) -> Original:
        """Of triangles ``[F, 3, 3]``.

        Raises:
            InputError: there is none, or a position is not finite.
        """
        _check(corners)
        points = sample_surface(corners, samples, seed)
        return cls(Tree.of(corners), points, box_diagonal(corners) or 1.0)

    def psnr_db(self, corners: Floats, *, seed: int = 0) -> float:
        """``20 log10(diagonal / rms)`` of triangles ``[F, 3, 3]``, rms the larger of both ways'.

        Raises:
            InputError: there is none, or a position is not finite.
        """
        _check(corners)
        there, _ = Tree.of(corners).nearest(self.samples)
        back, _ = self.tree.nearest(sample_surface(corners, len(self.samples), seed))
        square = max(float((there**2).mean()), float((back**2).mean()))
        return 20 * math.log10(self.diagonal / math.sqrt(square)) if square else math.inf


def box_diagonal(points: Floats) -> float:
    """The diagonal of the smallest box, along the axes, that holds points ``[..., 3]``."""
    flat = points.reshape(-1, 3)
    return float(np.linalg.norm(flat.max(axis=0) - flat.min(axis=0)))


def face_normals(corners: Floats) -> Floats:
    """Normals of triangles ``[F, 3, 3]``, twice the area long, float64 ``[F, 3]``."""
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def sample_surface(corners: Floats, count: int, seed: int) -> Floats:
    """Points on triangles ``[F, 3, 3]``, uniform in area, float64 ``[count, 3]``.

    The area is cut into ``count`` equal strips with a point in each (stratified), which halves the
    noise of a mean. Where all triangles are lines or points, they are drawn evenly.
    """
    random = np.random.default_rng(seed)
    areas = np.linalg.norm(face_normals(corners), axis=1)
    ends = np.cumsum(areas if areas.any() else np.ones(len(areas)))
    at = (np.arange(count) + random.random(count)) / count * ends[-1]
    which = np.minimum(np.searchsorted(ends, at, side="right"), len(corners) - 1)
    root, along = np.sqrt(random.random((count, 1))), random.random((count, 1))
    a, b, c = np.moveaxis(corners[which], 1, 0)
    points: Floats = (1 - root) * a + root * (1 - along) * b + root * along * c
    return points


def _check(corners: Floats) -> None:
    if not len(corners):
        raise InputError("a mesh without faces has no surface to measure")
    if not np.isfinite(corners).all():
        raise InputError("a position is not finite")
