"""Nodes of a scene: where each mesh stands, and all of them as one mesh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.media.mesh import Attribute, Mesh, Scene

Matrix = npt.NDArray[np.float64]
MOST_PLACES = 1 << 16
"""Nodes that are followed; a document whose nodes share children could name more than it has."""


def placements(scene: Scene) -> Iterator[tuple[int, frozenset[int], Matrix]]:
    """``(mesh, parts, matrix [4, 4])`` for each time a node shows a mesh; once each without nodes.

    ``parts`` are the values of the face attribute ``primitive`` that are shown; none: all faces.

    Raises:
        InputError: nodes go round in circles, or are too many.
    """
    document = scene.document
    nodes, meshes = document.get("nodes", []), document.get("meshes", [])
    if not nodes or not meshes:
        yield from ((number, frozenset(), np.eye(4)) for number in range(len(scene.meshes)))
        return
    waiting = [(node, np.eye(4), 0) for node in reversed(_roots(document, nodes))]
    seen = 0
    while waiting:
        place, parent, depth = waiting.pop()
        seen += 1
        if seen > MOST_PLACES or depth > len(nodes):
            raise InputError("the nodes of the scene go round in circles, or are too many")
        node = _at(nodes, place)
        matrix = parent @ local_matrix(node)
        if "mesh" in node:
            primitives = _at(meshes, node["mesh"]).get("primitives", [])
            shown = [p["nacre"] for p in primitives if isinstance(p, dict) and p.get("nacre")]
            for number in dict.fromkeys(number for number, *_ in shown):
                if not isinstance(number, int) or not 0 <= number < len(scene.meshes):
                    raise InputError(f"a node shows mesh {number!r}, which is not there")
                parts = frozenset(part for each, *rest in shown if each == number for part in rest)
                yield number, parts, matrix
        children = node.get("children", [])
        waiting += [(child, matrix, depth + 1) for child in reversed(children)]


def _at(entries: Any, place: Any) -> dict[str, Any]:
    if not isinstance(place, int) or not isinstance(entries, list):
        raise InputError(f"the document of the scene names {place!r}, which is not there")
    if not 0 <= place < len(entries) or not isinstance(entries[place], dict):
        raise InputError(f"the document of the scene names {place!r}, which is not there")
    found: dict[str, Any] = entries[place]
    return found


def _roots(document: Mapping[str, Any], nodes: list[Any]) -> list[int]:
    """The nodes of the scene that is shown, or those that are nobody's child."""
    scenes = document.get("scenes")
    if scenes:
        roots: list[int] = _at(scenes, document.get("scene", 0)).get("nodes", [])
        return roots
    children = {c for node in nodes if isinstance(node, dict) for c in node.get("children", [])}
    return [place for place in range(len(nodes)) if place not in children]


def local_matrix(node: Mapping[str, Any]) -> Matrix:
    """The transform ``[4, 4]`` of a glTF node: its matrix, or translation, rotation and scale."""
    try:
        if "matrix" in node:
            return np.array(node["matrix"], np.float64).reshape(4, 4).T
        matrix = np.eye(4)
        if "rotation" in node:
            x, y, z, w = (float(value) for value in node["rotation"])
            matrix[:3, :3] = [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        if "scale" in node:
            matrix[:3, :3] *= np.array(node["scale"], np.float64).reshape(3)
        if "translation" in node:
            matrix[:3, 3] = np.array(node["translation"], np.float64).reshape(3)
    except (TypeError, ValueError):
        raise InputError("a node of the scene has a transform that is none") from None
    return matrix


def flatten(scene: Scene) -> Mesh:
    """All meshes as one; see :meth:`nacre.media.mesh.Scene.flattened`."""
    shown = [
        _moved(_part(scene.meshes[number], parts), matrix)
        for number, parts, matrix in placements(scene)
    ]
    if len(shown) == 1:
        return shown[0]
    if not shown:
        raise InputError("no node of the scene shows a mesh")
    vertices = np.concatenate([mesh.vertices for mesh in shown])
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in shown)])
    if starts[-1] >= 1 << 31:
        raise InputError(f"all meshes together have {int(starts[-1]):,} vertices, too many for one")
    faces = np.concatenate(
        [mesh.faces + np.int32(start) for mesh, start in zip(shown, starts, strict=False)]
    )
    attributes = [
        joined
        for each in shown[0].attributes
        if each.name != "primitive" and (joined := _joined(each, shown)) is not None
    ]
    if all(mesh.material is not None for mesh in shown):
        numbers = [np.full(len(m.faces), m.material, np.int32) for m in shown]
        material = Attribute("material", "generic", "face", np.concatenate(numbers)[:, None])
        attributes.append(material)
    return Mesh(vertices, faces.astype(np.int32), tuple(attributes))


