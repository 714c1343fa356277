"""Whether two scenes hold the same meshes, whatever the order of vertices and faces."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.media.mesh import Attribute, Mesh, Scene
from nacre.media.mesh_arrays import first_uses

Bytes = npt.NDArray[np.uint8]


def same_scene(a: Scene, b: Scene) -> bool:
    """Whether documents, blobs (PNG files by their pixels) and all meshes are the same."""
    return (
        len(a.meshes) == len(b.meshes)
        and dict(a.document) == dict(b.document)
        and len(a.blobs) == len(b.blobs)
        and all(map(same_content, a.blobs, b.blobs))
        and all(same_mesh(one, other) for one, other in zip(a.meshes, b.meshes, strict=True))
    )


def same_content(a: bytes, b: bytes) -> bool:
    """Whether two files are the same bytes, or PNG pictures of the same pixels."""
    if a == b or a[:4] != b"\x89PNG" or b[:4] != a[:4]:
        return a == b
    from nacre.media.image import load_image

    try:
        one, other = load_image(a).pixels, load_image(b).pixels
    except InputError:
        return False
    return one.dtype == other.dtype and np.array_equal(one, other)


def same_mesh(a: Mesh, b: Mesh) -> bool:
    """Whether two meshes have the same oriented faces, bit by bit, and the same other vertices.

    A face is what its three corners hold, positions and attributes, and what it has itself; which
    corner comes first does not matter. Indices do not matter either: whether two corners of the
    same content are one vertex or two is told by how many vertices there are.
    """
    alike = (a.name, a.material, a.vertices.dtype) == (b.name, b.material, b.vertices.dtype)
    if not alike or a.shape != b.shape or _signature(a) != _signature(b):
        return False
    corners = [np.concatenate(columns) for columns in zip(_corners(a), _corners(b), strict=True)]
    label = _labels(corners).reshape(2, -1, 3)
    own = [np.concatenate(columns) for columns in zip(_of_faces(a), _of_faces(b), strict=True)]
    face = _labels(own).reshape(2, -1, 1) if own else np.zeros((2, len(a.faces), 1), np.int64)
    rows = np.concatenate([_turned(label.reshape(-1, 3)).reshape(label.shape), face], axis=2)
    lonely = [np.concatenate(c) for c in zip(_isolated(a), _isolated(b), strict=True)]
    count = len(_isolated(a)[0])
    if len(_isolated(b)[0]) != count or not np.array_equal(_sorted(rows[0]), _sorted(rows[1])):
        return False
    points = _labels(lonely)
    return np.array_equal(np.sort(points[:count]), np.sort(points[count:]))


def _signature(mesh: Mesh) -> list[tuple[Any, ...]]:
    return [
        (each.name, each.kind, each.domain, each.values.dtype.str, each.values.shape[1])
        for each in mesh.attributes
    ]


def _bytes(values: npt.NDArray[Any]) -> Bytes:
    """``[n, K]`` as its bytes ``[n, size of a row]``."""
    plain = np.ascontiguousarray(values)
    size = plain.shape[1] * plain.dtype.itemsize
    return plain.view(np.uint8).reshape(len(plain), size)


def _corners(mesh: Mesh) -> list[Bytes]:
    """What each corner holds, ``[3 F, bytes]`` each."""
    flat = mesh.faces.ravel()
    found = [_bytes(mesh.vertices[flat])]
    for each in mesh.attributes:
        if each.domain == "vertex":
            found.append(_bytes(each.values[flat]))
        elif each.index is not None:
            found.append(
                _bytes(each.of_corners(mesh.faces).reshape(len(flat), each.values.shape[1]))
            )
            found.append(_bytes((each.index.ravel() >= 0)[:, None]))
    return found


def _of_faces(mesh: Mesh) -> list[Bytes]:
    return [_bytes(each.values) for each in mesh.attributes if each.domain == "face"]


def _isolated(mesh: Mesh) -> list[Bytes]:
    """What each vertex in no face holds."""
    lonely = np.ones(len(mesh.vertices), bool)
    lonely[mesh.faces.ravel()] = False
    vertex: list[Attribute] = [each for each in mesh.attributes if each.domain == "vertex"]
    return [_bytes(mesh.vertices[lonely]), *(_bytes(each.values[lonely]) for each in vertex)]


def _labels(columns: list[Bytes]) -> npt.NDArray[np.int64]:
    """Numbers that differ where rows do."""
    rows = np.concatenate(columns, axis=1).astype(np.uint8)
    if not rows.shape[1]:
        return np.zeros(len(rows), np.int64)
    return first_uses(rows)[1]


def _turned(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rows of three, each turned so that it is the least of its rotations."""
    best = rows
    for turn in (1, 2):
        other = np.roll(rows, turn, axis=1)
        different = other != best
        place = different.argmax(axis=1)
        at = np.arange(len(rows))
        less = different.any(axis=1) & (other[at, place] < best[at, place])
        best = np.where(less[:, None], other, best)
    return best


def _sorted(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = rows[np.lexsort(rows.T)]
    return found
