"""GLB and glTF 2.0: geometry becomes meshes, and everything else is carried.

Source: Khronos glTF 2.0 specification. Primitives that share their vertices become one mesh, whose
face attribute ``primitive`` tells them apart. The document keeps its numbering: nodes, materials,
textures, animations, skins, names, extras and extensions stay as they are. Of what the geometry
occupied, accessors keep their type, and buffer views become ``null``; every other view is a blob.
"""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.limits import Limits
from nacre.media.gltf_carry import carry_images, carry_views, read_uri, take_out
from nacre.media.gltf_document import (
    BIN_CHUNK,
    DRACO,
    FAN,
    JSON_CHUNK,
    MAGIC,
    POINTS,
    STRIP,
    TRIANGLES,
    Document,
)
from nacre.media.mesh import Attribute, Kind, Mesh, Scene
from nacre.media.mesh_arrays import as_faces


def read_gltf(data: bytes, limits: Limits, folder: Path | None = None) -> Scene:
    """The scene in a GLB or glTF file.

    Args:
        data: the file.
        limits: on vertices and faces (each), and on bytes of the files beside it.
        folder: where a glTF's buffers and pictures are; None: it must hold all itself.

    Raises:
        InputError: it is damaged, or compressed by an extension that cannot be undone here.
        LimitExceeded: there is more than ``limits`` allow.
    """
    document, binary = _containers(data)
    if document.get("asset", {}).get("version", "2.0")[:1] != "2":
        raise InputError(f"glTF: version {document['asset']['version']}, 2.0 is expected")
    try:
        return _scene(
            Document(document, _buffers(document, binary, limits, folder), limits), folder
        )
    except (AttributeError, TypeError, KeyError) as error:
        raise InputError(f"glTF: the document is not as it should be ({error})") from None


def _containers(data: bytes) -> tuple[dict[str, Any], memoryview | None]:
    """The JSON of a GLB or glTF file, and the binary chunk."""
    text, binary = memoryview(data), None
    if data[:4] == MAGIC:
        if len(data) < 20:
            raise InputError(f"GLB: {len(data)} bytes, a header alone takes 20")
        version, length, size, kind = struct.unpack_from("<IIII", data, 4)
        if version != 2 or kind != JSON_CHUNK:
            raise InputError(f"GLB: version {version}, 2 is expected")
        if length > len(data) or 20 + size > len(data):
            raise InputError(
                f"GLB: {len(data):,} bytes of {max(length, 20 + size):,}; the file is cut short"
            )
        place = 20 + size
        text = text[20:place]
        if place + 8 <= length:
            size, kind = struct.unpack_from("<II", data, place)
            if kind == BIN_CHUNK:
                if place + 8 + size > len(data):
                    raise InputError("GLB: the binary chunk is cut short")
                binary = memoryview(data)[place + 8 : place + 8 + size]
    try:
        document = json.loads(bytes(text).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"glTF: the document is no JSON ({str(error)[:80]})") from None
    if not isinstance(document, dict) or not isinstance(document.get("asset", {}), dict):
        raise InputError("glTF: the document is no JSON object")
    return document, binary


def _buffers(
    document: dict[str, Any], binary: memoryview | None, limits: Limits, folder: Path | None
) -> list[memoryview]:
    """The bytes of each buffer; empty for one that only an extension fills."""
    found = []
    for number, entry in enumerate(document.get("buffers", [])):
        uri = entry.get("uri")
        if uri is not None:
            content = memoryview(read_uri(uri, limits, folder, f"buffer {number}"))
        elif number == 0 and binary is not None:
            content = binary
        else:
            content = memoryview(b"")
        found.append(content)
    return found


def _scene(source: Document, folder: Path | None) -> Scene:
    carried = copy.deepcopy(source.json)
    groups: dict[Any, _Group] = {}
    notes: dict[str, None] = {}
    for mesh in carried.get("meshes", []):
        for primitive in mesh.get("primitives", []):
            _group(source, primitive, mesh.get("name", ""), groups, notes)
    meshes = tuple(group.mesh(source, number) for number, group in enumerate(groups.values()))
    if not meshes:
        raise InputError("glTF: no triangles and no points")
    take_out(source, carried)
    blobs = carry_views(source, carried)
    carry_images(source, carried, blobs, folder, notes)
    return Scene(meshes, carried, tuple(blobs), tuple(notes))


