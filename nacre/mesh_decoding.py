"""One mesh of a payload of ``circuit-mesh``, decoded: ``mesh_payload.py`` the other way round."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.connectivity import Decoded, decode_connectivity
from nacre.entropy.mesh.network import Network
from nacre.entropy.mesh.positions import decode_positions
from nacre.entropy.mesh.positions_floats import decode_floats
from nacre.entropy.octree import decode_octree
from nacre.errors import FormatError, Truncated
from nacre.limits import Limits
from nacre.media.mesh import Lattice, Mesh
from nacre.media.mesh_symbols import Form, read_form, read_lattice, read_text
from nacre.mesh_attributes import AttributeReader, taken
from nacre.mesh_payload import (
    DOUBLE,
    FLOATS,
    MATERIAL,
    MOST_NAME,
    NAMED,
    ON_GRID,
    ON_LATTICE,
    SCATTERED,
    WELDED,
    ZEROS,
    Positions,
    first_isolated,
)
from nacre.stream import Bytes, Reader
from nacre.transforms.lattice import Grid

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Head:
    """What the head of a mesh says."""

    flags: int
    joined: int
    lattice: Grid | None
    zeros: Int64s
    name: str
    material: int | None
    forms: tuple[Form, ...]
    segments: int


def read_head(reader: Reader, vertices: int) -> Head:
    """The head of a mesh of so many vertices.

    Raises:
        FormatError: no writer writes it.
    """
    flags = reader.unsigned(1, "flags of a mesh")
    if flags & 3 > FLOATS:
        raise FormatError(f"a mesh of positions of kind {flags & 3} is not known")
    joined = reader.varint("joined vertices", vertices) if flags & WELDED else vertices
    lattice = read_lattice(reader) if flags & 3 == ON_LATTICE else None
    zeros = np.zeros(0, np.int64)
    if flags & ZEROS:
        count = reader.varint("negative zeros", 3 * vertices)
        if count > reader.remaining:
            raise Truncated(f"{count:,} negative zeros in {reader.remaining:,} bytes")
        gaps = [reader.varint("place of a negative zero", 3 * vertices) for _ in range(count)]
        zeros = np.cumsum(np.array(gaps, np.int64))
        if not count or zeros[-1] >= 3 * vertices or min(gaps[1:], default=1) < 1:
            raise FormatError("negative zeros that are not in order or not there")
    name, material = "", None
    if flags & NAMED:
        name = read_text(reader, reader.varint("length of a name", MOST_NAME), "name of a mesh")
    if flags & MATERIAL:
        material = reader.varint("material", 1 << 32)
    count = reader.varint("number of attributes")
    if count > reader.remaining:
        raise Truncated(f"{count:,} attributes in {reader.remaining:,} bytes")
    forms = tuple(read_form(reader) for _ in range(count))
    segments = reader.varint("number of segments")
    return Head(flags, joined, lattice, zeros, name, material, forms, segments)


def decode_mesh(
    head: Head,
    segments: list[Bytes],
    sizes: tuple[int, int],
    grid: Grid | None,
    *,
    primed: bytes | None,
    network: Network | None,
    limits: Limits,
) -> Mesh:
    """The mesh in segments.

    Args:
        head: as :func:`read_head` gives it.
        segments: of this mesh alone.
        sizes: vertices and faces.
        grid: of the positions; None: they are exact.
        primed, network: of the model that the stream names.
        limits: on the bytes of an attribute.

    Raises:
        FormatError: the segments are damaged.
        LimitExceeded: an attribute takes more bytes than ``limits`` allow.
        ModelError: a model is needed that the stream does not name.
    """
    vertices, count = sizes
    kind = head.flags & 3
    if (kind == ON_GRID) != (grid is not None):
        raise FormatError(f"positions of kind {kind}, but {'a' if grid else 'no'} grid")
    found = decode_connectivity(taken(segments), head.joined, count, primed=primed)
    if head.flags & WELDED and found.order_of_vertices is not None:
        raise FormatError("a mesh of joined vertices in the input's order; no writer has both")
    surface, faces = found.surface, found.faces
    first = first_isolated(faces, head.joined)
    known = first if head.flags & SCATTERED else head.joined
    part = replace(surface, vertices=known)
    data = taken(segments)
    if kind == FLOATS:
        values: npt.NDArray[Any] = decode_floats(data, part, network=network)
    else:
        values = decode_positions(data, part, network=network)
    if head.flags & SCATTERED:
        values = np.concatenate([values, _read_octree(taken(segments), head.joined - known)])
    place = Positions(kind, values, grid or head.lattice, head.zeros, bool(head.flags & DOUBLE))
    reader = AttributeReader(segments, surface, faces, place.coarse, limits)
    if head.flags & WELDED:
        place, faces = _split_again(place, faces, reader.split(), first)
    if len(place.values) != vertices:
        raise FormatError(f"a mesh of {len(place.values):,} vertices, {vertices:,} are declared")
    attributes = tuple(reader.attribute(form) for form in head.forms)
    if segments:
        raise FormatError(f"{len(segments)} segments too many in a mesh")
    mesh = Mesh(_restored(place), faces, attributes, head.name, head.material, _lattice_of(place))
    return _in_order(mesh, found)


def _read_octree(data: bytes, count: int) -> Int64s:
    reader = Reader(data, "isolated vertices")
    bits = reader.unsigned(1, "bits")
    if not 1 <= bits <= 31:
        raise FormatError(f"isolated vertices of {bits} bits")
    coded = [reader.varint("least coordinate", 1 << 33) for _ in range(3)]
    low = np.array([value >> 1 if value % 2 == 0 else -(value + 1 >> 1) for value in coded])
    points = decode_octree(reader.rest(), bits, most=count)
    if len(points) != count:
        raise FormatError(f"{len(points):,} isolated vertices, {count:,} are declared")
    found: Int64s = points + low
    return found


def _split_again(
    place: Positions, faces: Int32s, index: Int32s, first: int
) -> tuple[Positions, Int32s]:
    """Positions and faces of the vertices that were joined, isolated ones last."""
    count = int(index.max(initial=-1)) + 1
    at = np.zeros(count, np.int64)
    at[index.ravel()] = faces.ravel()
    order = np.concatenate([at, np.arange(first, len(place.values))])
    return place.taken(order), index


def _restored(place: Positions) -> npt.NDArray[Any]:
    """Vertices of positions, float32 or float64."""
    if place.grid is None:
        values = place.values
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            values = place.grid.dequantize(place.values)
        if len(place.zeros):
            flat = values.ravel()
            flat[place.zeros] = np.where(flat[place.zeros] == 0, np.float32(-0.0), np.nan)
    return values.astype(np.float64) if place.double else values


def _lattice_of(place: Positions) -> Lattice | None:
    if place.grid is None:
        return None
    return Lattice(place.values, place.grid.origin, place.grid.step)


def _in_order(mesh: Mesh, found: Decoded) -> Mesh:
    """``mesh`` with vertices, faces and corners where the input had them, if the stream says."""
    if found.order_of_vertices is not None:
        mesh = _vertices_moved(mesh, found.order_of_vertices)
    return mesh if found.order_of_faces is None else _corners_moved(mesh, found.order_of_faces)


def _vertices_moved(mesh: Mesh, to: Int32s) -> Mesh:
    """``mesh`` with vertex i as vertex ``to[i]``."""
    back = np.empty(len(to), np.int64)
    back[to] = np.arange(len(to))
    attributes = tuple(
        replace(each, values=each.values[back]) if each.domain == "vertex" else each
        for each in mesh.attributes
    )
    lattice = mesh.lattice
    if lattice is not None:
        lattice = replace(lattice, integers=lattice.integers[back])
    return replace(
        mesh,
        vertices=mesh.vertices[back],
        faces=to[mesh.faces],
        attributes=attributes,
        lattice=lattice,
    )


def _corners_moved(mesh: Mesh, to: Int32s) -> Mesh:
    """``mesh`` with flat corner i as corner ``to[i]``, which keeps faces together."""
    back = np.empty(to.size, np.int64)
    back[to.ravel()] = np.arange(to.size)
    whole = back[::3] // 3

    def moved(index: Int32s) -> Int32s:
        return index.ravel()[back].reshape(-1, 3)

    attributes = []
    for each in mesh.attributes:
        if each.domain == "face":
            each = replace(each, values=each.values[whole])
        elif each.index is not None:
            each = replace(each, index=moved(each.index))
        attributes.append(each)
    return replace(mesh, faces=moved(mesh.faces), attributes=tuple(attributes))
