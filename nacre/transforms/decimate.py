"""Fewer triangles for the same surface: quadric decimation, then vertices moved to fit.

Edges are collapsed where the quadrics of Garland and Heckbert (SIGGRAPH 1997) say that it costs
least, by the package fast-simplification. What is left touches the surface here and there; moving
its vertices so that samples of the original lie near it (Hoppe et al., "Mesh optimization",
SIGGRAPH 1993) gains 1 to 4 dB. None of this touches bytes: it only makes another mesh to encode.
"""

from __future__ import annotations

import importlib
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.transforms.nearest import Floats, Int64s, Tree
from nacre.transforms.surface_distance import face_normals, sample_surface

Int32s = npt.NDArray[np.int32]

AGGRESSION = 7.0
"""Of fast-simplification: how fast its threshold rises."""
_ROUNDS, _STEPS = 4, 12
"""How often samples find their place anew, and steps of conjugate gradients each time."""
_STIFF = 0.02
"""Weight of staying, against that of a vertex's mean share of the samples."""


def decimate(
    vertices: npt.NDArray[np.floating[Any]], faces: Int32s, count: int
) -> tuple[Floats, Int32s]:
    """A mesh of about ``count`` faces, float64 ``[V', 3]`` and int32 ``[F', 3]``.

    Vertices that no face uses are dropped, and so are faces that collapse.

    Args:
        vertices: finite, ``[V, 3]``.
        faces: int32 ``[F, 3]``.
        count: faces wanted, at least 1; the mesh itself comes back where it has no more.

    Raises:
        InputError: fast-simplification is not installed, or a position is not finite.
    """
    points = vertices.astype(np.float64)
    if not np.isfinite(points).all():
        raise InputError("a position is NaN or infinite; such a mesh cannot be decimated")
    if count < len(faces):
        try:
            fast_simplification: Any = importlib.import_module("fast_simplification")
        except ImportError:
            raise InputError(
                "fewer faces need the package fast-simplification: pip install 'nacre[mesh]', or "
                "pip install fast-simplification"
            ) from None
        points, faces = fast_simplification.simplify(
            points, faces, target_count=max(count, 1), agg=AGGRESSION
        )
    return compact(np.asarray(points, np.float64), np.asarray(faces, np.int32))


def compact(vertices: Floats, faces: Int32s) -> tuple[Floats, Int32s]:
    """Without faces that name a vertex twice or repeat another one, and without loose vertices."""
    a, b, c = faces[:, 0], faces[:, 1], faces[:, 2]
    kept = faces[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(kept, axis=1), axis=0, return_index=True)
    kept = kept[np.sort(first)]
    used = np.zeros(len(vertices), bool)
    used[kept] = True
    return vertices[used], (np.cumsum(used) - 1)[kept].astype(np.int32)


def fit(
    vertices: Floats, faces: Int32s, original: Tree, samples: Floats, *, rounds: int = _ROUNDS
) -> Floats:
    """Vertices moved so that the surface is nearer to the original, float64 ``[V, 3]``.

    Least squares over points of the original and their nearest points here, and over points here
    and their nearest ones on the original; each time both are found anew.

    Args:
        vertices: ``[V, 3]``.
        faces: int32 ``[F, 3]``.
        original: triangles of the original surface.
        samples: points on it, float64 ``[S, 3]``.
        rounds: how often.
    """
    points = vertices.copy()
    for turn in range(rounds):
        if not face_normals(points[faces]).any():
            return vertices
        which, shares, targets = matched(points, faces, original, samples, turn)
        points = _solve(points, faces[which], shares, targets)
    return points


def matched(
    vertices: Floats, faces: Int32s, original: Tree, samples: Floats, seed: int
) -> tuple[Int64s, Floats, Floats]:
    """Where a mesh should go: points on it, and the points of the original that they belong to.

    Samples of the original belong to their nearest points here, samples drawn here to theirs there.

    Returns:
        The triangle of each point, int64 ``[2 S]``, its shares ``[2 S, 3]`` of the triangle's
        corners, and the point of the original, ``[2 S, 3]``.
    """
    corners = vertices[faces]
    tree = Tree.of(corners)
    own = sample_surface(corners, len(samples), seed)
    _, there = tree.nearest(samples)
    _, back = tree.nearest(own)
    _, met = original.nearest(own)
    feet = _feet(own, original.corners[_places(original)[met]])
    which = np.concatenate([there, back])
    shares = shares_of(np.concatenate([samples, own]), corners[which])
    return which, shares, np.concatenate([samples, feet])


