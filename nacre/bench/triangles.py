"""Meshes as the benchmark sees them: positions and triangles, in one order that all codecs share.

Codecs reorder vertices and faces, so that what comes back is compared as a set of oriented
triangles in space: each is three points, read from the least of them on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.media.detect import MESHES, medium_of
from nacre.media.mesh import load_mesh

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Triangles:
    """A mesh without attributes.

    Attributes:
        vertices: positions, float32 ``[V, 3]``.
        faces: numbers of vertices, int32 ``[F, 3]``; every vertex occurs.
    """

    vertices: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]

    @property
    def corners(self) -> Floats:
        """Positions of each face's corners, float64 ``[F, 3, 3]``."""
        return self.vertices.astype(np.float64)[self.faces]


def is_mesh_file(path: Path) -> bool:
    """Whether a file holds a mesh; a PLY file may hold splats."""
    return path.suffix.lower() in MESHES and medium_of(path) == "mesh"


def load_triangles(path: Path) -> Triangles:
    """All meshes of a file together, welded, isolated vertices dropped: see :func:`welded`.

    Raises:
        InputError: it cannot be read, or holds no face.
    """
    mesh = load_mesh(path).flattened()
    if not len(mesh.faces):
        raise InputError(f"{path}: no faces; the benchmark of meshes needs some")
    return welded(mesh.vertices, mesh.faces)


def triangles_of(scene: Any) -> Triangles:
    """The only mesh of a :class:`nacre.Scene`, as it is."""
    vertices, faces = scene.numpy()
    return Triangles(np.asarray(vertices, dtype=np.float32), faces)


def welded(
    vertices: npt.NDArray[np.floating[Any]], faces: npt.NDArray[np.integer[Any]]
) -> Triangles:
    """Vertices with the same bits made one, those in no face dropped, the order kept.

    Draco's encoder merges equal positions first, so that codecs would not get the same mesh if
    it were not done for all of them.

    Args:
        vertices: any float ``[V, 3]``, rounded to float32.
        faces: ``[F, 3]``.

    Raises:
        InputError: a face names a vertex that is not there, or a position is not finite.
    """
    points = np.ascontiguousarray(vertices, dtype=np.float32)
    if len(faces) and not (faces.min() >= 0 and faces.max() < len(points)):
        raise InputError(f"a face names a vertex that is not among the {len(points)}")
    _, first, inverse = np.unique(
        points.view(np.uint32), axis=0, return_index=True, return_inverse=True
    )
    merged = first[inverse.ravel()][faces]
    used = np.zeros(len(points), dtype=bool)
    used[merged] = True
    if not np.isfinite(points[used]).all():
        raise InputError("a position is not finite; the benchmark's distances need finite ones")
    return Triangles(points[used], (np.cumsum(used) - 1)[merged].astype(np.int32))


def same_order(original: Triangles, decoded: Triangles) -> tuple[Int64s, Int64s] | None:
    """Orders of both meshes' faces, and turns, that make them the same triangles, bit by bit.

    Args:
        original: what is expected, positions as the codec should give them back.
        decoded: what came back, in any order of vertices, faces and corners (rotated, not turned
            over), with any merging and splitting of vertices of equal position.

    Returns:
        Corners of ``original`` and of ``decoded``, numbers ``3 f + k`` as int64 ``[F, 3]``, that
        have the same positions; None when the meshes are not the same.
    """
    if len(original.faces) != len(decoded.faces):
        return None
    ranked = []
    for mesh in (original, decoded):
        keys = _bits(mesh.vertices)[mesh.faces].reshape(len(mesh.faces), 9)
        start = _least_corner(keys)
        turn = (start[:, None] + np.arange(3)) % 3
        corners = 3 * np.arange(len(keys))[:, None] + turn
        turned = keys.reshape(-1, 3)[corners].reshape(-1, 9)
        order = np.lexsort(turned.T[::-1])
        ranked.append((corners[order], turned[order]))
    (left, expected), (right, found) = ranked
    return (left, right) if np.array_equal(expected, found) else None


def _bits(vertices: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """Bits of float32 as whole numbers, so that -0 stays apart from 0."""
    return np.ascontiguousarray(vertices).view(np.uint32)


def _least_corner(keys: npt.NDArray[np.uint32]) -> Int64s:
    """The rotation, 0 to 2, that makes each row ``[F, 9]`` least."""
    best = keys.copy()
    start = np.zeros(len(keys), dtype=np.int64)
    for turn in (1, 2):
        other = np.roll(keys, -3 * turn, axis=1)
        place = (other != best).argmax(axis=1)
        rows = np.arange(len(keys))
        less = other[rows, place] < best[rows, place]
        best[less] = other[less]
        start[less] = turn
    return start


def same_corners(original: Triangles, decoded: Triangles, pair: tuple[Int64s, Int64s]) -> Floats:
    """Positions of matching corners, float64 ``[2, F, 3, 3]``: the original's and the decoded's."""
    left, right = pair
    flat = [mesh.vertices[mesh.faces.ravel()].astype(np.float64) for mesh in (original, decoded)]
    return np.stack([flat[0][left], flat[1][right]])
