"""What a surface carries, on another mesh of it: texture coordinates, colours and others.

Values of corners jump at seams. Faces of the old mesh that share values are a chart; a face of the
new mesh belongs to the chart below its centre, and each of its corners takes the value at the
nearest point of that chart, so that no triangle spans two places of a texture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.transforms.decimate import shares_of
from nacre.transforms.nearest import Floats, Int64s, Tree

Values = npt.NDArray[Any]
Int32s = npt.NDArray[np.int32]

BLENDED = ("uv", "color", "normal")
"""Kinds that are interpolated. Others, such as numbers of bones and their weights, belong together
and are taken from the nearest corner."""


@dataclass(frozen=True, eq=False)
class Source:
    """A surface that carries something.

    Attributes:
        tree: its triangles.
        corners: the same in their order, float64 ``[F, 3, 3]``.
        faces: their vertices, int32 ``[F, 3]``.
    """

    tree: Tree
    corners: Floats
    faces: Int32s

    @classmethod
    def of(cls, vertices: npt.NDArray[np.floating[Any]], faces: Int32s) -> Source:
        """The surface of vertices ``[V, 3]`` and faces, at least one."""
        corners = vertices.astype(np.float64)[faces]
        return cls(Tree.of(corners), corners, faces)


def of_vertices(source: Source, values: Values, kind: str, points: Floats) -> Values:
    """Values ``[P, K]`` at the points of a surface nearest to ``points``.

    Args:
        source: the surface.
        values: of its vertices, ``[V, K]``.
        kind: of the attribute; see :data:`BLENDED`.
        points: float64 ``[P, 3]``.
    """
    _, met = source.tree.nearest(points)
    return _blend(values, source.faces[met], shares_of(points, source.corners[met]), kind)


def of_corners(
    source: Source, values: Values, index: Int32s, kind: str, vertices: Floats, faces: Int32s
) -> tuple[Values, Int32s]:
    """Values ``[m, K]`` and, for each corner of a new mesh, which of them it has; -1: none.

    Args:
        source: the old surface.
        values: ``[n, K]``.
        index: of each old corner, int32 ``[F, 3]``; -1: it has none.
        kind: of the attribute; see :data:`BLENDED`.
        vertices: of the new mesh, float64 ``[V', 3]``.
        faces: of the new mesh, int32 ``[F', 3]``.
    """
    labels = charts(source.faces, index)
    _, below = source.tree.nearest(vertices[faces].mean(axis=1))
    most = len(labels) + 1
    wanted = faces.astype(np.int64) * most + labels[below][:, None] + 1
    pairs, place = np.unique(wanted, return_inverse=True)
    there = pairs % most > 0
    vertex, label = pairs[there] // most, pairs[there] % most - 1
    points = vertices[vertex]
    _, met = source.tree.nearest(points, labels, label)
    found = _blend(values, index[met], shares_of(points, source.corners[met]), kind)
    number = np.where(there, np.cumsum(there) - 1, -1)
    return found, number[place].reshape(-1, 3).astype(np.int32)


def charts(faces: Int32s, index: Int32s) -> Int64s:
    """The chart of each face, int64 ``[F]``, named by one of its faces; -1: a corner has no value.

    Faces are of one chart if a vertex of both has one value in both, or others join them.

    Args:
        faces: int32 ``[F, 3]``.
        index: the value of each corner, int32 ``[F, 3]``; -1: it has none.
    """
    known = (index >= 0).all(axis=1)
    keys = faces.astype(np.int64) * (int(index.max(initial=0)) + 2) + index + 1
    numbers, place = np.unique(keys, return_inverse=True)
    place = place.reshape(-1, 3)[known]
    label: Int64s = np.arange(int(known.sum()))
    while True:
        least = np.full(len(numbers), len(label))
        np.minimum.at(least, place.ravel(), np.repeat(label, 3))
        found = least[place].min(axis=1, initial=len(label))
        np.minimum.at(found, label, found.copy())  # where a chart is named, all of it hears
        found = found[found]
        if np.array_equal(found, label):
            break
        label = found
    named = np.full(len(faces), -1, np.int64)
    named[known] = np.flatnonzero(known)[label]
    return named


def _blend(values: Values, rows: Int32s, shares: Floats, kind: str) -> Values:
    """Values of triangles' corners ``rows`` ``[P, 3]``, mixed by ``shares`` or of the nearest."""
    nearest: Values = values[rows[np.arange(len(rows)), shares.argmax(axis=1)]]
    whole = values.dtype.kind in "iu"
    if kind not in BLENDED or (whole and kind != "color"):
        return nearest
    with np.errstate(invalid="ignore", over="ignore"):
        mixed = (shares[:, :, None] * values[rows].astype(np.float64)).sum(axis=1)
        if kind == "normal":
            mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        usable = np.isfinite(mixed).all(axis=1)
        mixed[~usable] = nearest[~usable]
        found: Values = (np.rint(mixed) if whole else mixed).astype(values.dtype)
    return found