def _places(tree: Tree) -> Int64s:
    """Where each triangle stands among a tree's corners."""
    places = np.empty(len(tree.number), np.int64)
    places[tree.number] = np.arange(len(places))
    return places


def shares_of(points: Floats, corners: Floats) -> Floats:
    """Barycentric coordinates ``[P, 3]`` of the nearest point of a triangle ``[P, 3, 3]`` each."""
    shares = np.empty(points.shape)
    _fill_shares(points, corners, shares)
    return shares


def _feet(points: Floats, corners: Floats) -> Floats:
    """The nearest point of a triangle to each point."""
    feet: Floats = (shares_of(points, corners)[:, :, None] * corners).sum(axis=1)
    return feet


@numba.njit(cache=True, nogil=True)
def _fill_shares(points, corners, shares):  # type: ignore[no-untyped-def]
    for i in range(len(points)):
        p, a, b, c = points[i], corners[i, 0], corners[i, 1], corners[i, 2]
        uu, uv, vv, wu, wv = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(3):
            u, v, w = b[k] - a[k], c[k] - a[k], p[k] - a[k]
            uu, uv, vv = uu + u * u, uv + u * v, vv + v * v
            wu, wv = wu + w * u, wv + w * v
        area = uu * vv - uv * uv
        if area > 0.0:
            s, t = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
            if s >= 0.0 and t >= 0.0 and s + t <= 1.0:
                shares[i, 0], shares[i, 1], shares[i, 2] = 1.0 - s - t, s, t
                continue
        least = np.inf
        for start in range(3):
            end = (start + 1) % 3
            length, along = 0.0, 0.0
            for k in range(3):
                edge = corners[i, end, k] - corners[i, start, k]
                length += edge * edge
                along += edge * (p[k] - corners[i, start, k])
            along = min(max(along / length, 0.0), 1.0) if length > 0.0 else 0.0
            square = 0.0
            for k in range(3):
                foot = corners[i, start, k] * (1.0 - along) + corners[i, end, k] * along
                square += (p[k] - foot) * (p[k] - foot)
            if square < least:
                least = square
                shares[i, 0], shares[i, 1], shares[i, 2] = 0.0, 0.0, 0.0
                shares[i, start], shares[i, end] = 1.0 - along, along


@numba.njit(cache=True, nogil=True)
def _spread(which, shares, values, stiff, moves, sums):  # type: ignore[no-untyped-def]
    """Of values at the targets, what falls to each vertex, and of its move what holds it back."""
    for v in range(len(sums)):
        for k in range(3):
            sums[v, k] = stiff * moves[v, k]
    for i in range(len(which)):
        for corner in range(3):
            for k in range(3):
                sums[which[i, corner], k] += shares[i, corner] * values[i, k]


@numba.njit(cache=True, nogil=True)
def _gather(which, shares, moves, values):  # type: ignore[no-untyped-def]
    """Of each vertex's move, what reaches the targets."""
    for i in range(len(which)):
        for k in range(3):
            total = 0.0
            for corner in range(3):
                total += shares[i, corner] * moves[which[i, corner], k]
            values[i, k] = total


def _solve(points: Floats, which: Int32s, shares: Floats, targets: Floats) -> Floats:
    """Vertices whose shares come nearest to the targets, by conjugate gradients.

    Args:
        points: where the vertices are, ``[V, 3]``.
        which: vertices of each target's triangle, int32 ``[P, 3]``.
        shares: ``[P, 3]``.
        targets: ``[P, 3]``.
    """
    stiff = _STIFF * len(targets) / len(points)
    moves, rest, image = np.zeros_like(points), np.empty_like(points), np.empty_like(points)
    reached = np.empty_like(targets)
    _gather(which, shares, points, reached)
    _spread(which, shares, targets - reached, stiff, moves, rest)
    search, power = rest.copy(), (rest * rest).sum(axis=0)
    for _ in range(_STEPS):
        _gather(which, shares, search, reached)
        _spread(which, shares, reached, stiff, search, image)
        length = (search * image).sum(axis=0)
        step = power / np.where(length > 0, length, 1.0)
        moves += step * search
        rest -= step * image
        fresh = (rest * rest).sum(axis=0)
        search = rest + fresh / np.where(power > 0, power, 1.0) * search
        power = fresh
    moved: Floats = points + moves
    return moved
