"""What a glTF scene carries beside its geometry: buffer views, pictures, the rest of its JSON."""

from __future__ import annotations

import base64
import binascii
import copy
import urllib.parse
from dataclasses import replace
from pathlib import Path
from typing import Any

from nacre.errors import InputError
from nacre.limits import Limits
from nacre.media.gltf_document import DRACO, GEOMETRY, MESHOPT, UNUSED, Document
from nacre.media.mesh import Scene


def read_uri(uri: Any, limits: Limits, folder: Path | None, what: str) -> bytes:
    """The bytes that a URI names: in itself, or a file below ``folder``.

    Raises:
        InputError: it is anything else, or the file is not there.
    """
    if not isinstance(uri, str):
        raise InputError(f"glTF: the URI of {what} is no text")
    if uri.startswith("data:"):
        head, _, body = uri.partition(",")
        try:
            if head.endswith(";base64"):
                return base64.b64decode(body, validate=True)
            return urllib.parse.unquote_to_bytes(body)
        except (binascii.Error, ValueError):
            raise InputError(f"glTF: the data URI of {what} is damaged") from None
    name = urllib.parse.unquote(uri)
    path = Path(name)
    if ":" in name or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise InputError(f"glTF: {what} is at {name[:60]!r}, only files beside it are read")
    if folder is None or not (folder / path).is_file():
        raise InputError(f"glTF: {what}, the file {name[:60]!r}, is not beside it")
    limits.check("bytes", (folder / path).stat().st_size, f"file {name}")
    return (folder / path).read_bytes()


def _references(value: Any, found: set[int], inside: str = "") -> None:
    """Accessors that a part of the document may name, geometry that was taken left out."""
    if isinstance(value, list):
        for each in value:
            _references(each, found, inside)
    elif isinstance(value, dict):
        taken = "nacre" in value
        for key, each in value.items():
            if taken and key in ("attributes", "targets"):
                continue
            names = key in ("input", "output", "inverseBindMatrices", "indices", "accessor")
            if isinstance(each, int) and (names or inside in ("attributes", "targets")):
                found.add(each)
            elif inside != "top" or key not in ("accessors", "bufferViews", "buffers"):
                _references(each, found, key)


def take_out(source: Document, carried: dict[str, Any]) -> None:
    """Leave of the accessors that became meshes their type alone."""
    kept: set[int] = set()
    _references(carried, kept, "top")
    used: set[int] = set()
    for mesh in carried.get("meshes", []):
        for primitive in mesh.get("primitives", []):
            if "nacre" in primitive:
                for names in (primitive["attributes"], *primitive.get("targets", [])):
                    used.update(names.values())
    accessors = carried.get("accessors", [])
    for number in source.taken - kept:
        if number in used:
            accessors[number] = {k: v for k, v in accessors[number].items() if k not in GEOMETRY}
        else:
            accessors[number] = None
    _shorten(carried, "accessors")
    for mesh in carried.get("meshes", []):
        for primitive in mesh.get("primitives", []):
            if "nacre" in primitive and not primitive.get("extensions", True):
                del primitive["extensions"]
    for names in ("extensionsUsed", "extensionsRequired"):
        if DRACO in carried.get(names, []):
            carried[names] = [each for each in carried[names] if each != DRACO]
            if not carried[names]:
                del carried[names]


def _shorten(carried: dict[str, Any], key: str) -> None:
    """Forget entries that stand for nothing: those that say so, and what is empty at the end."""
    entries = carried.get(key, [])
    for number, entry in enumerate(entries):
        if entry is not None and entry.get("name") == UNUSED:
            entries[number] = None
    while entries and entries[-1] is None:
        entries.pop()
    if not entries:
        carried.pop(key, None)


def _views_named(value: Any, found: set[int]) -> None:
    if isinstance(value, list):
        for each in value:
            _views_named(each, found)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == "bufferView" and isinstance(each, int):
                found.add(each)
            else:
                _views_named(each, found)


def carry_views(source: Document, carried: dict[str, Any]) -> list[bytes]:
    """The content of each view that is not geometry alone; the others become None."""
    kept: set[int] = set()
    _views_named(carried, kept)
    dead: set[int] = set()
    _views_named([source.json["accessors"][number] for number in source.taken], dead)
    _views_named(source.json.get("meshes", []), dead)  # views that Draco filled
    blobs: list[bytes] = []
    views = carried.get("bufferViews", [])
    for number, view in enumerate(views):
        if number in dead - kept or view.get("name") == UNUSED:
            views[number] = None
            continue
        if MESHOPT in view.get("extensions", {}):
            raise InputError(
                f"glTF: compressed by {MESHOPT}; unpack it first (gltf-transform copy does)"
            )
        blobs.append(bytes(source.view(number)))
        places = ("buffer", "byteOffset", "byteLength")
        views[number] = {k: v for k, v in view.items() if k not in places}
        views[number]["nacre"] = len(blobs) - 1
    carried.pop("buffers", None)
    _shorten(carried, "bufferViews")
    return blobs


def carry_images(
    source: Document,
    carried: dict[str, Any],
    blobs: list[bytes],
    folder: Path | None,
    notes: dict[str, None],
) -> None:
    """Take in pictures that lie beside a glTF, or in its text."""
    for number, image in enumerate(carried.get("images", [])):
        if "uri" not in image:
            continue
        try:
            content = read_uri(image["uri"], source.limits, folder, f"image {number}")
        except InputError as error:
            notes[f"{error}; its name is kept"] = None
            continue
        source.limits.check("bytes", len(content) + sum(map(len, blobs)), "pictures of a glTF")
        uri = image.pop("uri")
        if not uri.startswith("data:"):
            image.setdefault("name", Path(urllib.parse.unquote(uri)).stem)
        image.setdefault("mimeType", _mime(content))
        views = carried.setdefault("bufferViews", [])
        image["bufferView"] = len(views)
        views.append({"nacre": len(blobs)})
        blobs.append(content)


def _mime(content: bytes) -> str:
    return "image/png" if content[:4] == b"\x89PNG" else "image/jpeg"


def without_textures(scene: Scene) -> Scene:
    """``scene`` without pictures and what refers to them."""
    document = copy.deepcopy(dict(scene.document))
    gone = {image.get("bufferView") for image in document.pop("images", []) if image}
    for key in ("textures", "samplers", "files", "libraries"):
        document.pop(key, None)
    for material in document.get("materials", []):
        _drop_textures(material)
    blobs: list[bytes] = []
    views = document.get("bufferViews", [])
    for number, view in enumerate(views):
        if number in gone:
            views[number] = None
        elif view is not None:
            blobs.append(scene.blobs[view["nacre"]])
            view["nacre"] = len(blobs) - 1
    _shorten(document, "bufferViews")
    return replace(scene, document=document, blobs=tuple(blobs))


def _drop_textures(value: Any) -> None:
    if not isinstance(value, dict):
        return
    for key in [key for key in value if key.lower().endswith("texture")]:
        del value[key]
    for each in value.values():
        _drop_textures(each)
