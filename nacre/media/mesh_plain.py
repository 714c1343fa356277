"""STL and OFF files, both ways."""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.limits import Limits
from nacre.media.mesh import Attribute, Floats, Mesh, Scene
from nacre.media.mesh_arrays import as_faces, fan_notes, fans, first_uses, narrowed, texts
from nacre.media.ply import parse_numbers

FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
HEAD_BYTES = 84


def is_binary_stl(head: bytes, size: int) -> bool:
    """Whether a file of ``size`` bytes that begins with ``head`` is a whole binary STL file."""
    if len(head) < HEAD_BYTES:
        return False
    (count,) = struct.unpack_from("<I", head, 80)
    return size == HEAD_BYTES + FACET.itemsize * int(count)


def read_stl(data: bytes, limits: Limits) -> Scene:
    """The meshes in an STL file; corners at one position, bit by bit, are one vertex.

    Raises:
        InputError: it is cut short or damaged.
        LimitExceeded: it has more facets than ``limits.vertices``.
    """
    if not is_binary_stl(data[:HEAD_BYTES], len(data)) and data.lstrip()[:5].lower() == b"solid":
        return _read_ascii_stl(data, limits)
    if len(data) < HEAD_BYTES:
        raise InputError(f"STL: {len(data)} bytes, a header alone takes {HEAD_BYTES}")
    (count,) = struct.unpack_from("<I", data, 80)
    room = (len(data) - HEAD_BYTES) // FACET.itemsize
    if count > room:
        raise InputError(
            f"STL: the header promises {count:,} facets, the file has room for {room:,}; "
            "it is cut short or its header is wrong"
        )
    limits.check("vertices", count, f"STL file of {count:,} facets")
    facets = np.frombuffer(data, FACET, count, HEAD_BYTES)
    attributes: tuple[Attribute, ...] = ()
    if facets["attribute"].any():
        words = facets["attribute"][:, None].astype(np.uint16)
        attributes = (Attribute("attribute", "generic", "face", words),)
    mesh = _welded_facets(np.ascontiguousarray(facets["corners"]).reshape(-1, 3), attributes)
    return Scene((mesh,))


def _welded_facets(corners: Floats, attributes: tuple[Attribute, ...] = (), name: str = "") -> Mesh:
    first, number = first_uses(corners)
    faces = number.astype(np.int32).reshape(-1, 3)
    return Mesh(corners[first], faces, attributes, name=name)


