"""Meshes of other libraries, told by what they have and not by importing them."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.limits import Limits
from nacre.media.mesh import Attribute, Domain, Kind, Mesh, Scene
from nacre.media.mesh_arrays import as_faces, fan_notes, fans


def is_mesh_object(source: Any) -> bool:
    """Whether :func:`from_object` takes it."""
    if isinstance(source, Mesh | Scene):
        return True
    if isinstance(source, tuple | list):
        return len(source) == 2 and all(each is None or hasattr(each, "__len__") for each in source)
    has = [hasattr(source, name) for name in ("vertices", "points", "geometry")]
    return any(has) and not isinstance(source, np.ndarray)


def from_object(source: Any, limits: Limits) -> Scene:
    """The scene in arrays or in an object of trimesh, Open3D or PyVista.

    Raises:
        InputError: it is none of these, or its arrays do not go together.
        LimitExceeded: it has more vertices or faces than ``limits`` allow.
    """
    if isinstance(source, Scene):
        return source
    if isinstance(source, Mesh):
        return Scene((source,))
    if isinstance(source, tuple | list):
        return Scene((_from_arrays(source[0], source[1], limits),))
    if hasattr(source, "geometry") and hasattr(source, "graph"):
        return _from_trimesh_scene(source, limits)
    if hasattr(source, "vertices") and hasattr(source, "faces"):
        return Scene((_from_trimesh(source, limits),))
    if hasattr(source, "triangles") and hasattr(source, "vertices"):
        return Scene((_from_open3d(source, limits),))
    if hasattr(source, "points") and hasattr(source, "point_data"):
        return _from_pyvista(source, limits)
    if hasattr(source, "points"):
        return Scene((_from_open3d(source, limits),))
    if hasattr(source, "vertices"):
        return Scene((_from_trimesh(source, limits),))
    raise InputError(f"cannot read a mesh from {type(source).__name__}")


def _vertices(values: Any, limits: Limits) -> Any:
    """float32 or float64 ``[V, 3]``, not copied where it need not be."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiu":
            raise ValueError
    except (ValueError, TypeError):
        raise InputError("vertices are no array of numbers; [V, 3] is expected") from None
    if array.ndim != 2 or array.shape[1] != 3:
        raise InputError(f"vertices of shape {array.shape}; [V, 3] is expected")
    limits.check("vertices", len(array), "mesh")
    if array.dtype == np.float32:
        return np.ascontiguousarray(array)
    return np.ascontiguousarray(array, np.float32 if array.dtype == np.float16 else np.float64)


def _from_arrays(vertices: Any, faces: Any, limits: Limits) -> Mesh:
    found = _vertices(vertices, limits)
    rows = np.asarray(faces if faces is not None else np.zeros((0, 3), np.int32))
    if rows.size == 0:
        rows = np.zeros((0, 3), np.int32)
    if rows.ndim != 2 or rows.shape[1] not in (3, 4) or rows.dtype.kind not in "iu":
        raise InputError(
            f"faces: {rows.dtype} of shape {rows.shape}; whole numbers [F, 3] are expected"
        )
    limits.check("vertices", len(rows), "faces of a mesh")
    if rows.shape[1] == 4:
        places, _ = fans(np.full(len(rows), 4, np.int64))
        rows = rows.ravel()[places]
    return Mesh(found, as_faces(rows, len(found)))


def _attribute(name: str, kind: Kind, domain: Domain, values: Any, rows: int) -> list[Attribute]:
    """An attribute, if there are as many values as there should be."""
    array = np.asarray(values)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != rows or not rows or not array.shape[1]:
        return []
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        if not (abs(array.astype(np.float64)) < 2.0**31).all():
            return []
        array = array.astype(np.int32)
    if array.dtype.str[1:] not in ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"):
        return []
    return [Attribute(name, kind, domain, np.ascontiguousarray(array))]


def _from_trimesh(source: Any, limits: Limits, name: str = "") -> Mesh:
    """A Trimesh, or a PointCloud, without computing what it does not hold."""
    mesh = _from_arrays(source.vertices, getattr(source, "faces", None), limits)
    count, attributes = len(mesh.vertices), []
    cache = getattr(getattr(source, "_cache", None), "cache", {})
    if "vertex_normals" in cache:
        attributes += _attribute("normal", "normal", "vertex", source.vertex_normals, count)
    visual: Any = getattr(source, "visual", None)
    kind = getattr(visual, "kind", None)
    if kind == "vertex":
        attributes += _attribute("color", "color", "vertex", visual.vertex_colors, count)
    elif kind == "face":
        attributes += _attribute("color", "color", "face", visual.face_colors, len(mesh.faces))
    elif kind == "texture" and getattr(visual, "uv", None) is not None:
        attributes += _attribute("uv", "uv", "vertex", visual.uv, count)
    elif visual is None and getattr(source, "colors", None) is not None:
        attributes += _attribute("color", "color", "vertex", source.colors, count)
    for key, values in getattr(source, "vertex_attributes", {}).items():
        attributes += _attribute(str(key), "generic", "vertex", values, count)
    for key, values in getattr(source, "face_attributes", {}).items():
        attributes += _attribute(str(key), "generic", "face", values, len(mesh.faces))
    return Mesh(mesh.vertices, mesh.faces, tuple(attributes), name=name)


