"""Distances between meshes, and between clouds of points.

All functions are pure. Distances of surfaces are taken from samples of a fixed seed to the nearest
point of the other surface, which is found exactly; both ways, because one way misses what is gone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nacre.bench.triangles import Triangles
from nacre.errors import InputError
from nacre.transforms.nearest import Floats, Int64s, Tree
from nacre.transforms.surface_distance import SAMPLES, face_normals
from nacre.transforms.surface_distance import box_diagonal as box_diagonal
from nacre.transforms.surface_distance import sample_surface as sample_surface


def bits_per_item(size_bytes: int, count: int) -> float:
    """Bits of file per vertex, face or splat."""
    return 8 * size_bytes / count


@dataclass(frozen=True)
class SurfaceDistance:
    """How far two surfaces are from each other, in per cent of the original's box diagonal.

    Attributes:
        mean: the larger of both ways' means.
        rms: the larger of both ways' root mean squares.
        hausdorff: the largest distance found, of either way; vertices are looked at as well.
        psnr_db: ``20 log10(100 / rms)``: the peak is the box diagonal; infinite at 0.
    """

    mean: float
    rms: float
    hausdorff: float
    psnr_db: float


def surface_distance(
    original: Triangles, decoded: Triangles, *, samples: int = SAMPLES, seed: int = 0
) -> SurfaceDistance:
    """Distance of two surfaces by sampling (Cignoni et al. 1998, Metro; Aspert et al. 2002, MESH).

    Args:
        original, decoded: at least one face each, of any connectivity.
        samples: points drawn on each surface, uniform in its area.
        seed: of the draw.

    Raises:
        InputError: a mesh has no face, or a position is not finite.
    """
    ways = []
    for source, other in ((original, decoded), (decoded, original)):
        corners, targets = _checked(source), _checked(other)
        tree = Tree.of(targets)
        inside, _ = tree.nearest(sample_surface(corners, samples, seed))
        at_vertices, _ = tree.nearest(source.vertices.astype(np.float64))
        worst = max(inside.max(), at_vertices.max(initial=0.0))
        ways.append((inside.mean(), math.sqrt((inside**2).mean()), worst))
    diagonal = box_diagonal(original.corners) or 1.0
    mean, rms, worst = (100 * float(max(pair)) / diagonal for pair in zip(*ways, strict=True))
    return SurfaceDistance(mean, rms, worst, 20 * math.log10(100 / rms) if rms else math.inf)


def vertex_normals(mesh: Triangles) -> Floats:
    """Sums of the normals of each vertex's faces, so weighted by area, float64 ``[V, 3]``."""
    normals = face_normals(mesh.corners)
    total = np.zeros((len(mesh.vertices), 3))
    for k in range(3):
        np.add.at(total, mesh.faces[:, k], normals)
    return total


@dataclass(frozen=True)
class CloudDistance:
    """MPEG's distances of two clouds of points.

    Attributes:
        d1_psnr_db: point to point; infinite when equal.
        d2_psnr_db: point to plane: the error along the original's normals.
        peak: of both, in the unit of the positions.
    """

    d1_psnr_db: float
    d2_psnr_db: float
    peak: float


def cloud_distance(
    original: Floats, decoded: Floats, normals: Floats, *, peak: float
) -> CloudDistance:
    """D1 and D2 PSNR as MPEG's ``pc_error`` defines them (Tian et al. 2017).

    ``10 log10(3 peak^2 / MSE)`` with the larger mean squared error of both ways, each from every
    point to its nearest one. The decoded cloud's normals are means of the original's: of those
    whose nearest point it is, else the nearest one's.

    Args:
        original, decoded: positions, float64 ``[N, 3]`` and ``[M, 3]``, at least one each.
        normals: of the original's points, any length, float64 ``[N, 3]``.
        peak: ``2^q - 1`` for clouds on a grid of q bits, else what a report states, such as the
            diagonal of the box; values of different peaks do not compare.

    Raises:
        InputError: a cloud is empty, a number is not finite, or the peak is not above 0.
    """
    if not (len(original) and len(decoded) and peak > 0 and len(normals) == len(original)):
        raise InputError(
            f"{len(original)} points, {len(normals)} normals, {len(decoded)} decoded points and a "
            f"peak of {peak}: none may be empty, nor the peak 0"
        )
    if not all(np.isfinite(values).all() for values in (original, decoded, normals)):
        raise InputError("a position or normal is not finite")
    own = _unit(normals)
    forth, to_decoded = _nearest_points(original, decoded)
    back, to_original = _nearest_points(decoded, original)
    sums = np.zeros_like(decoded)
    np.add.at(sums, to_decoded, own)
    counts = np.bincount(to_decoded, minlength=len(decoded))
    # pc_error divides by the count and does not normalise again.
    theirs = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], own[to_original])
    d1 = max((forth**2).sum(axis=1).mean(), (back**2).sum(axis=1).mean())
    d2 = max(
        ((forth * theirs[to_decoded]).sum(axis=1) ** 2).mean(),
        ((back * own[to_original]).sum(axis=1) ** 2).mean(),
    )
    return CloudDistance(_psnr(d1, peak), _psnr(d2, peak), peak)


def _nearest_points(points: Floats, others: Floats) -> tuple[Floats, Int64s]:
    """From the nearest of ``others`` to each point, float64 ``[P, 3]``, and which that is."""
    _, which = Tree.of(np.repeat(others[:, None], 3, axis=1)).nearest(points)
    return points - others[which], which


def _psnr(mse: float, peak: float) -> float:
    return 10 * math.log10(3 * peak**2 / mse) if mse else math.inf


def _unit(vectors: Floats) -> Floats:
    """Vectors ``[N, 3]`` of length 1; those of length 0 stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.where(length > 0, length, 1)
    return unit


@dataclass(frozen=True)
class NormalDeviation:
    """How far corresponding faces are turned.

    Attributes:
        mean_degrees: over the faces that have a normal in both meshes.
        flipped: of these, those turned by more than 90 degrees.
        collapsed: faces that had an area and have none.
    """

    mean_degrees: float
    flipped: int
    collapsed: int


def normal_deviation(original: Floats, decoded: Floats) -> NormalDeviation:
    """Angles between the normals of corresponding faces.

    Args:
        original, decoded: corners of the same faces in the same order, float64 ``[F, 3, 3]``.

    Raises:
        InputError: the meshes do not have the same number of faces.
    """
    if original.shape != decoded.shape:
        raise InputError(f"{len(original)} faces and {len(decoded)}: they do not correspond")
    before, after = face_normals(original), face_normals(decoded)
    had, has = before.any(axis=1), after.any(axis=1)
    both = had & has
    cosine = (_unit(before[both]) * _unit(after[both])).sum(axis=1)
    sine = np.linalg.norm(np.cross(_unit(before[both]), _unit(after[both])), axis=1)
    # Of both, because the cosine alone loses small angles.
    angles = np.degrees(np.arctan2(sine, cosine))
    mean = float(angles.mean()) if len(angles) else 0.0
    return NormalDeviation(mean, int((angles > 90).sum()), int((had & ~has).sum()))


def _checked(mesh: Triangles) -> Floats:
    corners = mesh.corners
    if not len(corners):
        raise InputError("a mesh without faces has no surface to measure")
    if not np.isfinite(corners).all():
        raise InputError("a position is not finite")
    return corners
