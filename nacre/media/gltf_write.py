"""GLB and glTF 2.0 files of a scene: its document with the geometry put back, or a new one."""

from __future__ import annotations

import copy
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.media.gltf_document import BIN_CHUNK, COMPONENTS, GEOMETRY, JSON_CHUNK, MAGIC, UNUSED
from nacre.media.mesh import Attribute, Mesh, Scene
from nacre.media.mesh_arrays import first_uses

CODES = {kind: code for code, kind in COMPONENTS.items()}
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
SEMANTIC = re.compile(r"NORMAL|TANGENT|(TEXCOORD|COLOR|JOINTS|WEIGHTS)_\d+|_.+|target\d+:.+")


@dataclass
class _Writer:
    """The document under construction, and the bytes of its only buffer."""

    document: dict[str, Any]
    binary: bytearray = field(default_factory=bytearray)
    free: dict[str, list[int]] = field(default_factory=dict)
    filled: set[int] = field(default_factory=set)
    done: dict[Any, int] = field(default_factory=dict)

    def put(self, kind: str, entry: dict[str, Any]) -> int:
        """Add an entry to a list of the document, in a free place if there is one."""
        entries = self.document.setdefault(kind, [])
        if kind not in self.free:
            self.free[kind] = [n for n, each in enumerate(entries) if each is None][::-1]
        if self.free[kind]:
            number = self.free[kind].pop()
            entries[number] = entry
            return number
        entries.append(entry)
        return len(entries) - 1

    def view(self, content: bytes, rest: Mapping[str, Any]) -> dict[str, Any]:
        """A buffer view of ``content``, added to the buffer."""
        self.binary += bytes(-len(self.binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content), **rest}
        self.binary += content
        return view

    def accessor(self, values: npt.NDArray[Any], template: Any, **more: Any) -> int:
        """An accessor of ``values`` ``[n, K]``; in the place ``template`` if nothing is there."""
        form: dict[str, Any] = {}
        place = template if isinstance(template, int) else -1
        entries = self.document.get("accessors", [])
        if 0 <= place < len(entries) and isinstance(entries[place], dict):
            form = {k: v for k, v in entries[place].items() if k not in GEOMETRY}
        kind = values.dtype.str[1:]
        size = values.shape[1] * values.dtype.itemsize
        stride = (size + 3) // 4 * 4
        rest: dict[str, Any] = {"target": more.pop("target")} if "target" in more else {}
        body = values
        if stride != size and rest.get("target") == VERTICES:
            rest["byteStride"] = stride
            body = np.zeros((len(values), stride), np.uint8)
            body[:, :size] = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), size)
        content = body.astype(body.dtype.newbyteorder("<"), copy=False).tobytes()
        form |= {"componentType": CODES[kind], "type": TYPES[values.shape[1]]}
        form["count"] = len(values)
        if kind == "f4" and form.get("normalized"):
            del form["normalized"]
        if len(values):
            form["bufferView"] = self.put("bufferViews", self.view(content, rest))
        form |= more
        free = 0 <= place < len(entries) and place not in self.filled
        if free and isinstance(entries[place], dict) and "count" not in entries[place]:
            entries[place] = form
            self.filled.add(place)
            return place
        return self.put("accessors", form)


VERTICES, INDICES = 34962, 34963


def write_gltf(scene: Scene, *, binary_name: str | None = None) -> tuple[bytes, bytes]:
    """A GLB file; or with ``binary_name`` a glTF file, and the file of that name beside it.

    Raises:
        InputError: the document does not go with the meshes.
    """
    if "asset" in scene.document:
        prepared = replace(scene, meshes=tuple(_of_vertices(mesh) for mesh in scene.meshes))
        document = copy.deepcopy(dict(scene.document))
    else:
        prepared, document = _new_document(scene)
    writer = _Writer(document)
    try:
        _put_blobs(writer, prepared)
        for mesh in document.get("meshes", []):
            for primitive in mesh.get("primitives", []):
                if "nacre" in primitive:
                    _put_primitive(writer, primitive, prepared)
    except (AttributeError, TypeError, KeyError, IndexError, ValueError) as error:
        raise InputError(f"the document of the scene does not go with it ({error})") from None
    _close(writer, binary_name)
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    content = bytes(writer.binary)
    return (text, content) if binary_name is not None else (_glb(text, content), b"")


def _of_vertices(mesh: Mesh) -> Mesh:
    """``mesh`` with no attributes of corners, as of one whose vertices were joined."""
    return split_corners(mesh) if any(a.domain == "corner" for a in mesh.attributes) else mesh


