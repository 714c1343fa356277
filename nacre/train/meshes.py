"""Meshes to learn from: surfaces of files, the same seen otherwise, rows of what a network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.connectivity import encode_connectivity
from nacre.entropy.mesh.features import SEEN
from nacre.entropy.mesh.network_rows import describe
from nacre.entropy.mesh.surface import Surface
from nacre.errors import InputError
from nacre.transforms.decimate import decimate

SUFFIXES = (".ply", ".obj", ".off", ".stl", ".glb", ".gltf", ".3mf")
LEAST_FACES = 500
"""Of a shape that was thinned."""
Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shape:
    """A mesh as it is coded, on vertices that were welded where they are equal bit by bit.

    Attributes:
        name: of its file.
        surface: its connectivity.
        vertices: float64 ``[N, 3]``, in the surface's numbering.
        faces: all of them, int32 ``[F, 3]``, in that numbering.
    """

    name: str
    surface: Surface
    vertices: Float64s
    faces: Int32s


class Variant(NamedTuple):
    """One way to see a shape: quantised to ``bits``, turned at random, from another triangle on."""

    bits: int
    turned: bool = False
    mirrored: bool = False
    moved: bool = False


class Rows(NamedTuple):
    """Vertices with what is known of them.

    Attributes:
        features: int16 ``[n, FEATURES]``.
        targets: float32 ``[n, TARGETS]``: residual in the frame (lattice steps), the frame row by
            row, the scale, the vectors among the features.
    """

    features: Int16s
    targets: Float32s


SCALE, TARGETS = 12, 13 + 3 * SEEN


def mesh_files(sources: Sequence[Path]) -> list[Path]:
    """Mesh files among ``sources`` and in the folders among them, in order of their names.

    Raises:
        InputError: there are none.
    """
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            files = [path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES]
            found += sorted(files)
        elif source.is_file():
            found.append(source)
        else:
            raise InputError(f"{source}: no such file or folder")
    if not found:
        raise InputError(f"no meshes to learn from; name files or folders of {', '.join(SUFFIXES)}")
    return found


def read_shape(path: Path) -> Shape | None:
    """The mesh in a file; None if it has no triangles.

    Raises:
        InputError: it cannot be read.
    """
    import trimesh

    try:
        loaded: Any = trimesh.load(path, process=False)
        mesh: Any = loaded.to_geometry() if isinstance(loaded, trimesh.Scene) else loaded
    except Exception as error:  # each of its readers raises kinds of its own
        raise InputError(f"{path}: cannot be read as a mesh ({error})") from error
    faces = np.asarray(getattr(mesh, "faces", np.zeros((0, 3))), dtype=np.int32)
    if not len(faces):
        return None
    return shape_of(path.stem, np.asarray(mesh.vertices), faces)


def shape_of(name: str, vertices: npt.ArrayLike, faces: Int32s) -> Shape:
    """A shape of vertices ``[V, 3]`` and faces ``[F, 3]``."""
    points = np.asarray(vertices, dtype=np.float64)
    _, first, welded = np.unique(points, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first), dtype=np.int32)
    joined = rank[welded.ravel()][faces].astype(np.int32)
    points = points[np.sort(first)]
    coded = encode_connectivity(joined, len(points), effort=1)
    return Shape(name, coded.surface, points[coded.vertex_map], coded.faces)


def thinned(shape: Shape, share: float) -> Shape | None:
    """The shape with about so large a share of its faces (Garland and Heckbert 1997).

    What modellers and scanners publish is often thinned; such meshes have edges of all lengths.

    Returns:
        None if hardly any faces would be left.

    Raises:
        InputError: the package that does it is not installed.
    """
    count = int(len(shape.faces) * share)
    if count < LEAST_FACES:
        return None
    points, faces = decimate(shape.vertices, shape.faces, count)
    if len(faces) < LEAST_FACES:
        return None
    return shape_of(f"{shape.name} {share}", points, faces)


def quantised(vertices: Float64s, bits: int) -> npt.NDArray[np.int64]:
    """On the grid of ``2^bits - 1`` steps along the longest side of the box."""
    low = vertices.min(axis=0)
    side = float((vertices.max(axis=0) - low).max()) or 1.0
    return np.asarray(np.rint((vertices - low) / side * ((1 << bits) - 1)), dtype=np.int64)


def random_rotation(rng: np.random.Generator) -> Float64s:
    """A rotation drawn evenly (a random quaternion; Shoemake 1992)."""
    w, x, y, z = rng.normal(size=4)
    size = w * w + x * x + y * y + z * z
    matrix = np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), w * w - x * x + y * y - z * z, 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), w * w - x * x - y * y + z * z],
        ]
    )
    return np.asarray(matrix / size)


def moved(surface: Surface, rng: np.random.Generator) -> Surface:
    """The same surface with its triangles in a random order, so that traversal begins elsewhere."""
    count = len(surface.triangles)
    order, turn = rng.permutation(count), rng.integers(0, 3, (count, 1))
    place = np.empty(count, np.int64)
    place[order] = np.arange(count)
    sides = (np.arange(3) + turn) % 3
    triangles = np.take_along_axis(surface.triangles[order], sides, axis=1)
    opposite = surface.opposite.reshape(-1, 3)[order].astype(np.int64)
    opposite = np.take_along_axis(opposite, sides, axis=1)
    to = place[opposite // 3]
    corner = 3 * to + (opposite % 3 - turn[to, 0]) % 3
    return _surface_like(surface, triangles, np.where(opposite < 0, -1, corner))


def mirrored(surface: Surface) -> Surface:
    """The same surface with its other side out, as its mirror image has it."""
    triangles = surface.triangles[:, ::-1]
    opposite = surface.opposite.reshape(-1, 3)[:, ::-1].astype(np.int64)
    corner = opposite - opposite % 3 + 2 - opposite % 3
    return _surface_like(surface, triangles, np.where(opposite < 0, -1, corner))


def _surface_like(
    surface: Surface, triangles: Int32s, opposite: npt.NDArray[np.integer[Any]]
) -> Surface:
    return Surface(
        np.ascontiguousarray(triangles, dtype=np.int32),
        np.ascontiguousarray(opposite.ravel(), dtype=np.int32),
        surface.vertex,
        surface.used,
        surface.vertices,
    )


def rows_of(shape: Shape, variant: Variant, rng: np.random.Generator) -> Rows:
    """What a network sees of a shape, and what it should say."""
    vertices, surface = shape.vertices, shape.surface
    if variant.turned:
        vertices = vertices @ random_rotation(rng).T
    if variant.mirrored:
        vertices, surface = vertices * [-1.0, 1.0, 1.0], mirrored(surface)
    if variant.moved:
        surface = moved(surface, rng)
    found = describe(surface, quantised(vertices, variant.bits))
    count = len(found.scale)
    parts = (
        found.residual,
        found.frame.reshape(count, 9),
        found.scale[:, None],
        found.vectors.reshape(count, 3 * SEEN),
    )
    return Rows(found.features, np.concatenate(parts, axis=1).astype(np.float32))
