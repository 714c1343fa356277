"""Pictures of meshes and splats in software: a z-buffer, and blended discs.

No display, no driver: arrays in, 8-bit pixels out. ``scripts/render.py`` makes sheets of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from nacre.transforms.surface_distance import face_normals

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
Surface = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Vertices ``[V, 3]`` and faces ``[F, 3]``."""

SIZE = 480
OVERSAMPLING = 2
"""Samples a pixel along each axis."""
FRONT, BACK = np.array([0.80, 0.78, 0.74]), np.array([0.72, 0.36, 0.34])
"""Colours of faces seen from outside, and from inside, which shows what is turned over."""
UPS = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        eye: where it is, ``[3]``.
        axes: right, up and backwards, rows of ``[3, 3]``.
        focal: in halves of the picture's side.
    """

    eye: Floats
    axes: Floats
    focal: float = 2.7

    @classmethod
    def around(
        cls, points: npt.NDArray[Any], *, azimuth: float = 30, elevation: float = 20, up: str = "y"
    ) -> Camera:
        """One that sees all of ``points`` ``[N, 3]``; angles in degrees, ``up`` such as ``-z``."""
        points = points[np.isfinite(points).all(axis=1)].astype(np.float64)
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        radius = float(np.linalg.norm(points - middle, axis=1).max()) or 1.0
        top = np.array(UPS[up.removeprefix("-")], float) * (-1 if up.startswith("-") else 1)
        side = np.roll(top, -1)
        front = np.cross(side, top)
        turn, rise = np.radians(azimuth), np.radians(elevation)
        back = np.cos(rise) * (np.cos(turn) * front + np.sin(turn) * side) + np.sin(rise) * top
        right = np.cross(top, back)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(back, right), back])
        # The ball around all points touches the frame.
        return cls(middle + back * radius * np.sqrt(1 + cls.focal**2), axes)

    def project(self, points: npt.NDArray[Any], side: int) -> Floats:
        """Column, row and depth of points, float64 ``[N, 3]``, in a picture of ``side`` pixels."""
        seen = (points.astype(np.float64) - self.eye) @ self.axes.T
        depth = -seen[:, 2]
        scale = self.focal * side / 2 / np.where(depth > 0, depth, np.nan)
        columns, rows = side / 2 + seen[:, 0] * scale, side / 2 - seen[:, 1] * scale
        return np.stack([columns, rows, depth], axis=1)


@numba.njit(cache=True)
def _rasterize(points, faces, nearness, which, weights):  # type: ignore[no-untyped-def]
    """The nearest face of each sample and where in it: a z-buffer of 1 / depth."""
    height, width = which.shape
    for f in range(len(faces)):
        a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if not (abs(area) > 0.0 and min(a[2], b[2], c[2]) > 0.0):
            continue
        left = int(max(0.0, np.floor(min(a[0], b[0], c[0]))))
        right = int(min(width - 1.0, np.ceil(max(a[0], b[0], c[0]))))
        top = int(max(0.0, np.floor(min(a[1], b[1], c[1]))))
        bottom = int(min(height - 1.0, np.ceil(max(a[1], b[1], c[1]))))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5, y + 0.5
                u = ((px - a[0]) * (c[1] - a[1]) - (py - a[1]) * (c[0] - a[0])) / area
                v = ((b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])) / area
                if u < 0.0 or v < 0.0 or u + v > 1.0:
                    continue
                wa, wb, wc = (1.0 - u - v) / a[2], u / b[2], v / c[2]
                near = wa + wb + wc
                if near > nearness[y, x]:
                    nearness[y, x], which[y, x] = near, f
                    weights[y, x, 0], weights[y, x, 1] = wb / near, wc / near


def render_mesh(
    surface: Surface,
    camera: Camera,
    *,
    size: int = SIZE,
    smooth: bool = False,
    colours: npt.NDArray[Any] | None = None,
) -> Pixels:
    """A shaded picture, uint8 ``[size, size, 3]``.

    Args:
        surface: vertices ``[V, 3]`` and faces ``[F, 3]``.
        camera: who looks.
        size: pixels of a side.
        smooth: normals of vertices in place of those of faces.
        colours: of vertices, floats 0 to 1 ``[V, 3]``; None is a grey, red from inside.
    """
    vertices, faces = surface[0].astype(np.float64), np.asarray(surface[1], dtype=np.int64)
    side = size * OVERSAMPLING
    nearness, which = np.zeros((side, side)), np.full((side, side), -1)
    weights = np.zeros((side, side, 2))
    _rasterize(camera.project(vertices, side), faces, nearness, which, weights)
    seen = which >= 0
    chosen, (second, third) = which[seen], weights[seen].T[..., None]

    def blend(values: Floats) -> Floats:
        a, b, c = (values[faces[chosen, k]] for k in range(3))
        blended: Floats = a + second * (b - a) + third * (c - a)
        return blended

    normals = _unit(face_normals(vertices[faces]))
    facing = (normals[chosen] * (camera.eye - blend(vertices))).sum(axis=1) > 0
    normal = _unit(blend(vertex_normals(vertices, faces))) if smooth else normals[chosen]
    normal = np.where(facing[:, None], normal, -normal)
    base = np.where(facing[:, None], FRONT, BACK) if colours is None else blend(colours)
    picture = np.ones((side, side, 3))
    picture[seen] = base * _light(normal @ camera.axes.T)[:, None]
    return _downsampled(picture)


def _light(normals: Floats) -> Floats:
    """How bright surfaces are, from normals ``[P, 3]`` in the camera's axes."""
    key, fill = _unit(np.array([[-0.5, 0.7, 0.8], [0.8, -0.1, 0.5]]))
    lit: Floats = 0.32 + 0.7 * (normals @ key).clip(0) + 0.25 * (normals @ fill).clip(0)
    return lit.clip(max=1.2)


