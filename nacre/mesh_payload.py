"""One mesh of a payload of ``circuit-mesh``: what is coded in which order, both ways.

Connectivity comes first, then positions along it, then the attributes along both. Vertices that lie
at one place and differ in an attribute (as glTF splits them at seams) are one vertex to the
connectivity; which corners belong to which of them is a seam, coded as those of any attribute, so
that the vertices of the input come back. docs/format.md, "Codec 8", has the layout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.connectivity import encode_connectivity
from nacre.entropy.mesh.positions import encode_positions
from nacre.entropy.mesh.positions_floats import encode_floats
from nacre.entropy.mesh.surface import Surface
from nacre.entropy.octree import encode_octree, morton_order
from nacre.media.mesh import Mesh
from nacre.media.mesh_arrays import first_uses
from nacre.media.mesh_symbols import (
    write_form,
    write_lattice,
)
from nacre.mesh_attributes import AttributeWriter, Manner
from nacre.stream import write_varint
from nacre.transforms.lattice import Grid, find_lattice, split_zeros

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

ON_GRID, ON_LATTICE, FLOATS = range(3)
"""How positions are coded: rounded to a grid, exactly on a lattice, or every bit of a float."""
WELDED, DOUBLE, SCATTERED, ZEROS, NAMED, MATERIAL = (1 << bit for bit in range(2, 8))
"""Bits of a mesh's first byte: vertices are joined, float64, isolated vertices as an octree, some
zeros are negative, there is a name, there is a material."""
WORTH = 20
"""Vertices are joined where at least one in so many then goes."""
COARSE_BITS = 20
"""Of the positions along which attributes of exact meshes are predicted."""
MOST_NAME = 1 << 12


@dataclass(frozen=True, eq=False)
class Packed:
    """A mesh as bytes.

    Attributes:
        head: what a decoder must know first.
        segments: connectivity, positions and the rest, in order.
        vertex_map: the input's vertex of each decoded one, int32 ``[V]``.
        face_map: the input's face of each decoded one, int32 ``[F]``.
    """

    head: bytes
    segments: tuple[bytes, ...]
    vertex_map: Int32s
    face_map: Int32s


@dataclass(frozen=True, eq=False)
class Positions:
    """Positions in some order: numbers on a lattice (``integers``), or floats.

    ``coarse`` are integers near them for predicting attributes.
    """

    kind: int
    values: npt.NDArray[Any]
    grid: Grid | None
    zeros: Int64s
    double: bool

    @property
    def coarse(self) -> Int64s:
        if self.kind != FLOATS:
            whole: Int64s = self.values
            return whole
        plain = np.where(np.isfinite(self.values), self.values, 0).astype(np.float64)
        largest = float(np.abs(plain).max(initial=0.0))
        scale = 2.0**COARSE_BITS / largest if largest > 2.0**-960 else 0.0
        near: Int64s = np.rint(plain * scale).astype(np.int64)
        return near

    def taken(self, order: npt.NDArray[Any]) -> Positions:
        """The same positions, those of ``order``; negative zeros are lost."""
        return replace(self, values=np.ascontiguousarray(self.values[order]))


def encode_mesh(mesh: Mesh, manner: Manner, grid: Grid | None) -> Packed:
    """A mesh as bytes.

    Args:
        mesh: what is coded.
        manner: how.
        grid: of the positions, one for several meshes; None: exactly.

    Raises:
        InputError: its positions have no place on a grid, or it is too large.
    """
    vertices, double = _vertices(mesh, manner.lossless)
    place = _positions(vertices, double, grid)
    split = _split_of(mesh, place, manner)
    faces = mesh.faces if split is None else split.faces
    kept = np.arange(len(vertices)) if split is None else split.kept
    coded = encode_connectivity(
        faces, len(kept), effort=manner.effort, keep=manner.keep, primed=manner.primed
    )
    order = np.asarray(coded.vertex_map, np.int64)
    surface, rows = coded.surface, coded.faces
    corner = np.asarray(coded.corner_map, np.int64)
    first = first_isolated(rows, len(order))
    scattered = manner.keep == "none" and first < len(order) and place.kind != FLOATS
    own = place.taken(kept[order])
    segments = [coded.data]
    if scattered:
        low = own.values[first:].min(axis=0)
        points = own.values[first:] - low
        bits = max(int(points.max(initial=0)).bit_length(), 1)
        sorting = morton_order(points, bits)
        order[first:] = order[first:][sorting]
        own = place.taken(kept[order])
        segments += [_code_positions(own, surface, first, manner), _octree(points, bits, low)]
    else:
        segments.append(_code_positions(own, surface, len(order), manner))
    writer = AttributeWriter(mesh, manner, surface, rows, corner, own.coarse)
    original = kept[order]
    if split is not None:
        original = writer.split(mesh.faces, original[first:])
    segments += writer.segments_of(original)
    flags = place.kind | WELDED * (split is not None) | DOUBLE * double | SCATTERED * scattered
    zeros = _negative_zeros(vertices, original) if place.kind == ON_LATTICE else np.zeros(0, int)
    flags |= ZEROS * bool(len(zeros)) | NAMED * bool(mesh.name)
    flags |= MATERIAL * (mesh.material is not None)
    head = bytearray([flags])
    if split is not None:
        write_varint(head, len(order))
    _write_head(head, mesh, place, zeros)
    write_varint(head, len(writer.forms))
    for form in writer.forms:
        write_form(head, form)
    write_varint(head, len(segments))
    vertex_map, face_map = original, corner[:, 0] // 3
    if manner.keep == "all":  # a decoder moves them back
        vertex_map, face_map = np.arange(len(original)), np.arange(len(corner))
    return Packed(
        bytes(head), tuple(segments), vertex_map.astype(np.int32), face_map.astype(np.int32)
    )


def _vertices(mesh: Mesh, lossless: bool) -> tuple[npt.NDArray[Any], bool]:
    """Vertices as they are coded, and whether they come back as float64."""
    wide = mesh.vertices.dtype == np.float64
    if wide and lossless:
        with np.errstate(over="ignore", invalid="ignore"):
            narrow = mesh.vertices.astype(np.float32)
        if narrow.astype(np.float64).tobytes() == mesh.vertices.tobytes():
            return narrow, True
    return mesh.vertices, wide and lossless


def _positions(vertices: npt.NDArray[Any], double: bool, grid: Grid | None) -> Positions:
    nothing = np.zeros(0, np.int64)
    if grid is not None:
        integers = grid.quantize(vertices)
        return Positions(ON_GRID, integers, grid, nothing, double)
    if vertices.dtype == np.float32:
        plain, zeros = split_zeros(vertices)
        lattice = find_lattice(plain)
        if lattice is not None:
            return Positions(ON_LATTICE, lattice.quantize(plain), lattice, zeros, double)
    return Positions(FLOATS, vertices, None, nothing, double)


def _negative_zeros(vertices: npt.NDArray[Any], original: npt.NDArray[Any]) -> Int64s:
    """Places of -0 among the coordinates of the vertices in the decoder's order."""
    return split_zeros(vertices[original])[1]


