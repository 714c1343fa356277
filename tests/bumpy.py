"""A closed mesh that several test files need."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def sphere(n: int) -> tuple[Floats, npt.NDArray[np.int32]]:
    """A bumpy sphere: an octahedron's faces cut into n^2 triangles each, welded."""
    rows = [(i, j) for i in range(n + 1) for j in range(n + 1 - i)]
    number = {place: k for k, place in enumerate(rows)}
    triangles = []
    for i, j in rows:
        if i + j < n:
            triangles.append((number[i, j], number[i + 1, j], number[i, j + 1]))
        if i + j < n - 1:
            triangles.append((number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]))
    flat = np.array([(i, j, n - i - j) for i, j in rows], np.float64)
    points, faces = [], []
    for signs in np.ndindex(2, 2, 2):
        sign = 1 - 2 * np.array(signs)
        order = [0, 1, 2] if sign.prod() > 0 else [0, 2, 1]
        faces.append(np.array(triangles)[:, order] + len(rows) * len(points))
        points.append(flat * sign)
    every, inverse = np.unique(np.concatenate(points), axis=0, return_inverse=True)
    unit = every / np.linalg.norm(every, axis=1)[:, None]
    bumps = 1 + 0.1 * np.sin(4 * unit[:, :1]) * np.cos(3 * unit[:, 1:2])
    return unit * bumps, inverse.ravel()[np.concatenate(faces)].astype(np.int32)