def vertex_normals(vertices: Floats, faces: npt.NDArray[Any]) -> Floats:
    """Unit normals of vertices ``[V, 3]``, means of their faces' by area."""
    normals, total = face_normals(vertices[faces]), np.zeros((len(vertices), 3))
    for k in range(3):
        np.add.at(total, faces[:, k], normals)
    return _unit(total)


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.where(length > 0, length, 1)
    return unit


def _to_pixels(picture: Floats) -> Pixels:
    """From 0 to 1 to 8 bits."""
    pixels: Pixels = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
    return pixels


def _downsampled(picture: Floats) -> Pixels:
    """Means of the samples of each pixel, 8-bit."""
    side = len(picture) // OVERSAMPLING
    blocks = picture.reshape(side, OVERSAMPLING, side, OVERSAMPLING, 3).mean(axis=(1, 3))
    return _to_pixels(blocks)


@numba.njit(cache=True)
def _blend(places, conics, colours, alphas, reach, picture, clear):  # type: ignore[no-untyped-def]
    """Gaussian discs, nearest first, over each other until nothing behind them is seen."""
    height, width = clear.shape
    for i in range(len(places)):
        x0, y0 = places[i, 0], places[i, 1]
        left, right = int(max(0.0, x0 - reach[i])), int(min(width - 1.0, x0 + reach[i]))
        top, bottom = int(max(0.0, y0 - reach[i])), int(min(height - 1.0, y0 + reach[i]))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                if clear[y, x] < 1e-3:
                    continue
                dx, dy = x + 0.5 - x0, y + 0.5 - y0
                power = conics[i, 0] * dx * dx + conics[i, 2] * dy * dy
                power = -0.5 * power - conics[i, 1] * dx * dy
                alpha = min(0.99, alphas[i] * np.exp(min(power, 0.0)))
                if alpha < 1.0 / 255.0:
                    continue
                for k in range(3):
                    picture[y, x, k] += clear[y, x] * alpha * colours[i, k]
                clear[y, x] *= 1.0 - alpha


def render_splats(
    positions: npt.NDArray[Any],
    scales: npt.NDArray[Any],
    rotations: npt.NDArray[Any],
    alphas: npt.NDArray[Any],
    colours: npt.NDArray[Any],
    camera: Camera,
    *,
    size: int = SIZE,
) -> Pixels:
    """Splats over white, uint8 ``[size, size, 3]`` (Kerbl et al. 2023, section 4; Zwicker 2002).

    Args:
        positions: ``[N, 3]``.
        scales: lengths of the axes, not their logarithms, ``[N, 3]``.
        rotations: quaternions wxyz, of any length but 0, ``[N, 4]``.
        alphas: 0 to 1, ``[N]``.
        colours: 0 to 1, ``[N, 3]``.
        camera: who looks.
        size: pixels of a side.
    """
    projected = camera.project(positions, size)
    shown = np.flatnonzero(np.isfinite(projected).all(axis=1) & (alphas > 1 / 255))
    shown = shown[np.argsort(projected[shown, 2], kind="stable")]
    seen = (positions[shown].astype(np.float64) - camera.eye) @ camera.axes.T
    focal, depth = camera.focal * size / 2, -seen[:, 2]
    jacobian = np.zeros((len(shown), 2, 3))
    jacobian[:, 0, 0], jacobian[:, 1, 1] = focal / depth, -focal / depth
    jacobian[:, 0, 2] = focal * seen[:, 0] / depth**2
    jacobian[:, 1, 2] = -focal * seen[:, 1] / depth**2
    axes = rotation_matrices(rotations[shown]) * scales[shown].astype(np.float64)[:, None]
    flat = jacobian @ (camera.axes @ axes)
    covariance = flat @ flat.transpose(0, 2, 1) + 0.3 * np.eye(2)
    xx, xy, yy = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]
    conics = np.stack([yy, -xy, xx], axis=1) / (xx * yy - xy * xy)[:, None]
    spread = (xx + yy) / 2 + np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    picture, clear = np.zeros((size, size, 3)), np.ones((size, size))
    _blend(
        projected[shown, :2], conics, colours[shown].astype(np.float64).clip(0),
        alphas[shown].astype(np.float64), 3 * np.sqrt(spread), picture, clear,
    )  # fmt: skip
    return _to_pixels(picture + clear[..., None])


def rotation_matrices(rotations: npt.NDArray[Any]) -> Floats:
    """Of quaternions wxyz ``[N, 4]``, float64 ``[N, 3, 3]``."""
    w, x, y, z = _unit(rotations.astype(np.float64)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