def first_isolated(faces: Int32s, vertices: int) -> int:
    """The first vertex from which on none is in a face."""
    return min(int(faces.max(initial=-1)) + 1, vertices)


def _code_positions(own: Positions, surface: Surface, count: int, manner: Manner) -> bytes:
    """The first ``count`` positions."""
    part = replace(surface, vertices=count)
    options: dict[str, Any] = {"effort": manner.effort, "network": manner.network}
    if own.kind == FLOATS:
        return encode_floats(part, own.values[:count], **options)
    return encode_positions(part, own.values[:count], **options)


def _octree(points: Int64s, bits: int, low: Int64s) -> bytes:
    out = bytearray([bits])
    for value in low.tolist():
        write_varint(out, 2 * value if value >= 0 else -2 * value - 1)
    return bytes(out) + encode_octree(points, bits)


@dataclass(frozen=True, eq=False)
class _Split:
    """Vertices joined by position: ``faces`` over them, and the first vertex of each (``kept``)."""

    faces: Int32s
    kept: Int64s


def _split_of(mesh: Mesh, place: Positions, manner: Manner) -> _Split | None:
    """How vertices join, if enough do; isolated ones stay as they are.

    It depends on nothing but what a decoder gives back, so that coding that again joins the same.
    """
    faces = mesh.faces
    if manner.keep != "none" or len(place.zeros) or not len(faces):
        return None
    used = np.zeros(len(mesh.vertices), bool)
    used[faces.ravel()] = True
    isolated = np.flatnonzero(~used)
    if len(isolated) and any(each.domain == "vertex" for each in mesh.attributes):
        return None
    members = np.flatnonzero(used)
    first, number = first_uses(place.values[members])
    if (len(members) - len(first)) * WORTH < len(members):
        return None
    joined = np.zeros(len(mesh.vertices), np.int64)
    joined[members] = number
    rows = joined[faces]
    if _degenerate(rows) > _degenerate(faces):
        return None
    return _Split(rows.astype(np.int32), np.concatenate([members[first], isolated]))


def _degenerate(faces: npt.NDArray[Any]) -> int:
    a, b, c = faces.T
    return int(((a == b) | (b == c) | (a == c)).sum())


def _write_head(head: bytearray, mesh: Mesh, place: Positions, zeros: Int64s) -> None:
    """Lattice, negative zeros, name and material, as far as there are any."""
    if place.kind == ON_LATTICE and place.grid is not None:
        write_lattice(head, place.grid)
    if len(zeros):
        write_varint(head, len(zeros))
        for gap in np.diff(zeros, prepend=0).tolist():
            write_varint(head, gap)
    if mesh.name:
        name = mesh.name.encode("utf-8", "replace")[:MOST_NAME]
        write_varint(head, len(name))
        head += name
    if mesh.material is not None:
        write_varint(head, mesh.material)