def _read_ascii_stl(data: bytes, limits: Limits) -> Scene:
    text = data.decode("latin-1")
    limits.check("vertices", text.count("vertex") // 3, "STL file")
    meshes = []
    solids = re.split(r"^[ \t]*solid\b[ \t]*([^\r\n]*)", text, flags=re.MULTILINE | re.IGNORECASE)
    for name, body in zip(solids[1::2], solids[2::2], strict=True):
        words = body.split()
        places = [i for i, word in enumerate(words) if word.lower() == "vertex"]
        try:
            numbers = [float(words[i + axis]) for i in places for axis in (1, 2, 3)]
        except (ValueError, IndexError):
            raise InputError("STL: a vertex without three numbers") from None
        if not numbers:
            continue
        if len(places) % 3:
            raise InputError(f"STL: {len(places):,} corners, which is no multiple of three")
        corners = np.array(numbers, np.float32).reshape(-1, 3)  # as binary STL has them
        meshes.append(_welded_facets(corners, name=name.strip()))
    if not meshes:
        raise InputError("STL: no facets")
    return Scene(tuple(meshes))


def write_stl(mesh: Mesh) -> bytes:
    """A binary STL file; normals follow from the corners."""
    facets = np.zeros(len(mesh.faces), FACET)
    corners = mesh.vertices[mesh.faces].astype(np.float32)
    facets["corners"] = corners
    with np.errstate(all="ignore"):
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        facets["normal"] = np.where(length > 0, normal / length, 0)
    for each in mesh.attributes:
        if each.domain == "face" and each.name == "attribute" and each.values.dtype == np.uint16:
            facets["attribute"] = each.values[:, 0]
    head = b"binary STL written by nacre".ljust(80, b" ")
    return head + struct.pack("<I", len(facets)) + facets.tobytes()


def read_off(data: bytes, limits: Limits) -> Scene:
    """The mesh in an OFF file: OFF, COFF, NOFF, STOFF and their combinations.

    Raises:
        InputError: it is damaged, or its header promises more than the file holds.
        LimitExceeded: it has more vertices or faces than ``limits.vertices``.
    """
    text = re.sub(rb"#[^\r\n]*", b"", data)
    match = re.match(rb"\s*(ST)?(C)?(N)?(4)?(n)?OFF\b", text)
    if match is None or match[4] or match[5]:
        raise InputError("OFF: no header that is known (OFF, COFF, NOFF, STOFF)")
    body = text[match.end() :]
    if body.lstrip()[:6].upper() == b"BINARY":
        raise InputError("OFF: binary files are not read; export it as text or as PLY")
    lines = body.split(b"\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    counts = parse_numbers(lines[0] if lines else b"", "OFF")
    if len(counts) < 2 or (counts < 0).any() or (counts[:2] % 1).any():
        raise InputError("OFF: the numbers of vertices and faces are missing")
    points, polygons = int(counts[0]), int(counts[1])
    limits.check("vertices", points, f"OFF file of {points:,} vertices")
    limits.check("vertices", polygons, f"OFF file of {polygons:,} faces")
    rows = [line for line in lines[1:] if line.strip()]
    if len(rows) < points + polygons:
        raise InputError(
            f"OFF: the header promises {points + polygons:,} lines, the file has {len(rows):,}"
        )
    vertices, attributes = _off_vertices(rows[:points], points, match)
    faces, more, notes = _off_faces(rows[points : points + polygons], points)
    return Scene((Mesh(vertices, faces, (*attributes, *more)),), notes=notes)


def _off_vertices(
    rows: list[bytes], points: int, match: re.Match[bytes]
) -> tuple[Floats, list[Attribute]]:
    numbers = parse_numbers(b"\n".join(rows), "OFF")
    if not points or len(numbers) % points or len(numbers) < 3 * points:
        raise InputError(f"OFF: {len(numbers):,} numbers for {points:,} vertices")
    table = numbers.reshape(points, -1)
    place, attributes = 3, []
    if match[3] and table.shape[1] >= 6:
        attributes.append(Attribute("normal", "normal", "vertex", narrowed(table[:, 3:6])))
        place = 6
    rest = table.shape[1] - place - (2 if match[1] else 0)
    if match[2] and rest in (3, 4):
        colours = table[:, place : place + rest]
        attributes.append(Attribute("color", "color", "vertex", _colours(colours)))
        place += rest
    if match[1] and table.shape[1] >= place + 2:
        uv = narrowed(table[:, place : place + 2])
        attributes.append(Attribute("uv", "uv", "vertex", uv))
    return narrowed(np.ascontiguousarray(table[:, :3])), attributes


def _colours(values: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Bytes where they are whole numbers up to 255, some above 1."""
    whole = (values % 1 == 0).all() and values.max(initial=0) > 1
    if whole and values.min(initial=0) >= 0 and values.max(initial=0) <= 255:
        return values.astype(np.uint8)
    return narrowed(np.ascontiguousarray(values))


def _off_faces(
    rows: list[bytes], points: int
) -> tuple[npt.NDArray[np.int32], list[Attribute], tuple[str, ...]]:
    words = [row.split() for row in rows]
    try:
        sizes = np.array([int(row[0]) for row in words], np.int64)
        corners = [int(word) for row in words for word in row[1 : 1 + int(row[0])]]
        colours = [[float(word) for word in row[1 + int(row[0]) :]] for row in words]
    except (ValueError, IndexError):
        raise InputError("OFF: a line of a face is not understood") from None
    if sizes.min(initial=0) < 0 or sizes.sum() != len(corners):
        raise InputError("OFF: a face has fewer corners than it says")
    places, polygon = fans(sizes)
    faces = as_faces(np.array(corners, np.int64)[places], points)
    attributes = []
    width = len(colours[0]) if colours else 0
    if width in (3, 4) and all(len(each) == width for each in colours):
        values = _colours(np.array(colours))[polygon]
        attributes.append(Attribute("color", "color", "face", values))
    return faces, attributes, fan_notes(sizes)


def write_off(mesh: Mesh) -> bytes:
    """An OFF file (COFF with colours of vertices) whose numbers read back as the same floats."""
    colours = mesh.attribute("color")
    rows = texts(mesh.vertices)
    faces = [["3", *map(str, face)] for face in mesh.faces.tolist()]
    of_vertices = colours is not None and colours.domain == "vertex"
    if colours is not None and colours.domain != "corner":
        extra = texts(colours.values)
        target = rows if of_vertices else faces
        target[:] = [row + more for row, more in zip(target, extra, strict=True)]
    head = ["COFF" if of_vertices else "OFF", f"{len(rows)} {len(faces)} 0"]
    return ("\n".join([*head, *map(" ".join, [*rows, *faces])]) + "\n").encode()
