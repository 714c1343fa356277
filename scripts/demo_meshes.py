"""Meshes and splats of ``make demo``: on a grid beside Draco, and without loss."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import nacre
from demo_rows import Panel, Pixels, Shown, coded, sheet_of
from nacre.bench.mesh_metrics import surface_distance
from nacre.bench.mesh_peers import MESH_PEERS
from nacre.bench.rendering import Camera, Surface, render_mesh
from nacre.bench.triangles import Triangles, load_triangles, triangles_of
from nacre.errors import InputError
from nacre.media.splat import load_splats
from render import compare_splats

CODEC, SPLATS = "circuit-mesh", "circuit-splat"
BITS = 11
SAMPLES = 10_000
"""Points of each surface between which distances are measured."""
SIZE = 800
"""Pixels of a side of what is rendered; a sheet shows them smaller, and so smooth."""
NEAR = 1500
"""Vertices in the ball around the detail, or a quarter of all."""
TINTS = np.array([[0.30, 0.46, 0.47], [0.60, 0.67, 0.52], [0.87, 0.76, 0.56], [0.98, 0.95, 0.90]])
"""Colours of heights, from the lowest to the highest point."""
OBLIQUE: dict[str, Any] = {"azimuth": 35, "elevation": 20}
ABOVE: dict[str, Any] = {"azimuth": 0, "elevation": 30}
"""Views of things, and of landscapes."""

TERRAIN = "mpl-data/sample_data/jacksboro_fault_dem.npz"
"""Heights of the Jacksboro fault in Tennessee, in metres, 344 x 403; matplotlib carries them."""
METRES_PER_DEGREE = 111_320
HEIGHT_SCALE = 4
"""Hills are drawn so many times as high as they are, or 800 metres of 32 kilometres look flat."""


def write_terrain(out: Path) -> list[Path]:
    """``terrain.ply`` from the heights that matplotlib carries; nothing where it is not."""
    spec = importlib.util.find_spec("matplotlib")
    path = Path(spec.origin or "").parent / TERRAIN if spec is not None else Path(TERRAIN)
    if not path.is_file():
        return []
    with np.load(path) as heights:
        scene = nacre.load_mesh(terrain(heights))
    scene.save(out / "terrain.ply", force=True)
    return [out / "terrain.ply"]


def terrain(heights: Any) -> Surface:
    """Vertices ``[V, 3]`` in metres, y up, and two triangles for each four neighbours."""
    elevation = heights["elevation"].astype(np.float64) * HEIGHT_SCALE
    north = float(heights["dy"]) * METRES_PER_DEGREE
    middle = np.radians((float(heights["ymin"]) + float(heights["ymax"])) / 2)
    east = float(heights["dx"]) * METRES_PER_DEGREE * np.cos(middle)
    rows, columns = np.mgrid[: elevation.shape[0], : elevation.shape[1]]
    points = np.stack([columns * east, elevation, rows * north], axis=-1)
    number = np.arange(elevation.size).reshape(elevation.shape)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    faces = np.stack([a, c, b, b, c, d], axis=-1).reshape(-1, 3)
    return points.reshape(-1, 3).astype(np.float32), faces.astype(np.int32)


def show(path: Path, out: Path) -> Shown:
    """A mesh in files and in a picture, in ``out``.

    Raises:
        InputError: it cannot be read, or holds no face.
    """
    original = load_triangles(path)
    item = original.vertices, original.faces
    nacre.decode(nacre.encode(_tetrahedron(), codec=CODEC))  # models and compiled code
    made = coded(nacre.load_mesh(item), out / f"{path.stem}-b{BITS}.ncr", CODEC, bits=BITS)
    ours = triangles_of(made.decoded)
    psnr = surface_distance(original, ours, samples=SAMPLES).psnr_db
    quality = f"{psnr:.1f} dB" if np.isfinite(psnr) else "exact"
    row = made.row(f"{CODEC} b{BITS}", quality, _draco(original))
    words = f"{len(made.data):,} bytes, {quality}"
    words += f"; Draco, same grid: {row.peer_bytes:,}" if row.peer else ""
    columns = [
        ("original", f"{_raw_bytes(original):,} bytes of floats and indices", original),
        (f"nacre, {BITS} bits", words, ours),
    ]
    draw(columns).save(out / f"{path.stem}.png")
    return Shown(path.name, _raw_bytes(original), (row,))


def show_splats(path: Path, out: Path) -> Shown:
    """Gaussian splats in a file and in a picture, in ``out``.

    Raises:
        InputError: they cannot be read.
    """
    original, size = load_splats(path), path.stat().st_size
    made = coded(original, out / f"{path.stem}-splats.ncr", SPLATS)
    quality = "exact" if original.quantized is not None else "rounded"
    captions = f"{size:,} bytes", f"{len(made.data):,} bytes"
    sheet = compare_splats(original, made.decoded, captions=captions)
    sheet.save(out / f"{path.stem}-splats.png")
    return Shown(path.name, size, (made.row(SPLATS, quality),))


def _tetrahedron() -> Surface:
    return np.eye(4, 3, dtype=np.float32), np.array([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])


def _raw_bytes(mesh: Triangles) -> int:
    return mesh.vertices.nbytes + mesh.faces.nbytes


def _draco(mesh: Triangles) -> tuple[str, int]:
    """Its name and bytes on the same grid; nothing where it is not installed."""
    try:
        return "Draco", len(MESH_PEERS["draco-10"].encode(mesh, BITS, 1))
    except InputError:
        return "", 0


def draw(columns: list[tuple[str, str, Triangles]]) -> Image.Image:
    """Meshes side by side; below each, the same detail from nearby."""
    points = columns[0][2].vertices
    sides = np.ptp(points, axis=0)
    view = ABOVE if sides[1] < min(sides[0], sides[2]) / 4 else OBLIQUE
    whole = Camera.around(points, **view)
    near = Camera.around(_detail(points, whole), **view)
    low, high = float(points[:, 1].min()), float(points[:, 1].max())
    pictures = [_rendered(mesh, whole, low, high) for _, _, mesh in columns]
    band = slice(SIZE // 8, SIZE - SIZE // 4)
    details = [_rendered(mesh, near, low, high)[band] for _, _, mesh in columns]
    inside = _filled(pictures[0])
    return sheet_of(
        [
            Panel(title, words, picture[inside], detail)
            for (title, words, _), picture, detail in zip(columns, pictures, details, strict=True)
        ]
    )


def _rendered(mesh: Triangles, camera: Camera, low: float, high: float) -> Pixels:
    """A picture in which heights from ``low`` to ``high`` have colours."""
    at = (mesh.vertices[:, 1] - low) / ((high - low) or 1.0) * (len(TINTS) - 1)
    colours = np.stack([np.interp(at, np.arange(len(TINTS)), TINTS[:, k]) for k in range(3)], 1)
    return render_mesh((mesh.vertices, mesh.faces), camera, size=SIZE, colours=colours)


def _filled(picture: Pixels) -> tuple[slice, slice]:
    """Rows in which there is anything but white, and all columns."""
    rows = np.flatnonzero((picture < 255).any(axis=(1, 2)))
    margin = 6
    return slice(max(0, rows[0] - margin), rows[-1] + 1 + margin), slice(None)


def _detail(points: npt.NDArray[Any], camera: Camera) -> npt.NDArray[Any]:
    """Points in a small ball around one that the camera sees before it."""
    places = camera.project(points, 2)
    ahead = np.abs(places[:, :2] - 1).max(axis=1) < 0.1
    chosen = np.flatnonzero(ahead) if ahead.any() else np.arange(len(points))
    middle = points[chosen[places[chosen, 2].argmin()]].astype(np.float64)
    distances = np.sort(np.linalg.norm(points - middle, axis=1))
    radius = distances[min(NEAR, len(points) // 4)]
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return middle + corners * radius / np.sqrt(3)