def _glb(text: bytes, content: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    content += bytes(-len(content) % 4)
    chunks = struct.pack("<II", len(text), JSON_CHUNK) + text
    if content:
        chunks += struct.pack("<II", len(content), BIN_CHUNK) + content
    return MAGIC + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def _put_blobs(writer: _Writer, scene: Scene) -> None:
    """Give the carried views their bytes back."""
    for number, view in enumerate(writer.document.get("bufferViews", [])):
        if view is not None:
            rest = {k: v for k, v in view.items() if k != "nacre"}
            content = scene.blobs[view["nacre"]]
            writer.document["bufferViews"][number] = writer.view(content, rest)


def _close(writer: _Writer, binary_name: str | None) -> None:
    """The buffer, and something harmless in places that stayed free."""
    document = writer.document
    for view in [n for n, each in enumerate(document.get("bufferViews", [])) if each is None]:
        document["bufferViews"][view] = writer.view(bytes(4), {"name": UNUSED})
    filler = {"componentType": 5126, "type": "SCALAR", "count": 1, "name": UNUSED}
    for number, each in enumerate(document.get("accessors", [])):
        if each is None or "count" not in each:
            document["accessors"][number] = filler
    writer.binary += bytes(-len(writer.binary) % 4)
    if writer.binary:
        buffer: dict[str, Any] = {"byteLength": len(writer.binary)}
        document["buffers"] = [buffer if binary_name is None else {"uri": binary_name, **buffer}]
    for key in ("bufferViews", "accessors"):
        if key in document and not document[key]:
            del document[key]


def _put_primitive(writer: _Writer, primitive: dict[str, Any], scene: Scene) -> None:
    """Attributes and indices of one primitive, shared with those of the same mesh."""
    number, *part = primitive.pop("nacre")
    mesh = scene.meshes[number]
    old = primitive.get("attributes", {})
    old_targets = primitive.get("targets", [])
    names = {"POSITION": _accessor_of(writer, number, mesh, "POSITION", old.get("POSITION"))}
    targets: list[dict[str, int]] = [{} for _ in old_targets]
    for each in mesh.attributes:
        if each.domain != "vertex" or SEMANTIC.fullmatch(each.name) is None:
            continue
        if each.name.startswith("target"):
            head, _, name = each.name.partition(":")
            place = int(head[6:])
            if place < len(targets):
                template = old_targets[place].get(name)
                targets[place][name] = _accessor_of(writer, number, mesh, each.name, template)
        else:
            template = old.get(each.name)
            names[each.name] = _accessor_of(writer, number, mesh, each.name, template)
    primitive["attributes"] = {**{k: names[k] for k in old if k in names}, **names}
    if targets:
        primitive["targets"] = targets
    if not len(mesh.faces):
        primitive["mode"] = 0
        return
    key = (number, "indices", *part)
    if key not in writer.done:
        faces = mesh.faces
        if part:
            part_of = next(a for a in mesh.attributes if a.name == "primitive")
            faces = faces[part_of.values[:, 0] == part[0]]
        kind = np.uint16 if len(mesh.vertices) <= 0xFFFF else np.uint32
        indices = faces.reshape(-1, 1).astype(kind)
        writer.done[key] = writer.accessor(indices, None, target=INDICES)
    primitive["indices"] = writer.done[key]


def _accessor_of(writer: _Writer, number: int, mesh: Mesh, name: str, template: Any) -> int:
    """The accessor of an attribute of a mesh, written once."""
    key = (number, name)
    if key in writer.done:
        return writer.done[key]
    if name == "POSITION":
        values = _positions(mesh, writer.document, template)
        shown = values[np.isfinite(values).all(axis=1)] if values.dtype.kind == "f" else values
        bounds = {}
        if len(shown):
            bounds = {"min": shown.min(axis=0).tolist(), "max": shown.max(axis=0).tolist()}
        writer.done[key] = writer.accessor(values, template, target=VERTICES, **bounds)
        return writer.done[key]
    values = next(a.values for a in mesh.attributes if a.name == name and a.domain == "vertex")
    if values.dtype.str[1:] not in CODES:
        values = values.astype(np.float32)
    writer.done[key] = writer.accessor(values, template, target=VERTICES)
    return writer.done[key]


def _positions(mesh: Mesh, document: Mapping[str, Any], template: Any) -> npt.NDArray[Any]:
    """float32, or the whole numbers that the file had if they are still whole."""
    values: npt.NDArray[Any] = mesh.vertices.astype(np.float32)
    accessors = document.get("accessors", [])
    if isinstance(template, int) and 0 <= template < len(accessors) and accessors[template]:
        kind = COMPONENTS.get(accessors[template].get("componentType"), "f4")
        if kind != "f4" and np.isfinite(values).all():
            bounds = np.iinfo(kind)
            inside = values.min(initial=0) >= bounds.min and values.max(initial=0) <= bounds.max
            if inside and (values % 1 == 0).all():
                return values.astype(kind)
    return values


def _new_document(scene: Scene) -> tuple[Scene, dict[str, Any]]:
    """A document for a scene that has none of glTF, and the scene as glTF can hold it."""
    meshes = tuple(_for_gltf(mesh) for mesh in scene.meshes)
    old = copy.deepcopy(dict(scene.document))
    entries = []
    for number, mesh in enumerate(meshes):
        parts = next((a for a in mesh.attributes if a.name == "primitive"), None)
        materials = [mesh.material]
        if parts is not None:
            materials = _materials_of_parts(scene.meshes[number], int(parts.values.max()) + 1)
        primitives = []
        for place, material in enumerate(materials):
            primitive: dict[str, Any] = {"nacre": [number] if parts is None else [number, place]}
            if material is not None and 0 <= material < len(old.get("materials", [])):
                primitive["material"] = material
            primitives.append(primitive)
        entries.append({"primitives": primitives, **({"name": mesh.name} if mesh.name else {})})
    document: dict[str, Any] = {"asset": {"version": "2.0", "generator": "nacre"}}
    if old.get("nodes"):
        document |= {key: old[key] for key in ("scene", "scenes", "nodes") if key in old}
    else:
        nodes = [
            {"mesh": number, **({"name": mesh.name} if mesh.name else {})}
            for number, mesh in enumerate(meshes)
        ]
        document |= {"scene": 0, "scenes": [{"nodes": list(range(len(nodes)))}], "nodes": nodes}
    document["meshes"] = entries
    if old.get("materials"):
        document["materials"] = old["materials"]
    return replace(scene, meshes=meshes, document=document, blobs=()), document


def _materials_of_parts(mesh: Mesh, parts: int) -> list[int | None]:
    of_face = next(a for a in mesh.attributes if a.domain == "face" and a.name == "material")
    values = np.unique(of_face.values[:, 0])
    return [int(value) if value >= 0 else None for value in values][:parts]


def _for_gltf(mesh: Mesh) -> Mesh:
    """``mesh`` in the words of glTF: vertices split at seams, a part for each material."""
    mesh = split_corners(mesh)
    counts = {"normal": 0, "uv": 0, "color": 0}
    attributes: list[Attribute] = []
    for each in mesh.attributes:
        if each.domain == "face":
            if each.name == "material" and each.values.dtype.kind in "iu":
                parts = np.unique(each.values[:, 0], return_inverse=True)[1].reshape(-1, 1)
                attributes.append(replace(each, name="primitive", values=parts.astype(np.int32)))
            continue
        name = each.name
        values = each.values
        if SEMANTIC.fullmatch(name) is None:
            if each.kind == "generic":
                name = "_" + re.sub(r"\W", "_", name).upper()
            else:
                title = {"normal": "NORMAL", "uv": "TEXCOORD", "color": "COLOR"}[each.kind]
                name = title if each.kind == "normal" else f"{title}_{counts[each.kind]}"
                counts[each.kind] += 1
                values = _top_left(values) if each.kind == "uv" else values
        if any(a.name == name for a in attributes):
            continue
        if values.shape[1] > 4:
            attributes += [
                replace(each, name=f"_{name.lstrip('_')}_{i}", values=values[:, i : i + 1])
                for i in range(values.shape[1])
            ]
            continue
        attributes.append(replace(each, name=name, values=values))
    return replace(mesh, attributes=tuple(attributes))


def _top_left(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Texture coordinates from the upper edge on, as glTF counts; or back."""
    turned = values.copy()
    top = values.dtype.type(1) if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    turned[:, 1] = top - values[:, 1]
    return turned


def bottom_left(mesh: Mesh) -> Mesh:
    """``mesh`` with glTF's texture coordinates counted from the lower edge, as other files do."""
    attributes = tuple(
        replace(each, values=_top_left(each.values))
        if each.name.startswith("TEXCOORD_") and each.values.shape[1] == 2
        else each
        for each in mesh.attributes
    )
    return replace(mesh, attributes=attributes)


def split_corners(mesh: Mesh) -> Mesh:
    """``mesh`` with attributes of vertices alone: a vertex for each set of values at its corners.

    Vertices in no face stay.
    """
    corner = [each for each in mesh.attributes if each.domain == "corner" and len(mesh.faces)]
    if not corner:
        rest = tuple(each for each in mesh.attributes if each.domain != "corner")
        return replace(mesh, attributes=rest)
    columns = [
        mesh.faces.ravel(),
        *(each.index.ravel() for each in corner if each.index is not None),
    ]
    lonely = np.setdiff1d(np.arange(len(mesh.vertices)), mesh.faces)
    rows = np.stack(columns, axis=1).astype(np.int64)
    extra = np.full((len(lonely), rows.shape[1]), -1, np.int64)
    extra[:, 0] = lonely
    first, number = first_uses(np.concatenate([rows, extra]))
    table = np.concatenate([rows, extra])[first]
    attributes = []
    for each in mesh.attributes:
        if each.domain == "vertex":
            each = replace(each, values=each.values[table[:, 0]])
        elif each in corner:
            column = 1 + corner.index(each)
            zero = np.zeros((1, each.values.shape[1]), each.values.dtype)
            values = np.concatenate([each.values, zero])[table[:, column]]
            each = Attribute(each.name, each.kind, "vertex", values)
        attributes.append(each)
    return replace(
        mesh,
        vertices=mesh.vertices[table[:, 0]],
        faces=number[: len(rows)].astype(np.int32).reshape(-1, 3),
        attributes=tuple(attributes),
        lattice=None,
    )