def _part(mesh: Mesh, parts: frozenset[int]) -> Mesh:
    """``mesh`` with the faces of these parts alone, its vertices as they are."""
    part_of = next((a for a in mesh.attributes if a.name == "primitive"), None)
    if not parts or part_of is None or part_of.domain != "face":
        return mesh
    kept = np.isin(part_of.values[:, 0], list(parts))
    if kept.all():
        return mesh
    attributes = []
    for each in mesh.attributes:
        if each.domain == "face":
            each = replace(each, values=each.values[kept])
        elif each.index is not None:
            each = replace(each, index=each.index[kept])
        attributes.append(each)
    return replace(mesh, faces=mesh.faces[kept], attributes=tuple(attributes))


def _joined(first: Attribute, shown: list[Mesh]) -> Attribute | None:
    """The attribute of all meshes, if all have it and of one kind."""
    each = [_same(first, mesh) for mesh in shown]
    found = [one for one in each if one is not None]
    if len(found) < len(shown):
        return None
    values = np.concatenate([one.values for one in found])
    if first.domain != "corner":
        return replace(first, values=values)
    starts = np.cumsum([0, *(len(one.values) for one in found)])
    index = np.concatenate(
        [
            np.where(one.index < 0, -1, one.index + start)
            for one, start in zip(found, starts, strict=False)
            if one.index is not None
        ]
    )
    return replace(first, values=values, index=index.astype(np.int32))


def _same(first: Attribute, mesh: Mesh) -> Attribute | None:
    for each in mesh.attributes:
        alike = (each.name, each.domain, each.values.shape[1]) == (
            first.name, first.domain, first.values.shape[1]
        )  # fmt: skip
        if alike and each.values.dtype == first.values.dtype:
            return each
    return None


def _moved(mesh: Mesh, matrix: Matrix) -> Mesh:
    """``mesh`` under a transform; mirrored ones get their faces turned, normals are turned too."""
    if np.array_equal(matrix, np.eye(4)):
        return mesh
    linear = matrix[:3, :3]
    vertices = mesh.vertices @ linear.T + matrix[:3, 3]
    mirrored = np.linalg.det(linear) < 0
    attributes = []
    for each in mesh.attributes:
        if each.kind == "normal" and each.values.dtype.kind == "f" and each.values.shape[1] >= 3:
            each = replace(each, values=_turned(each.values, linear))
        if mirrored and each.index is not None:
            each = replace(each, index=np.ascontiguousarray(each.index[:, ::-1]))
        attributes.append(each)
    return replace(
        mesh,
        vertices=vertices.astype(mesh.vertices.dtype),
        faces=np.ascontiguousarray(mesh.faces[:, ::-1]) if mirrored else mesh.faces,
        attributes=tuple(attributes),
        lattice=None,
    )


def _turned(normals: npt.NDArray[Any], linear: Matrix) -> npt.NDArray[Any]:
    """Unit normals under the inverse transpose of ``linear``."""
    cofactors = np.linalg.det(linear) * np.linalg.pinv(linear).T
    turned = normals[:, :3].astype(np.float64) @ cofactors.T
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    found = normals.copy()
    found[:, :3] = np.where(length > 0, turned / np.where(length > 0, length, 1), 0)
    return found