@dataclass
class _Group:
    """Primitives over the same vertices: they are one mesh."""

    attributes: Mapping[str, npt.NDArray[Any]]
    name: str
    points: bool
    parts: dict[Any, npt.NDArray[np.int64]] = field(default_factory=dict)
    primitives: list[tuple[dict[str, Any], int]] = field(default_factory=list)

    def mesh(self, source: Document, number: int) -> Mesh:
        """The mesh; the primitives learn its number."""
        position = self.attributes["POSITION"]
        if position.shape[1] != 3:
            raise InputError("glTF: a position of other than three numbers")
        several = len(self.parts) > 1
        for primitive, part in self.primitives:
            primitive["nacre"] = [number, part] if several else [number]
        rows = np.concatenate([*self.parts.values(), np.zeros((0, 3), np.int64)])
        attributes = [
            Attribute(name, kind_of(name, values), "vertex", values)
            for name, values in self.attributes.items()
            if name != "POSITION"
        ]
        if several:
            sizes = [len(part) for part in self.parts.values()]
            part_of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
            attributes.append(Attribute("primitive", "generic", "face", part_of[:, None]))
        materials = {primitive.get("material") for primitive, _ in self.primitives}
        material = materials.pop() if len(materials) == 1 else None
        source.limits.check("vertices", len(rows), f"glTF mesh of {len(rows):,} faces")
        return Mesh(
            np.ascontiguousarray(position, np.float32),
            as_faces(rows, len(position)),
            tuple(attributes),
            name=self.name if isinstance(self.name, str) else "",
            material=material if isinstance(material, int) else None,
        )


def kind_of(name: str, values: npt.NDArray[Any]) -> Kind:
    """What a glTF attribute is, of those kinds that are coded by a way of their own."""
    floating = values.dtype.kind == "f"
    if name == "NORMAL" and floating and values.shape[1] == 3:
        return "normal"
    if name.startswith("TEXCOORD_") and floating and values.shape[1] == 2:
        return "uv"
    return "color" if name.startswith("COLOR_") else "generic"


def _group(
    source: Document,
    primitive: dict[str, Any],
    name: str,
    groups: dict[Any, _Group],
    notes: dict[str, None],
) -> None:
    """Put a primitive into the group of its vertices; lines and the like are left in the file."""
    mode = primitive.get("mode", TRIANGLES)
    names = primitive.get("attributes", {})
    if "POSITION" not in names or mode not in (POINTS, TRIANGLES, STRIP, FAN):
        return
    if mode == POINTS and "indices" in primitive:
        return
    targets = primitive.get("targets", [])
    extensions = primitive.get("extensions", {})
    key = (mode == POINTS, *sorted(names.items()), *(tuple(sorted(t.items())) for t in targets))
    key = (*key, DRACO in extensions and extensions[DRACO].get("bufferView"))
    indices: npt.NDArray[np.int64] | None = None
    attributes: dict[str, npt.NDArray[Any]] = {}
    if key not in groups:
        if DRACO in extensions:
            from nacre.media.gltf_draco import read_draco

            attributes, indices = read_draco(source, primitive)
            notes["meshes that Draco compressed were unpacked"] = None
        else:
            attributes = {each: source.accessor(number) for each, number in names.items()}
        for place, target in enumerate(targets):
            for each, number in target.items():
                attributes[f"target{place}:{each}"] = source.accessor(number)
        if len({len(values) for values in attributes.values()}) != 1:
            raise InputError("glTF: a primitive whose attributes differ in number")
    extensions.pop(DRACO, None)
    group = groups.setdefault(key, _Group(attributes, name, mode == POINTS))
    _add_part(source, primitive, mode, indices, group, notes)


def _add_part(
    source: Document,
    primitive: dict[str, Any],
    mode: int,
    indices: npt.NDArray[np.int64] | None,
    group: _Group,
    notes: dict[str, None],
) -> None:
    """The triangles of a primitive, once for all that show the same ones."""
    part = (mode, primitive.get("indices"))
    if part not in group.parts and mode != POINTS:
        if indices is None and "indices" in primitive:
            values = source.accessor(primitive["indices"])
            if values.shape[1] != 1 or values.dtype.kind != "u":
                raise InputError("glTF: indices of another type than unsigned numbers")
            indices = values[:, 0].astype(np.int64)
        if indices is None:
            indices = np.arange(len(group.attributes["POSITION"]))
        group.parts[part] = _triangles(indices, mode)
        if mode != TRIANGLES:
            notes["triangle strips and fans became triangles"] = None
    number = 0 if mode == POINTS else list(group.parts).index(part)
    group.primitives.append((primitive, number))
    primitive.pop("indices", None)
    if mode != POINTS:
        primitive.pop("mode", None)


def _triangles(indices: npt.NDArray[np.int64], mode: int) -> npt.NDArray[np.int64]:
    """Triangles ``[T, 3]`` of a list, strip or fan of indices (glTF 2.0, 3.7.2.1)."""
    if mode == TRIANGLES:
        return indices[: len(indices) // 3 * 3].reshape(-1, 3)
    if len(indices) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == FAN:
        first = np.broadcast_to(indices[:1], len(indices) - 2)
        fan: npt.NDArray[np.int64] = np.stack([indices[1:-1], indices[2:], first], axis=1)
        return fan
    rows: npt.NDArray[np.int64] = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
    rows[1::2] = rows[1::2][:, [0, 2, 1]]
    return rows
