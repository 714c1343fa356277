"""Small surfaces for tests, made by code."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.surface import Surface, opposite_corners, surface_of

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


def renumbered(triangles: npt.ArrayLike, vertices: int) -> tuple[Surface, Int64s]:
    """A surface whose vertices are numbered by first use; entry ``i`` is old vertex ``i``."""
    faces = np.asarray(triangles, dtype=np.int64)
    _, first = np.unique(faces.ravel(), return_index=True)
    used = faces.ravel()[np.sort(first)]
    old = np.concatenate([used, np.setdiff1d(np.arange(vertices), used)])
    new = np.empty(vertices, dtype=np.int64)
    new[old] = np.arange(vertices)
    return surface_of(new[faces].astype(np.int32), vertices), old


def grid_triangles(width: int, height: int) -> Int32s:
    """Two triangles for each square of a grid."""
    corner = (np.arange(height - 1)[:, None] * width + np.arange(width - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + width], axis=1)
    upper = np.stack([corner + 1, corner + width + 1, corner + width], axis=1)
    return np.concatenate([lower, upper]).astype(np.int32)


def bumpy_grid(width: int, height: int, scale: float) -> tuple[Surface, Int64s]:
    """A height field with a few waves; sides of ``scale`` lattice steps."""
    y, x = np.mgrid[:height, :width]
    z = 0.1 * np.sin(7 * x / width) * np.cos(5 * y / height)
    points = np.stack([x / width, y / height, z], axis=-1).reshape(-1, 3)
    surface, old = renumbered(grid_triangles(width, height), width * height)
    return surface, np.rint(points[old] * scale).astype(np.int64)


def sphere(subdivisions: int, scale: float) -> tuple[Surface, Int64s]:
    """An icosphere of a radius of ``scale`` lattice steps."""
    import trimesh

    mesh = trimesh.creation.icosphere(subdivisions)
    surface, old = renumbered(mesh.faces, len(mesh.vertices))
    return surface, np.rint(mesh.vertices[old] * scale).astype(np.int64)


def with_holes(width: int, height: int, keep: npt.NDArray[np.bool_]) -> Surface:
    """A grid without some of its triangles; vertices at which fans part are copied."""
    triangles = grid_triangles(width, height)
    triangles = triangles[keep[: len(triangles)]]
    opposite = opposite_corners(triangles)
    flat, fan = triangles.ravel(), np.arange(triangles.size)
    changed = True
    while changed:
        # Corners that meet across an edge belong to one fan.
        joined = fan.copy()
        for corner in np.flatnonzero(opposite >= 0):
            beyond = opposite[corner]
            for turn in (1, 2):
                here = corner - corner % 3 + (corner + turn) % 3
                there = beyond - beyond % 3 + (beyond + 3 - turn) % 3
                joined[here] = joined[there] = min(joined[here], joined[there])
        changed = not np.array_equal(joined, fan)
        fan = joined
    _, first, copies = np.unique(fan, return_index=True, return_inverse=True)
    _, names = np.unique(flat, return_inverse=True)
    used = int(names.max(initial=-1)) + 1
    vertex = names[first].astype(np.int32)
    return Surface(copies.reshape(-1, 3).astype(np.int32), opposite, vertex, used, used + 2)