def _from_trimesh_scene(source: Any, limits: Limits) -> Scene:
    """Meshes and nodes of a trimesh scene; its textures are left out."""
    names = [name for name, each in source.geometry.items() if hasattr(each, "vertices")]
    meshes = tuple(_from_trimesh(source.geometry[name], limits, str(name)) for name in names)
    if not meshes:
        raise InputError("a trimesh scene without meshes")
    nodes = []
    for node in source.graph.nodes_geometry:
        matrix, name = source.graph[node]
        if name in names:
            columns = np.asarray(matrix, np.float64).T.ravel().tolist()
            nodes.append({"name": str(node), "mesh": names.index(name), "matrix": columns})
    document = {
        "scene": 0,
        "scenes": [{"nodes": list(range(len(nodes)))}],
        "nodes": nodes,
        "meshes": [{"primitives": [{"nacre": [i]}], "name": name} for i, name in enumerate(names)],
    }
    textured = any(
        getattr(getattr(each, "visual", None), "material", None) is not None
        for each in source.geometry.values()
    )
    notes = ("materials and textures of a trimesh scene are left out; encode its file instead",)
    return Scene(meshes, document, notes=notes if textured else ())


def _from_open3d(source: Any, limits: Limits) -> Mesh:
    """A TriangleMesh or PointCloud of Open3D's legacy geometry."""
    points = source.vertices if hasattr(source, "vertices") else source.points
    mesh = _from_arrays(np.asarray(points), np.asarray(getattr(source, "triangles", ())), limits)
    count, attributes = len(mesh.vertices), []
    of_points = not hasattr(source, "vertices")
    for name, kind in (("normals", "normal"), ("colors", "color")):
        values = getattr(source, name if of_points else f"vertex_{name}", ())
        title = name.removesuffix("s")
        attributes += _attribute(title, kind, "vertex", values, count)  # type: ignore[arg-type]
    uvs = np.asarray(getattr(source, "triangle_uvs", ()))
    if uvs.shape == (3 * len(mesh.faces), 2) and len(mesh.faces):
        from nacre.media.mesh_arrays import corner_attribute

        index = np.arange(len(uvs)).reshape(-1, 3)
        attributes.append(corner_attribute("uv", "uv", uvs, index))
    return Mesh(mesh.vertices, mesh.faces, tuple(attributes))


def _from_pyvista(source: Any, limits: Limits) -> Scene:
    """A PolyData: its faces are ``[n, i, j, k, ...]`` one after another."""
    flat = np.asarray(getattr(source, "faces", ()), np.int64).ravel()
    sizes, places, place = [], [], 0
    while place < len(flat):
        size = int(flat[place])
        if not 0 <= size < len(flat) - place:
            raise InputError("faces of a PolyData that do not end where they say")
        sizes.append(size)
        places.append(np.arange(place + 1, place + 1 + size))
        place += 1 + size
    counts = np.array(sizes, np.int64)
    corners, polygon = fans(counts)
    items = flat[np.concatenate([*places, np.zeros(0, np.int64)]).astype(np.int64)]
    mesh = _from_arrays(source.points, items[corners], limits)
    attributes = _named(source.point_data, "vertex", len(mesh.vertices), None)
    attributes += _named(getattr(source, "cell_data", {}), "face", len(counts), polygon)
    return Scene((Mesh(mesh.vertices, mesh.faces, tuple(attributes)),), notes=fan_notes(counts))


def _named(
    data: Any, domain: Domain, rows: int, polygon: npt.NDArray[np.int64] | None
) -> list[Attribute]:
    kinds: dict[str, Kind] = {
        "Normals": "normal", "RGB": "color", "RGBA": "color", "Texture Coordinates": "uv"
    }  # fmt: skip
    found: list[Attribute] = []
    for key, values in data.items():
        for each in _attribute(str(key), kinds.get(str(key), "generic"), domain, values, rows):
            kept = each.values if polygon is None else each.values[polygon]
            found.append(Attribute(each.name, each.kind, domain, kept))
    return found


def to_trimesh(mesh: Mesh) -> Any:
    """A ``trimesh.Trimesh`` with its vertices as they are, split where corners differ in UVs."""
    from nacre.media.gltf_write import bottom_left, split_corners

    trimesh: Any = importlib.import_module("trimesh")
    mesh = bottom_left(split_corners(mesh))
    colours, uv, normals = (mesh.attribute(kind) for kind in ("color", "uv", "normal"))
    vertex = {
        each.name: each.values
        for each in mesh.attributes
        if each.kind == "generic" and each.domain == "vertex"
    }
    shades = colours.values if colours is not None and colours.domain == "vertex" else None
    if not len(mesh.faces):
        return trimesh.PointCloud(mesh.vertices, colors=shades)
    found = trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_normals=None if normals is None else normals.values,
        vertex_colors=shades,
        vertex_attributes=vertex,
        process=False,
        validate=False,
    )
    if uv is not None:
        found.visual = trimesh.visual.TextureVisuals(uv=uv.values)
    return found
