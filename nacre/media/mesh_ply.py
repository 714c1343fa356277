"""PLY files of meshes and point clouds: what their elements and properties mean, both ways."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.limits import Limits
from nacre.media.mesh import Attribute, Domain, Kind, Mesh, Scene
from nacre.media.mesh_arrays import as_faces, corner_attribute, fan_notes, fans
from nacre.media.ply import Columns, Lists, read_ply, write_ply

INDICES = ("vertex_indices", "vertex_index")
GROUPS: tuple[tuple[str, Kind, tuple[str, ...]], ...] = (
    ("normal", "normal", ("nx", "ny", "nz")),
    ("color", "color", ("red", "green", "blue", "alpha")),
    ("color", "color", ("red", "green", "blue")),
    ("uv", "uv", ("s", "t")),
    ("uv", "uv", ("u", "v")),
    ("uv", "uv", ("texture_u", "texture_v")),
)
"""Properties that are one attribute together; the first names of a kind are those written."""
CORNERS: dict[str, Kind] = {"texcoord": "uv", "corner_normal": "normal", "corner_color": "color"}
"""Lists of a face that hold the values of its corners."""
USUAL = {kind: name for name, kind in CORNERS.items()}


def read_mesh_ply(data: bytes, limits: Limits) -> Scene:
    """The mesh in a PLY file.

    Raises:
        InputError, LimitExceeded: as for :func:`nacre.media.ply.read_ply`.
    """
    header, elements = read_ply(data, limits)
    columns = elements.get("vertex", {})
    if any(isinstance(columns.get(axis), Lists | None) for axis in "xyz"):
        raise InputError("PLY: no vertices with x, y and z")
    vertices = _stack(columns, ("x", "y", "z"))
    if vertices.dtype.kind != "f":
        vertices = vertices.astype(np.float64)
    notes = tuple(
        f"element {each.name!r} of the PLY file was left out"
        for each in header.elements
        if each.name not in ("vertex", "face", "tristrips") and each.rows
    )
    rest: Columns = {name: c for name, c in columns.items() if name not in ("x", "y", "z")}
    attributes = _attributes(rest, "vertex", None)
    faces, of_faces, more = _faces(elements, len(vertices))
    mesh = Mesh(np.ascontiguousarray(vertices), faces, (*attributes, *of_faces))
    return Scene((mesh,), notes=(*notes, *more))


def _faces(
    elements: dict[str, Columns], vertices: int
) -> tuple[npt.NDArray[np.int32], list[Attribute], tuple[str, ...]]:
    """Triangles, their attributes, and notes."""
    columns = elements.get("face", {})
    lists = next((columns[n] for n in INDICES if isinstance(columns.get(n), Lists)), None)
    if not isinstance(lists, Lists):
        strips = elements.get("tristrips", {})
        found = next((strips[n] for n in INDICES if isinstance(strips.get(n), Lists)), None)
        if isinstance(found, Lists):
            rows = _strips(found)
            return as_faces(rows, vertices), [], ("triangle strips became triangles",)
        if any(len(c.sizes if isinstance(c, Lists) else c) for c in columns.values()):
            raise InputError("PLY: faces without vertex_indices")
        return np.zeros((0, 3), np.int32), [], ()
    items = lists.items
    if items.dtype.kind == "f":
        raise InputError("PLY: vertex_indices are no whole numbers")
    corners, polygon = fans(lists.sizes)
    faces = as_faces(items[corners], vertices)
    rest: Columns = {}
    for name, column in columns.items():
        if name in INDICES:
            continue
        if not isinstance(column, Lists):
            rest[name] = column[polygon]
        elif (of_corner := _of_corners(column, lists.sizes)) is not None:
            values = of_corner[corners].reshape(3 * len(faces), -1)
            rest[name] = Lists(np.full(len(faces), 3), values)
    return faces, _attributes(rest, "face", faces), fan_notes(lists.sizes)


def _of_corners(column: Lists, sizes: npt.NDArray[np.int64]) -> npt.NDArray[Any] | None:
    """Values ``[corners, K]`` of a list that has K for each corner; None if it has not."""
    total = int(sizes.sum())
    each = len(column.items) // max(total, 1)
    if not each or not np.array_equal(column.sizes, sizes * each):
        return None
    return column.items.reshape(total, each)


def _strips(lists: Lists) -> npt.NDArray[np.int64]:
    """Triangles ``[T, 3]`` of strips that -1 ends."""
    items = lists.items.astype(np.int64)
    if len(items) < 3:
        return np.zeros((0, 3), np.int64)
    end = np.cumsum(lists.sizes)
    strip = np.searchsorted(end, np.arange(len(items)), side="right")
    breaks = np.concatenate([[True], (items[:-1] < 0) | (strip[1:] != strip[:-1])])
    start = np.maximum.accumulate(np.where(breaks, np.arange(len(items)), 0))
    three = np.stack([items[:-2], items[1:-1], items[2:]], axis=1)
    whole = (three >= 0).all(axis=1) & (start[2:] == start[:-2])
    odd = (np.arange(len(three)) - start[:-2]) % 2 == 1
    three[odd] = three[odd][:, [1, 0, 2]]
    found: npt.NDArray[np.int64] = three[whole]
    return found


def _stack(columns: Columns, names: tuple[str, ...]) -> npt.NDArray[Any]:
    return np.stack([np.asarray(columns[name]) for name in names], axis=1)


def _attributes(
    columns: Columns, domain: Domain, faces: npt.NDArray[np.int32] | None
) -> list[Attribute]:
    """The attributes that columns make up, each column in one of them."""
    found: list[Attribute] = []
    left = dict(columns)
    for name, kind, names in GROUPS:
        group = [left.get(each) for each in names]
        if any(c is None or isinstance(c, Lists) for c in group) or len(
            {c.dtype for c in group if isinstance(c, np.ndarray)}
        ) != 1:  # fmt: skip
            continue
        if any(each.name == name for each in found):
            continue
        found.append(Attribute(name, kind, domain, _stack(left, names)))
        for each in names:
            del left[each]
    for name, column in left.items():
        if isinstance(column, Lists):
            if faces is None or len(column.items) != 3 * len(faces):
                continue
            kind = CORNERS.get(name, "generic")
            index = np.arange(3 * len(faces)).reshape(-1, 3)
            title = {"texcoord": "uv"}.get(name, name.removeprefix("corner_"))
            found.append(corner_attribute(title, kind, column.items, index))
    scalars = {name: c for name, c in left.items() if not isinstance(c, Lists)}
    return found + [
        Attribute(name, "generic", domain, np.stack(group, axis=1))
        for name, group in _numbered(scalars)
    ]


def _numbered(columns: dict[str, npt.NDArray[Any]]) -> list[tuple[str, list[npt.NDArray[Any]]]]:
    """``a_0``, ``a_1``, ... of one type as ``a``; every other column by itself."""
    groups: list[tuple[str, list[npt.NDArray[Any]]]] = []
    for name, column in columns.items():
        match = re.fullmatch(r"(.+)_(\d{1,3})", name)
        base, number = (match[1], int(match[2])) if match else (name, -1)
        last = groups[-1] if groups else None
        if number == 0 and f"{base}_1" in columns:
            groups.append((base, [column]))
        elif (
            last is not None
            and last[0] == base
            and number == len(last[1]) < 255
            and last[1][0].dtype == column.dtype
        ):
            last[1].append(column)
        else:
            groups.append((name, [column]))
    return groups


def write_mesh_ply(mesh: Mesh) -> bytes:
    """A binary PLY file; what corners differ in goes into lists of their face."""
    vertices = [(axis, mesh.vertices[:, i], False) for i, axis in enumerate("xyz")]
    faces: list[tuple[str, npt.NDArray[Any], bool]] = [("vertex_indices", mesh.faces, True)]
    for each in mesh.attributes:
        if each.domain == "corner":
            width = 3 * each.values.shape[1]
            values = each.of_corners(mesh.faces).reshape(len(mesh.faces), width)
            if values.shape[1] < 256:
                title = USUAL.get(each.kind, "")
                if not title or any(title == name for name, _, _ in faces):
                    title = f"corner_{_word(each.name)}"
                faces.append((title, values, True))
            continue
        target = vertices if each.domain == "vertex" else faces
        taken = {name for name, _, _ in target}
        names_of = _names(each, taken)
        target += [(n, each.values[:, i], False) for i, n in enumerate(names_of)]
    elements = [("vertex", len(mesh.vertices), vertices)]
    if len(mesh.faces):
        elements.append(("face", len(mesh.faces), faces))
    return write_ply(elements)


def _names(each: Attribute, taken: set[str]) -> list[str]:
    """Names of an attribute's columns: the usual ones of its kind, if they are free."""
    width = each.values.shape[1]
    for _, kind, names in GROUPS:
        if kind == each.kind and len(names) == width and not taken & set(names):
            return list(names)
    base = _word(each.name)
    while base in taken or f"{base}_0" in taken:
        base += "_"
    return [base] if width == 1 else [f"{base}_{i}" for i in range(width)]


def _word(name: str) -> str:
    return re.sub(r"\s+", "_", name) or "unnamed"
